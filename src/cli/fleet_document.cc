#include "cli/fleet_document.h"

#include <fmt/core.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <tuple>

#include "base/bytes.h"
#include "base/time.h"
#include "cli/document.h"
#include "cli/format.h"

namespace tallyman::cli {
namespace {

namespace json = boost::json;

void AddResources(const v1::Resources& resources, json::object& into) {
  into["cpu"] = resources.cpu_cores();
  into["memory"] = ExactAmount(resources.memory_bytes());
  into["disk"] = ExactAmount(resources.disk_bytes());
}

void AddText(std::string_view key, const std::string& text, json::object& into) {
  if (!text.empty()) into[key] = ToJsonString(text);
}

template <class Items>
json::array TextsOf(const Items& items) {
  json::array texts;
  for (const std::string& item : items) texts.push_back(ToJsonString(item));
  return texts;
}

json::object RuleOf(const v1::FirewallRule& rule) {
  json::object out{{"key", rule.key()},
                   {"direction", EnumWord(rule.direction())},
                   {"action", EnumWord(rule.action())}};
  if (rule.transport() != v1::FIREWALL_TRANSPORT_BOTH)
    AddText("transport", EnumWord(rule.transport()), out);
  if (!rule.ports().empty()) out["ports"] = json::array(rule.ports().begin(), rule.ports().end());
  if (!rule.ips().empty()) out["ips"] = TextsOf(rule.ips());
  return out;
}

json::object PropertyOf(const v1::Property& property) {
  json::object out{{"key", property.key()}};
  AddText("default", property.default_value(), out);
  AddText("description", property.description(), out);
  if (property.secret()) out["secret"] = true;
  json::object add;
  if (property.add().cpu_cores() != 0) add["cpu"] = property.add().cpu_cores();
  if (property.add().memory_bytes() != 0)
    add["memory"] = ExactAmount(property.add().memory_bytes());
  if (property.add().disk_bytes() != 0) add["disk"] = ExactAmount(property.add().disk_bytes());
  if (!add.empty()) out["add"] = std::move(add);
  return out;
}

// Whole seconds without a fraction.
std::string TimeText(const google::protobuf::Timestamp& time) {
  std::string text = FormatTime(FromMicros(time.seconds() * 1'000'000 + time.nanos() / 1'000));
  if (text.ends_with(".000000Z")) text.replace(text.size() - 8, 8, "Z");
  return text;
}

std::string VersionOf(const v1::Image& image) {
  return fmt::format("{}/{}@{}", image.protocol(), image.variant(), image.semantic_version());
}

json::object ImageOf(const v1::Image& image) {
  json::object out{{"image", VersionOf(image)}, {"uri", ToJsonString(image.image_uri())}};
  AddResources(image.minimum(), out);
  out["committed_at"] = TimeText(image.committed_at());
  AddText("org", image.org(), out);
  json::array properties;
  for (const v1::Property& property : image.properties())
    properties.push_back(PropertyOf(property));
  if (!properties.empty()) out["properties"] = std::move(properties);
  json::array rules;
  for (const v1::FirewallRule& rule : image.firewall_rules()) rules.push_back(RuleOf(rule));
  if (!rules.empty()) out["firewall"] = std::move(rules);
  return out;
}

const v1::Property* FindProperty(const v1::Image& image, const std::string& key) {
  const auto found =
      std::ranges::find(image.properties(), key, [](const auto& p) { return p.key(); });
  return found == image.properties().end() ? nullptr : &*found;
}

class Writer {
 public:
  explicit Writer(const FleetState& state) : state_(state) {
    for (const v1::Image& image : state.images) {
      ++builds_[VersionOf(image)];
      images_[image.id()] = &image;
    }
  }

  FleetDocument Write() {
    json::object fleet{{"orgs", TextsOf(state_.orgs)}};
    const auto add = [&](std::string_view key, json::array items) {
      if (!items.empty()) fleet[key] = std::move(items);
    };
    add("regions", TextsOf(state_.regions));
    add("hosts", Hosts());
    add("protocols", Protocols());
    add("images", Images());
    add("nodes", Nodes());
    written_.document = std::move(fleet);
    return std::move(written_);
  }

 private:
  json::array Hosts() const {
    json::array hosts;
    for (const auto& [name, host] : state_.hosts) {
      json::object out{{"name", name}, {"region", host.region()}};
      AddResources(host.capacity(), out);
      if (host.capacity_policy() != v1::CAPACITY_POLICY_DEFAULT)
        AddText("capacity_policy", EnumWord(host.capacity_policy()), out);
      hosts.push_back(std::move(out));
    }
    return hosts;
  }

  json::array Protocols() const {
    json::array protocols;
    for (const auto& [key, protocol] : state_.protocols) {
      json::object out{{"key", key}};
      if (protocol.name() != key) AddText("name", protocol.name(), out);
      AddText("org", protocol.org(), out);
      protocols.push_back(std::move(out));
    }
    return protocols;
  }

  // Builds get their numbers in the order in which they are published.
  json::array Images() const {
    std::vector<const v1::Image*> sorted;
    for (const v1::Image& image : state_.images) sorted.push_back(&image);
    std::ranges::sort(sorted, {}, [](const v1::Image* image) {
      return std::tuple(image->protocol(), image->variant(), image->semantic_version(),
                        image->build());
    });
    json::array images;
    for (const v1::Image* image : sorted) images.push_back(ImageOf(*image));
    return images;
  }

  json::array Nodes() {
    json::array nodes;
    for (const auto& [name, node] : state_.nodes) {
      if (node.node_state() == v1::NODE_STATE_DELETING ||
          node.next_state() == v1::NEXT_STATE_DELETING)
        continue;
      nodes.push_back(NodeOf(node));
    }
    return nodes;
  }

  json::object NodeOf(const v1::Node& node) {
    const auto found = images_.find(node.image_id());
    const v1::Image* image = found == images_.end() ? nullptr : found->second;
    const bool is_only_build = image != nullptr && builds_.at(VersionOf(*image)) == 1;
    json::object out{{"name", node.name()},
                     {"image", is_only_build ? VersionOf(*image) : node.image()},
                     {"org", node.org()},
                     {"host", node.host()}};
    json::object values = ValuesOf(node, image);
    if (!values.empty()) out["values"] = std::move(values);
    std::vector<std::string> secrets;
    for (const auto& [key, is_set] : node.config().secrets()) {
      if (is_set) secrets.push_back(key);
    }
    std::ranges::sort(secrets);
    if (!secrets.empty()) out["secrets"] = TextsOf(secrets);
    json::array rules;
    for (const v1::FirewallRule& rule : node.config().firewall_rules()) {
      const bool is_default =
          image != nullptr && std::ranges::any_of(image->firewall_rules(), [&](const auto& other) {
            return google::protobuf::util::MessageDifferencer::Equals(rule, other);
          });
      if (!is_default) rules.push_back(RuleOf(rule));
    }
    if (!rules.empty()) out["firewall"] = std::move(rules);
    if (node.auto_upgrade()) out["auto_upgrade"] = true;
    return out;
  }

  json::object ValuesOf(const v1::Node& node, const v1::Image* image) {
    const std::map<std::string, std::string> sorted(node.config().values().begin(),
                                                    node.config().values().end());
    json::object values;
    for (const auto& [key, value] : sorted) {
      const v1::Property* property = image == nullptr ? nullptr : FindProperty(*image, key);
      if (image == nullptr) {
        values[key] = ToJsonString(value);
        continue;
      }
      if (property == nullptr) {
        written_.left_out.push_back(fmt::format("{}: {}", node.name(), key));
      } else if (property->default_value() != value) {
        values[key] = ToJsonString(value);
      }
    }
    return values;
  }

  const FleetState& state_;
  std::map<std::string, int> builds_;               // by version
  std::map<std::string, const v1::Image*> images_;  // by id
  FleetDocument written_;
};

}  // namespace

FleetDocument DocumentOf(const FleetState& state) { return Writer(state).Write(); }

std::string ExactAmount(int64_t bytes) {
  struct Unit {
    const char* name;
    int64_t bytes;
  };
  constexpr Unit kUnits[] = {{"PiB", 1024 * kTebi}, {"PB", 1'000'000 * kGiga},
                             {"TiB", kTebi},        {"TB", 1000 * kGiga},
                             {"GiB", kGibi},        {"GB", kGiga},
                             {"MiB", kMebi},        {"MB", kMega},
                             {"KiB", 1024},         {"kB", 1000}};
  std::string shortest = fmt::format("{}B", bytes);
  for (const Unit& unit : kUnits) {
    if (bytes % unit.bytes != 0) continue;
    std::string text = fmt::format("{}{}", bytes / unit.bytes, unit.name);
    if (text.size() < shortest.size()) shortest = std::move(text);
  }
  return shortest;
}

}  // namespace tallyman::cli
