#include "cli/fleet_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <span>

#include "base/text.h"
#include "cli/format.h"
#include "cli/requests.h"
#include "cli/upgrade_parts.h"
#include "model/reference.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman::cli {
namespace {

using google::protobuf::util::MessageDifferencer;

// In which order ports and addresses are written, and how often, makes no difference.
v1::FirewallRule Canonical(v1::FirewallRule rule) {
  const auto sort = [](auto& items) {
    std::ranges::sort(items);
    items.erase(std::unique(items.begin(), items.end()), items.end());
  };
  sort(*rule.mutable_ports());
  sort(*rule.mutable_ips());
  return rule;
}

// A published image as the spec that would publish it, in a form that compares.
v1::ImageSpec Canonical(v1::ImageSpec spec) {
  std::ranges::sort(*spec.mutable_properties(), {}, [](const v1::Property& p) { return p.key(); });
  for (v1::Property& property : *spec.mutable_properties()) {
    if (MessageDifferencer::Equals(property.add(), v1::Resources())) property.clear_add();
  }
  std::ranges::sort(*spec.mutable_firewall_rules(), {},
                    [](const v1::FirewallRule& r) { return r.key(); });
  for (v1::FirewallRule& rule : *spec.mutable_firewall_rules()) rule = Canonical(std::move(rule));
  return spec;
}

v1::ImageSpec SpecOf(const v1::Image& image) {
  v1::ImageSpec spec;
  spec.set_image_uri(image.image_uri());
  spec.set_org(image.org());
  *spec.mutable_minimum() = image.minimum();
  *spec.mutable_properties() = image.properties();
  *spec.mutable_firewall_rules() = image.firewall_rules();
  return Canonical(std::move(spec));
}

// The first of the fields in which they differ; empty when the content is the same.
std::string DifferingField(const v1::Image& image, const v1::ImageSpec& declared) {
  const v1::ImageSpec there = SpecOf(image);
  const v1::ImageSpec wanted = Canonical(declared);
  auto differs = [&](const auto& a, const auto& b) {
    return !std::ranges::equal(
        a, b, [](const auto& x, const auto& y) { return MessageDifferencer::Equals(x, y); });
  };
  if (there.image_uri() != wanted.image_uri()) return "uri";
  if (there.org() != wanted.org()) return "org";
  if (!MessageDifferencer::Equals(there.minimum(), wanted.minimum())) return "minimum resources";
  if (differs(there.properties(), wanted.properties())) return "properties";
  if (differs(there.firewall_rules(), wanted.firewall_rules())) return "firewall rules";
  return {};
}

class Planner {
 public:
  Planner(std::string_view file, const Fleet& fleet, const FleetState& state,
          const std::string& org)
      : file_(file), fleet_(fleet), state_(state), org_(org) {}

  Result<FleetPlan> Plan() {
    PlanNames();
    RETURN_IF_ERROR(PlanProtocols());
    RETURN_IF_ERROR(PlanImages());
    RETURN_IF_ERROR(PlanHosts());
    for (const FleetNodes& nodes : fleet_.nodes) RETURN_IF_ERROR(PlanNodes(nodes));
    for (auto* steps : {&moves_, &upgrades_}) {
      for (auto& [target, parts] : *steps)
        std::ranges::move(parts, std::back_inserter(plan_.steps));
    }
    std::ranges::move(updates_, std::back_inserter(plan_.steps));
    for (const NewNodes& nodes : creates_) plan_.steps.push_back(CreateStep(nodes));
    return std::move(plan_);
  }

 private:
  Error Conflict(FilePosition position, std::string_view what) const {
    return AtPosition(file_, position, "FLEET_CONFLICT", what);
  }
  Error Unknown(FilePosition position, std::string_view kind, const std::string& name) const {
    return AtPosition(
        file_, position, "INVALID_FLEET",
        fmt::format("there is no {} {}, and the file declares none", kind, Quote(name)));
  }

  static FleetStep NewStep(FilePosition position, FleetChange change) {
    return {.positions = {position}, .changes = {std::move(change)}};
  }

  void PlanNames() {
    for (const FleetName& org : fleet_.orgs) {
      if (state_.orgs.contains(org.name)) {
        ++plan_.unchanged_count;
        continue;
      }
      FleetStep step = NewStep(org.position, {true, "org", org.name, ""});
      step.request.mutable_create_org()->set_name(org.name);
      plan_.steps.push_back(std::move(step));
    }
    for (const FleetName& region : fleet_.regions) {
      if (state_.regions.contains(region.name)) {
        ++plan_.unchanged_count;
        continue;
      }
      FleetStep step = NewStep(region.position, {true, "region", region.name, ""});
      step.request.mutable_create_region()->set_name(region.name);
      plan_.steps.push_back(std::move(step));
    }
  }

  bool HasOrg(const std::string& name) const {
    return state_.orgs.contains(name) ||
           std::ranges::find(fleet_.orgs, name, &FleetName::name) != fleet_.orgs.end();
  }
  bool HasRegion(const std::string& name) const {
    return state_.regions.contains(name) ||
           std::ranges::find(fleet_.regions, name, &FleetName::name) != fleet_.regions.end();
  }

  Status PlanProtocols() {
    for (const FleetProtocol& protocol : fleet_.protocols) {
      if (!protocol.org.empty() && !HasOrg(protocol.org)) {
        return Fail(Unknown(protocol.position, "org", protocol.org));
      }
      const auto found = state_.protocols.find(protocol.key);
      if (found != state_.protocols.end()) {
        if (found->second.org() != protocol.org) {
          return Fail(Conflict(
              protocol.position,
              fmt::format(
                  "protocol {} is {} already; that cannot be changed", protocol.key,
                  found->second.org().empty() ? "public" : "private to " + found->second.org())));
        }
        ++plan_.unchanged_count;
        continue;
      }
      FleetStep step = NewStep(protocol.position, {true, "protocol", protocol.key, protocol.name});
      v1::CreateProtocolRequest& request = *step.request.mutable_create_protocol();
      request.set_key(protocol.key);
      request.set_name(protocol.name);
      request.set_org(protocol.org);
      plan_.steps.push_back(std::move(step));
    }
    return {};
  }

  // Whether the image has to be published.
  Result<bool> IsNewImage(const FleetImage& image) const {
    std::string differs;
    for (const v1::Image& there : state_.images) {
      const bool same_version = there.protocol() == image.spec.protocol() &&
                                there.variant() == image.spec.variant() &&
                                there.semantic_version() == image.spec.semantic_version();
      if (!same_version) continue;
      if (image.spec.has_committed_at() &&
          !MessageDifferencer::Equals(there.committed_at(), image.spec.committed_at())) {
        continue;
      }
      differs = DifferingField(there, image.spec);
      if (differs.empty()) return false;
    }
    if (differs.empty()) return true;
    return Fail(
        Conflict(image.position,
                 fmt::format("image {} is published with other {}: a published image cannot be "
                             "changed, publish a new version",
                             image.reference, differs)));
  }

  Status PlanImages() {
    FleetStep step;
    v1::CreateImagesRequest& request = *step.request.mutable_create_images();
    request.set_create_missing(true);
    request.set_skip_existing(true);
    for (const FleetImage& image : fleet_.images) {
      if (!image.spec.org().empty() && !HasOrg(image.spec.org())) {
        return Fail(Unknown(image.position, "org", image.spec.org()));
      }
      ASSIGN_OR_RETURN(const bool is_new, IsNewImage(image));
      if (!is_new) {
        ++plan_.unchanged_count;
        continue;
      }
      *request.add_images() = image.spec;
      step.positions.push_back(image.position);
      step.changes.push_back(
          {true, "image", image.reference, FormatResources(image.spec.minimum())});
    }
    if (request.images_size() > 0) plan_.steps.push_back(std::move(step));
    return {};
  }

  Status PlanHosts() {
    FleetStep step;
    v1::CreateHostsRequest& creates = *step.request.mutable_create_hosts();
    creates.set_skip_existing(true);
    std::vector<FleetStep> updates;
    for (const FleetHost& host : fleet_.hosts) {
      const auto found = state_.hosts.find(host.spec.name());
      if (!HasRegion(host.spec.region()))
        return Fail(Unknown(host.position, "region", host.spec.region()));
      if (found != state_.hosts.end()) {
        RETURN_IF_ERROR(PlanHostUpdate(host, found->second, updates));
        continue;
      }
      *creates.add_hosts() = host.spec;
      step.positions.push_back(host.position);
      step.changes.push_back(
          {true, "host", host.spec.name(),
           fmt::format("{}, in {}", FormatResources(host.spec.capacity()), host.spec.region())});
    }
    if (creates.hosts_size() > 0) plan_.steps.push_back(std::move(step));
    std::ranges::move(updates, std::back_inserter(plan_.steps));
    return {};
  }

  Status PlanHostUpdate(const FleetHost& host, const v1::Host& there,
                        std::vector<FleetStep>& updates) {
    if (there.region() != host.spec.region()) {
      return Fail(Conflict(host.position,
                           fmt::format("host {} stands in region {}, not in {}: a host never moves",
                                       there.name(), there.region(), host.spec.region())));
    }
    const bool same_capacity = MessageDifferencer::Equals(there.capacity(), host.spec.capacity());
    const bool same_policy = there.capacity_policy() == host.spec.capacity_policy();
    if (same_capacity && same_policy) {
      ++plan_.unchanged_count;
      return {};
    }
    v1::UpdateHostRequest request;
    request.set_host(there.name());
    std::string text;
    if (!same_capacity) {
      *request.mutable_capacity() = host.spec.capacity();
      text = fmt::format("{} -> {}", FormatResources(there.capacity()),
                         FormatResources(host.spec.capacity()));
    }
    if (!same_policy) {
      request.set_capacity_policy(host.spec.capacity_policy());
      text += fmt::format("{}capacity policy {} -> {}", text.empty() ? "" : "; ",
                          EnumWord(there.capacity_policy()), EnumWord(host.spec.capacity_policy()));
    }
    FleetStep& step = updates.emplace_back(
        NewStep(host.position, {false, "host", there.name(), std::move(text)}));
    *step.request.mutable_update_host() = std::move(request);
    return {};
  }

  bool HasHost(const std::string& name) const {
    return state_.hosts.contains(name) ||
           std::ranges::any_of(fleet_.hosts,
                               [&](const FleetHost& host) { return host.spec.name() == name; });
  }

  Status PlanNodes(const FleetNodes& nodes) {
    if (!nodes.host.empty() && !HasHost(nodes.host))
      return Fail(Unknown(nodes.position, "host", nodes.host));
    if (!nodes.region.empty() && !HasRegion(nodes.region)) {
      return Fail(Unknown(nodes.position, "region", nodes.region));
    }
    if (!nodes.org.empty() && !HasOrg(nodes.org))
      return Fail(Unknown(nodes.position, "org", nodes.org));
    std::vector<std::string> missing;
    for (const std::string& name : nodes.names) {
      const auto found = state_.nodes.find(name);
      if (found == state_.nodes.end()) {
        RETURN_IF_ERROR(CheckSecrets(nodes, name, nullptr));
        missing.push_back(name);
      } else {
        RETURN_IF_ERROR(CheckSecrets(nodes, name, &found->second.config()));
        RETURN_IF_ERROR(PlanNodeChanges(nodes, found->second));
      }
    }
    for (std::span<const std::string> left = missing; !left.empty();) {
      const size_t count = std::min<size_t>(left.size(), kNodesInPart);
      RETURN_IF_ERROR(PlanCreate(nodes, left.first(count)));
      left = left.subspan(count);
    }
    return {};
  }

  // A secret that is declared as set needs a value where it is not.
  Status CheckSecrets(const FleetNodes& nodes, const std::string& name,
                      const v1::NodeConfig* there) const {
    for (const std::string& key : nodes.secrets) {
      if (nodes.values.contains(key)) continue;
      if (there != nullptr) {
        const auto found = there->secrets().find(key);
        if (found != there->secrets().end() && found->second) continue;
      }
      return Fail(AtPosition(
          file_, nodes.position, "INVALID_FLEET",
          fmt::format("secret {} of node {} is not set{}: add its value, value_files: {{{}: PATH}}",
                      Quote(key), name, there == nullptr ? ", as the node is new" : "", key)));
    }
    return {};
  }

  // Joins the new nodes that differ from these only in name and host.
  Status PlanCreate(const FleetNodes& nodes, std::span<const std::string> missing) {
    v1::CreateNodesRequest request;
    request.set_image(nodes.image);
    request.set_org(nodes.org.empty() ? org_ : nodes.org);
    if (request.org().empty()) {
      return Fail(
          AtPosition(file_, nodes.position, "INVALID_FLEET",
                     "nobody owns this node: give it an org, or use --org or TALLYMAN_ORG"));
    }
    if (nodes.host.empty()) {
      request.mutable_by_region()->set_region(nodes.region);
      request.mutable_by_region()->set_strategy(nodes.strategy);
    }
    request.mutable_values()->insert(nodes.values.begin(), nodes.values.end());
    request.mutable_firewall_rules()->Assign(nodes.firewall_rules.begin(),
                                             nodes.firewall_rules.end());
    request.set_auto_upgrade(nodes.auto_upgrade.value_or(false));
    NewNodes& all = FindNewNodes(std::move(request), missing.size());
    auto [place, is_new] = all.places.try_emplace(nodes.host, all.hosts.size());
    if (is_new) all.hosts.push_back({.name = nodes.host});
    NewNodesOfHost& host = all.hosts[place->second];
    host.names.insert(host.names.end(), missing.begin(), missing.end());
    host.positions.insert(host.positions.end(), missing.size(), nodes.position);
    all.count += missing.size();
    return {};
  }

  struct NewNodesOfHost {
    std::string name;  // empty: in the region
    std::vector<std::string> names;
    std::vector<FilePosition> positions;
  };
  // Of one request, whose names and hosts are still missing.
  struct NewNodes {
    v1::CreateNodesRequest request;
    std::vector<NewNodesOfHost> hosts;
    std::map<std::string, size_t> places;  // by host, in `hosts`
    size_t count = 0;
  };

  NewNodes& FindNewNodes(v1::CreateNodesRequest request, size_t count) {
    const auto [found, is_new] = newest_create_.try_emplace(KeyOf(request), creates_.size());
    if (!is_new && creates_[found->second].count + count > kNodesInPart)
      found->second = creates_.size();
    if (found->second == creates_.size()) creates_.push_back({.request = std::move(request)});
    return creates_[found->second];
  }

  // Equal for requests that are equal.
  static std::string KeyOf(const v1::CreateNodesRequest& request) {
    std::string key;
    google::protobuf::io::StringOutputStream stream(&key);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&out);
    out.Trim();
    return key;
  }

  // Names and hosts go together: the first host takes the first names.
  static FleetStep CreateStep(const NewNodes& nodes) {
    FleetStep step;
    v1::CreateNodesRequest& request = *step.request.mutable_create_nodes();
    request = nodes.request;
    for (const NewNodesOfHost& host : nodes.hosts) {
      if (!host.name.empty()) {
        v1::HostCount& count = *request.mutable_by_hosts()->add_hosts();
        count.set_host(host.name);
        count.set_count(static_cast<int64_t>(host.names.size()));
      }
      request.mutable_names()->Add(host.names.begin(), host.names.end());
      step.positions.insert(step.positions.end(), host.positions.begin(), host.positions.end());
      const std::string where =
          host.name.empty() ? "in " + request.by_region().region() : "on " + host.name;
      for (const std::string& name : host.names)
        step.changes.push_back({true, "node", name, fmt::format("{}, {}", request.image(), where)});
    }
    return step;
  }

  Status PlanNodeChanges(const FleetNodes& nodes, const v1::Node& there) {
    if ((!nodes.host.empty() && nodes.host != there.host()) ||
        (!nodes.region.empty() && nodes.region != there.region())) {
      return Fail(
          Conflict(nodes.position,
                   fmt::format("node {} is on host {} in region {}: a node never moves to another "
                               "host; delete it and apply again",
                               there.name(), there.host(), there.region())));
    }
    const bool moves = !nodes.org.empty() && nodes.org != there.org();
    const bool upgrades = !IsImageOf(nodes.image, there);
    if (moves) PlanMove(nodes, there);
    if (upgrades) PlanUpgrade(nodes, there);
    const bool updates = PlanUpdate(nodes, there, upgrades);
    if (!moves && !upgrades && !updates) ++plan_.unchanged_count;
    return {};
  }

  // A reference without build means the only build there is. Where there are several it fits none,
  // and the upgrade's error lists them.
  bool IsImageOf(const std::string& image, const v1::Node& node) const {
    if (image == node.image() || image == node.image_id()) return true;
    const auto reference = ParseImageReference(image);
    if (!reference || reference->build) return false;
    std::vector<std::string> builds;
    for (const v1::Image& there : state_.images) {
      if (there.protocol() == reference->protocol && there.variant() == reference->variant &&
          there.semantic_version() == reference->version) {
        builds.push_back(there.id());
      }
    }
    return builds.size() == 1 && builds[0] == node.image_id();
  }

  // The last, or a new one: a step is one request, which changes only so many nodes.
  static FleetStep& NotFull(std::vector<FleetStep>& steps) {
    if (steps.empty() || steps.back().changes.size() == kNodesInPart) steps.emplace_back();
    return steps.back();
  }

  void PlanMove(const FleetNodes& nodes, const v1::Node& there) {
    FleetStep& step = NotFull(moves_[nodes.org]);
    if (step.positions.empty()) step.positions = {nodes.position};
    step.request.mutable_move_nodes()->set_org(nodes.org);
    step.request.mutable_move_nodes()->add_nodes(there.name());
    step.changes.push_back(
        {false, "node", there.name(), fmt::format("org {} -> {}", there.org(), nodes.org)});
  }

  void PlanUpgrade(const FleetNodes& nodes, const v1::Node& there) {
    FleetStep& step = NotFull(upgrades_[nodes.image]);
    if (step.positions.empty()) step.positions = {nodes.position};
    step.request.mutable_upgrade_nodes()->set_image(nodes.image);
    step.request.mutable_upgrade_nodes()->add_nodes(there.name());
    step.changes.push_back(
        {false, "node", there.name(), fmt::format("image {} -> {}", there.image(), nodes.image)});
  }

  // What an image offers; null: it is not known.
  struct ImageContent {
    std::map<std::string, const v1::Property*> properties;
    std::map<std::string, const v1::FirewallRule*> rules;
  };
  template <class Image>
  static ImageContent ContentOf(const Image& image) {
    ImageContent content;
    for (const v1::Property& property : image.properties())
      content.properties[property.key()] = &property;
    for (const v1::FirewallRule& rule : image.firewall_rules()) content.rules[rule.key()] = &rule;
    return content;
  }
  std::optional<ImageContent> FindImage(const std::string& image) const {
    const auto reference = ParseImageReference(image);
    for (const v1::Image& there : state_.images) {
      if (image == there.id() || image == there.reference()) return ContentOf(there);
      if (reference && !reference->build && IsVersion(there, *reference)) return ContentOf(there);
    }
    for (const FleetImage& declared : fleet_.images) {
      if (reference && !reference->build && IsVersion(declared.spec, *reference))
        return ContentOf(declared.spec);
    }
    return std::nullopt;
  }
  template <class Image>
  static bool IsVersion(const Image& image, const ImageReference& reference) {
    return image.protocol() == reference.protocol && image.variant() == reference.variant &&
           image.semantic_version() == reference.version;
  }

  // The config as an upgrade will leave it: what has the old image's default follows the new one's.
  v1::NodeConfig Upgraded(const std::string& image, const v1::Node& there) const {
    v1::NodeConfig config = there.config();
    const auto from = FindImage(there.image_id());
    const auto to = FindImage(image);
    if (!from || !to) return config;
    const auto find = [](const auto& items, const std::string& key) {
      const auto found = items.find(key);
      return found == items.end() ? nullptr : found->second;
    };
    for (const auto& [key, property] : to->properties) {
      const v1::Property* before = find(from->properties, key);
      const v1::Property& measure = before == nullptr ? *property : *before;
      const auto value = config.values().find(key);
      const bool is_unset = value == config.values().end() && !property->secret();
      const bool is_default =
          value != config.values().end() && value->second == measure.default_value();
      if (is_unset || is_default) (*config.mutable_values())[key] = property->default_value();
    }
    for (const auto& [key, rule] : to->rules) {
      const v1::FirewallRule* before = find(from->rules, key);
      auto& rules = *config.mutable_firewall_rules();
      const auto has = std::ranges::find(rules, key, [](const auto& r) { return r.key(); });
      if (has == rules.end()) {
        if (before == nullptr) *rules.Add() = *rule;
      } else if (before != nullptr && MessageDifferencer::Equals(*has, *before)) {
        *has = *rule;
      }
    }
    return config;
  }

  // Whether there is something to update, after the upgrade if there is one.
  bool PlanUpdate(const FleetNodes& nodes, const v1::Node& there, bool upgrades) {
    const v1::NodeConfig config = upgrades ? Upgraded(nodes.image, there) : there.config();
    v1::UpdateNodeRequest request;
    request.set_node(there.name());
    std::vector<std::string> texts;
    for (const auto& [key, value] : nodes.values) {
      const auto found = config.values().find(key);
      const bool known = found != config.values().end();
      if (known && found->second == value) continue;
      (*request.mutable_set_values())[key] = value;
      texts.push_back(config.secrets().contains(key)
                          ? "secret " + key
                          : fmt::format("{} {} -> {}", key, known ? Quote(found->second) : "unset",
                                        Quote(value)));
    }
    for (const v1::FirewallRule& rule : nodes.firewall_rules) {
      const bool same = std::ranges::any_of(config.firewall_rules(), [&](const auto& existing) {
        return MessageDifferencer::Equals(Canonical(existing), Canonical(rule));
      });
      if (same) continue;
      *request.add_set_firewall_rules() = rule;
      texts.push_back("firewall rule " + rule.key());
    }
    if (nodes.auto_upgrade && *nodes.auto_upgrade != there.auto_upgrade()) {
      request.set_auto_upgrade(*nodes.auto_upgrade);
      texts.push_back(
          fmt::format("auto upgrade {} -> {}", there.auto_upgrade(), *nodes.auto_upgrade));
    }
    if (texts.empty()) return false;
    FleetStep& step = updates_.emplace_back(NewStep(
        nodes.position, {false, "node", there.name(), fmt::format("{}", fmt::join(texts, "; "))}));
    *step.request.mutable_update_node() = std::move(request);
    return true;
  }

  std::string_view file_;
  const Fleet& fleet_;
  const FleetState& state_;
  const std::string& org_;
  FleetPlan plan_;
  std::map<std::string, std::vector<FleetStep>> moves_;     // by org
  std::map<std::string, std::vector<FleetStep>> upgrades_;  // by image
  std::vector<FleetStep> updates_;
  std::vector<NewNodes> creates_;
  std::map<std::string, size_t> newest_create_;  // by what the nodes have in common
};

}  // namespace

Result<FleetPlan> PlanFleet(std::string_view file, const Fleet& fleet, const FleetState& state,
                            const std::string& org) {
  return Planner(file, fleet, state, org).Plan();
}

}  // namespace tallyman::cli
