#include "cli/fleet_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "cli/amounts.h"
#include "cli/requests.h"
#include "cli/yaml_tree.h"

namespace tallyman::cli {
namespace {

constexpr int64_t kNodesPerEntryMax = 100'000;

// Reads the values of one map; remembers what was asked for, so that Finish finds unknown keys. The
// first error stays, and is what Finish gives.
class MapReader {
 public:
  MapReader(std::string_view file, const YamlNode& node, std::string_view what)
      : file_(file), node_(node), what_(what) {
    if (node.kind != YamlNode::Kind::kMap) {
      Refuse(node.position, fmt::format("{} must be a map of keys and values", what));
    }
  }

  FilePosition position() const { return node_.position; }

  // The value of a key, null when it is absent (or null in the file).
  const YamlNode* Find(std::string_view key) {
    if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
    const YamlNode* value = node_.Find(key);
    return value == nullptr || value->kind == YamlNode::Kind::kNull ? nullptr : value;
  }

  // The text of a key; "" when it is absent and not required.
  std::string Text(std::string_view key, bool required = false) {
    const YamlNode* value = Find(key);
    if (value == nullptr) {
      if (required) Refuse(node_.position, fmt::format("{} needs a key {}", what_, Quote(key)));
      return {};
    }
    if (value->kind != YamlNode::Kind::kScalar) {
      Refuse(value->position, fmt::format("{} must be a single value", key));
      return {};
    }
    return value->scalar;
  }

  std::string Name(std::string_view key, bool required = false) {
    const std::string text = Text(key, required);
    if (!text.empty() || (required && !error_)) Check(key, CheckName(key, text));
    return text;
  }

  int64_t Count(std::string_view key, bool required = false) {
    const std::string text = Text(key, required);
    return text.empty() && !required ? 0 : Take(key, ParseCount(key, text));
  }

  int64_t Amount(std::string_view key, bool required = false) {
    const std::string text = Text(key, required);
    return text.empty() && !required ? 0 : Take(key, ParseAmount(key, text));
  }

  std::optional<bool> Bool(std::string_view key) {
    const std::string text = Text(key);
    if (text.empty()) return std::nullopt;
    if (text == "true" || text == "false") return text == "true";
    Refuse(Find(key)->position, fmt::format("{} is {}: write true or false", key, Quote(text)));
    return std::nullopt;
  }

  // One of the words; the first when it is absent.
  size_t Word(std::string_view key, const std::vector<std::string_view>& words,
              bool required = false) {
    const std::string text = Text(key, required);
    if (text.empty()) return 0;
    const auto found = std::ranges::find(words, text);
    if (found == words.end()) {
      Refuse(Find(key)->position,
             fmt::format("{} is {}: write one of {}", key, Quote(text), fmt::join(words, ", ")));
      return 0;
    }
    return static_cast<size_t>(found - words.begin());
  }

  std::vector<const YamlNode*> List(std::string_view key) {
    const YamlNode* value = Find(key);
    std::vector<const YamlNode*> items;
    if (value == nullptr) return items;
    if (value->kind != YamlNode::Kind::kSequence) {
      Refuse(value->position, fmt::format("{} must be a list", key));
      return items;
    }
    for (const auto& item : value->items) items.push_back(item.get());
    return items;
  }

  void Refuse(FilePosition position, std::string_view what) {
    if (!error_) error_ = AtPosition(file_, position, "INVALID_FLEET", what);
  }

  void Check(std::string_view key, const Status& status) {
    if (status || error_) return;
    const YamlNode* value = node_.Find(key);
    error_ = AtPosition(file_, value == nullptr ? node_.position : value->position, status.error());
  }

  // Keeps the first error of what was read below this map.
  void Check(const Status& status) {
    if (!status && !error_) error_ = status.error();
  }

  // An unknown key comes first: what is missing beside it is often just misspelt.
  Status Finish() {
    for (const auto& [key, value] : node_.entries) {
      if (std::ranges::find(known_, key->scalar) != known_.end()) continue;
      return Fail(AtPosition(file_, key->position, "INVALID_FLEET",
                             fmt::format("unknown key {} in {}; the keys are {}",
                                         Quote(key->scalar), what_, fmt::join(known_, ", "))));
    }
    if (error_) return Fail(*error_);
    return {};
  }

 private:
  template <class T>
  T Take(std::string_view key, const Result<T>& result) {
    if (result) return *result;
    Check(key, Fail(result.error()));
    return {};
  }

  std::string_view file_;
  const YamlNode& node_;
  std::string_view what_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

v1::Resources ReadResources(MapReader& map, bool required) {
  v1::Resources resources;
  resources.set_cpu_cores(map.Count("cpu", required));
  resources.set_memory_bytes(map.Amount("memory", required));
  resources.set_disk_bytes(map.Amount("disk", required));
  return resources;
}

Result<v1::FirewallRule> ReadRule(std::string_view file, const YamlNode& node) {
  MapReader map(file, node, "a firewall rule");
  v1::FirewallRule rule;
  rule.set_key(map.Name("key", true));
  rule.set_direction(
      static_cast<v1::FirewallDirection>(map.Word("direction", {"in", "out"}, true) + 1));
  rule.set_action(
      static_cast<v1::FirewallAction>(map.Word("action", {"allow", "deny", "reject"}, true) + 1));
  static constexpr v1::FirewallTransport kTransports[] = {
      v1::FIREWALL_TRANSPORT_BOTH, v1::FIREWALL_TRANSPORT_TCP, v1::FIREWALL_TRANSPORT_UDP};
  rule.set_transport(kTransports[map.Word("transport", {"both", "tcp", "udp"})]);
  for (const YamlNode* item : map.List("ports")) {
    const auto port = ParseCount("port", item->scalar);
    if (!port || *port < 1 || *port > 65535) {
      map.Refuse(item->position, "a port is a number from 1 to 65535");
    } else {
      rule.add_ports(static_cast<uint32_t>(*port));
    }
  }
  for (const YamlNode* item : map.List("ips")) {
    if (item->kind != YamlNode::Kind::kScalar) {
      map.Refuse(item->position, "an address must be text");
    }
    rule.add_ips(item->scalar);
  }
  RETURN_IF_ERROR(map.Finish());
  return rule;
}

Result<v1::Property> ReadProperty(std::string_view file, const YamlNode& node) {
  MapReader map(file, node, "a property");
  v1::Property property;
  property.set_key(map.Name("key", true));
  property.set_default_value(map.Text("default"));
  property.set_description(map.Text("description"));
  property.set_secret(map.Bool("secret").value_or(false));
  if (const YamlNode* add = map.Find("add")) {
    MapReader amounts(file, *add, "add");
    *property.mutable_add() = ReadResources(amounts, false);
    map.Check(amounts.Finish());
  }
  RETURN_IF_ERROR(map.Finish());
  return property;
}

// A name alone, or a map with a name.
Result<FleetName> ReadNamed(std::string_view file, const YamlNode& node, std::string_view what) {
  FleetName named{.position = node.position, .name = node.scalar};
  if (node.kind == YamlNode::Kind::kScalar) {
    if (const Status valid = CheckName(what, node.scalar); !valid) {
      return Fail(AtPosition(file, node.position, valid.error()));
    }
    return named;
  }
  if (node.kind == YamlNode::Kind::kNull) {
    return Fail(
        AtPosition(file, node.position, "INVALID_FLEET",
                   fmt::format("{} has no name; a name such as null or ~ stands in quotes", what)));
  }
  MapReader map(file, node, what);
  named.name = map.Name("name", true);
  RETURN_IF_ERROR(map.Finish());
  return named;
}

Result<FleetHost> ReadHost(std::string_view file, const YamlNode& node) {
  MapReader map(file, node, "a host");
  FleetHost host{.position = node.position};
  host.spec.set_name(map.Name("name", true));
  host.spec.set_region(map.Name("region", true));
  *host.spec.mutable_capacity() = ReadResources(map, true);
  static constexpr v1::CapacityPolicy kPolicies[] = {
      v1::CAPACITY_POLICY_DEFAULT, v1::CAPACITY_POLICY_WARN, v1::CAPACITY_POLICY_ENFORCE};
  host.spec.set_capacity_policy(
      kPolicies[map.Word("capacity_policy", {"default", "warn", "enforce"})]);
  RETURN_IF_ERROR(map.Finish());
  return host;
}

Result<FleetProtocol> ReadProtocol(std::string_view file, const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kScalar) {
    ASSIGN_OR_RETURN(FleetName named, ReadNamed(file, node, "a protocol"));
    return FleetProtocol{.position = named.position, .key = named.name};
  }
  MapReader map(file, node, "a protocol");
  FleetProtocol protocol{.position = node.position, .key = map.Name("key", true)};
  protocol.name = map.Text("name");
  protocol.org = map.Name("org");
  RETURN_IF_ERROR(map.Finish());
  return protocol;
}

Result<FleetImage> ReadImage(std::string_view file, const YamlNode& node) {
  MapReader map(file, node, "an image");
  FleetImage image{.position = node.position, .reference = map.Text("image", true)};
  if (!image.reference.empty()) map.Check("image", ReadImageKey(image.reference, image.spec));
  image.spec.set_image_uri(map.Text("uri", true));
  image.spec.set_org(map.Name("org"));
  if (const std::string time = map.Text("committed_at"); !time.empty()) {
    const Status read = ReadCommittedAt("committed_at", time, image.spec);
    if (!read) map.Refuse(map.Find("committed_at")->position, read.error().message);
  }
  *image.spec.mutable_minimum() = ReadResources(map, true);
  for (const YamlNode* item : map.List("properties")) {
    auto property = ReadProperty(file, *item);
    if (!property) return Fail(std::move(property).error());
    *image.spec.add_properties() = *property;
  }
  for (const YamlNode* item : map.List("firewall")) {
    ASSIGN_OR_RETURN(*image.spec.add_firewall_rules(), ReadRule(file, *item));
  }
  RETURN_IF_ERROR(map.Finish());
  return image;
}

void ReadNodeNames(MapReader& map, FleetNodes& nodes) {
  const std::string name = map.Name("name");
  const std::string prefix = map.Name("name_prefix");
  const int64_t count = map.Count("count");
  if (name.empty() == prefix.empty()) {
    map.Refuse(map.position(), "a node entry needs either name, or name_prefix and count");
  } else if (!name.empty()) {
    if (map.Find("count") != nullptr) map.Refuse(map.position(), "count goes with name_prefix");
    nodes.names.push_back(name);
  } else if (count < 1 || count > kNodesPerEntryMax) {
    map.Refuse(map.position(),
               fmt::format("name_prefix needs a count of 1 to {}", kNodesPerEntryMax));
  } else {
    for (int64_t i = 1; i <= count; ++i) nodes.names.push_back(fmt::format("{}-{}", prefix, i));
  }
}

void ReadTexts(MapReader& map, std::string_view name, std::map<std::string, std::string>& texts) {
  const YamlNode* found = map.Find(name);
  if (found == nullptr) return;
  if (found->kind != YamlNode::Kind::kMap)
    map.Refuse(found->position, fmt::format("{} must be a map", name));
  for (const auto& [key, value] : found->entries) {
    if (value->kind != YamlNode::Kind::kScalar) {
      map.Refuse(value->position, fmt::format("the value of {} must be text", Quote(key->scalar)));
    }
    texts[key->scalar] = value->scalar;
  }
}

Result<FleetNodes> ReadNodes(std::string_view file, const YamlNode& node) {
  MapReader map(file, node, "a node");
  FleetNodes nodes;
  nodes.position = node.position;
  ReadNodeNames(map, nodes);
  nodes.image = map.Text("image", true);
  nodes.org = map.Name("org");
  nodes.host = map.Name("host");
  nodes.region = map.Name("region");
  if (nodes.host.empty() == nodes.region.empty()) {
    map.Refuse(node.position, "a node entry needs either host or region");
  }
  if (map.Word("strategy", {"spread", "pack"}) == 1) nodes.strategy = v1::PLACEMENT_STRATEGY_PACK;
  nodes.auto_upgrade = map.Bool("auto_upgrade");
  ReadTexts(map, "values", nodes.values);
  ReadTexts(map, "value_files", nodes.value_files);
  for (const auto& [key, path] : nodes.value_files) {
    if (nodes.values.contains(key))
      map.Refuse(map.position(), fmt::format("{} is in values and in value_files", Quote(key)));
  }
  for (const YamlNode* item : map.List("secrets")) {
    if (item->kind != YamlNode::Kind::kScalar)
      map.Refuse(item->position, "the key of a secret must be text");
    nodes.secrets.push_back(item->scalar);
  }
  for (const YamlNode* item : map.List("firewall")) {
    ASSIGN_OR_RETURN(v1::FirewallRule rule, ReadRule(file, *item));
    nodes.firewall_rules.push_back(std::move(rule));
  }
  RETURN_IF_ERROR(map.Finish());
  return nodes;
}

// Reads a list of entries and refuses two of the same name.
template <class T>
void ReadEntries(MapReader& map, std::string_view key, std::vector<T>& out,
                 const std::function<Result<T>(const YamlNode&)>& read,
                 const std::function<std::vector<std::string>(const T&)>& names) {
  std::set<std::string> seen;
  for (const YamlNode* item : map.List(key)) {
    auto entry = read(*item);
    if (!entry) {
      map.Check(Fail(std::move(entry).error()));
      return;
    }
    for (const std::string& name : names(*entry)) {
      if (!seen.insert(name).second) {
        map.Refuse(item->position, fmt::format("{} declares {} twice", key, Quote(name)));
        return;
      }
    }
    out.push_back(*std::move(entry));
  }
}

std::vector<std::string> ImageKey(const FleetImage& image) {
  return {fmt::format("{} {}.{}", image.reference, image.spec.committed_at().seconds(),
                      image.spec.committed_at().nanos())};
}

}  // namespace

Result<Fleet> ReadFleet(std::string_view file, const std::string& text) {
  ASSIGN_OR_RETURN(const YamlNode::Pointer root, ReadYaml(file, text));
  Fleet fleet;
  if (root->kind == YamlNode::Kind::kNull) {
    return Fail(
        AtPosition(file, {}, "INVALID_FLEET",
                   "the file declares nothing; its keys are orgs, regions, hosts, protocols, "
                   "images and nodes"));
  }
  MapReader map(file, *root, "a fleet");
  auto name = [](const FleetName& named) { return std::vector{named.name}; };
  ReadEntries<FleetName>(
      map, "orgs", fleet.orgs, [&](const YamlNode& n) { return ReadNamed(file, n, "an org"); },
      name);
  ReadEntries<FleetName>(
      map, "regions", fleet.regions,
      [&](const YamlNode& n) { return ReadNamed(file, n, "a region"); }, name);
  ReadEntries<FleetHost>(
      map, "hosts", fleet.hosts, [&](const YamlNode& n) { return ReadHost(file, n); },
      [](const FleetHost& host) { return std::vector{host.spec.name()}; });
  ReadEntries<FleetProtocol>(
      map, "protocols", fleet.protocols, [&](const YamlNode& n) { return ReadProtocol(file, n); },
      [](const FleetProtocol& protocol) { return std::vector{protocol.key}; });
  ReadEntries<FleetImage>(
      map, "images", fleet.images, [&](const YamlNode& n) { return ReadImage(file, n); }, ImageKey);
  ReadEntries<FleetNodes>(
      map, "nodes", fleet.nodes, [&](const YamlNode& n) { return ReadNodes(file, n); },
      [](const FleetNodes& nodes) { return nodes.names; });
  RETURN_IF_ERROR(map.Finish());
  return fleet;
}

}  // namespace tallyman::cli
