#include "tests/differential/node_work.h"

#include <algorithm>

#include "base/bytes.h"

namespace tallyman {

NodeWork::NodeWork(Prediction& p, const PlainCaller& caller, bool dry_run, const std::string& token)
    : p_(p), caller_(caller), hosts_(p) {
  p_.dry_run = dry_run;
  p_.token_given = token;
}

std::vector<PlainNode*> NodeWork::Find(const std::vector<std::string>& names) {
  std::vector<PlainNode*> nodes;
  if (names.empty()) p_.Refuse("NO_NODES");
  for (const std::string& name : names) {
    PlainNode* node = p_.after.FindNode(name);
    bool seen = node != nullptr && !node->gone && (caller_.org.empty() || caller_.org == node->org);
    if (!IsId(name) && !IsName(name)) {
      p_.Refuse("INVALID_NAME");
    } else if (!seen) {
      p_.Refuse("NODE_NOT_FOUND");
    } else if (std::ranges::find(nodes, node) == nodes.end()) {
      nodes.push_back(node);
    }
  }
  return nodes;
}

void NodeWork::CheckChangeable(const PlainNode& node) {
  if (node.IsBeingDeleted()) p_.Refuse("NODE_BEING_DELETED");
}

void NodeWork::CheckVersion(const PlainNode& node, int64_t expected) {
  if (expected != 0 && expected != node.version) p_.Refuse("VERSION_MISMATCH");
}

void NodeWork::Open(const std::vector<PlainNode*>& nodes) {
  std::set<std::string> hosts;
  for (const PlainNode* node : nodes) hosts.insert(node->host);
  hosts_.Open(hosts, nodes, p_.dry_run || !p_.token_given.empty());
}

void NodeWork::OpenHosts(const std::set<std::string>& hosts, bool looks) {
  hosts_.Open(hosts, {}, looks || p_.dry_run || !p_.token_given.empty());
}

v1::NodeChange& NodeWork::Show(const PlainNode& node) {
  v1::NodeChange& line = *changes_.add_nodes();
  line.set_node(node.name);
  line.set_node_id(node.id);
  line.set_host(node.host);
  line.set_host_id(p_.after.hosts.at(node.host).id);
  line.set_org(node.org);
  line.set_from_image(node.config->image->Reference());
  line.set_to_image(node.config->image->Reference());
  *line.mutable_before() = MessageOf(node.config->needs);
  *line.mutable_after() = MessageOf(node.config->needs);
  *line.mutable_difference() = MessageOf(Resources{});
  *line.mutable_held() = MessageOf(node.held);
  line.set_from_config_id(node.config->id);
  line.set_to_config_id(node.config->id);
  p_.made.push_back({.key = node.id, .node = false, .config = nullptr, .command = false});
  return line;
}

void NodeWork::Replace(PlainNode& node, std::shared_ptr<PlainConfig> config, CommandKind kind) {
  v1::NodeChange& line = Show(node);
  Change(node);
  std::erase_if(node.commands, [&](const PlainCommand& command) {
    bool replaced = command.kind == kind && command.state == CommandState::kOpen;
    if (replaced) line.add_withdrawn_command_ids(command.id);
    return replaced;
  });
  Resources before = node.config->needs;
  node.commands.push_back({.id = "",
                           .kind = kind,
                           .state = CommandState::kOpen,
                           .seq = node.version,
                           .from = node.config,
                           .to = config});
  node.config = config;
  node.fields = config->needs;
  if (kind == CommandKind::kUpgrade) node.next = NextState::kUpgrading;
  hosts_.Move(node, {1, before}, {1, config->needs});
  hosts_.SetHold(node, node.HoldNow());
  line.set_to_image(config->image->Reference());
  *line.mutable_after() = MessageOf(config->needs);
  *line.mutable_difference() = MessageOf(Minus(config->needs, before));
  *line.mutable_held() = MessageOf(node.held);
  line.clear_to_config_id();
  p_.made.back().config = std::move(config);
  p_.made.back().command = true;
}

void NodeWork::Instruct(PlainNode& node, CommandKind kind, NextState next) {
  Show(node);
  Change(node);
  node.next = next;
  node.commands.push_back({.id = "",
                           .kind = kind,
                           .state = CommandState::kOpen,
                           .seq = node.version,
                           .from = nullptr,
                           .to = nullptr});
  p_.made.back().command = true;
}

void NodeWork::Release(PlainNode& node) {
  v1::NodeChange& line = Show(node);
  Change(node);
  for (const PlainCommand& command : node.commands) {
    if (command.IsPending()) line.add_withdrawn_command_ids(command.id);
  }
  Resources needs = node.config->needs;
  node.commands.clear();
  node.running.reset();
  hosts_.Move(node, {1, needs}, {});
  hosts_.SetHold(node, {});
  node.gone = true;
  node.state = NodeState::kDeleted;
  node.next.reset();
  *line.mutable_after() = MessageOf(Resources{});
  *line.mutable_difference() = MessageOf(Minus({}, needs));
  *line.mutable_held() = MessageOf(Resources{});
  line.clear_to_image();
  line.clear_to_config_id();
  line.set_released(true);
}

void NodeWork::Create(const std::string& name, const std::string& org, const std::string& host,
                      const std::shared_ptr<const PlainConfig>& config, bool auto_upgrade) {
  std::string key = "new " + name;
  PlainNode& node = p_.after.nodes[key];
  node.id = key;
  node.name = name;
  node.org = org;
  node.host = host;
  // Every node has a config of its own.
  node.config = std::make_shared<PlainConfig>(*config);
  node.fields = config->needs;
  node.auto_upgrade = auto_upgrade;
  v1::NodeChange& line = Show(node);
  line.clear_node_id();
  line.clear_from_image();
  line.clear_from_config_id();
  line.clear_to_config_id();
  *line.mutable_before() = MessageOf(Resources{});
  *line.mutable_difference() = MessageOf(config->needs);
  node.commands.push_back({.id = "",
                           .kind = CommandKind::kCreate,
                           .state = CommandState::kOpen,
                           .seq = 1,
                           .from = nullptr,
                           .to = node.config});
  hosts_.Move(node, {}, {1, config->needs});
  p_.after.NoteName(name);
  p_.nodes_touched.insert(key);
  p_.made.back() = {.key = key, .node = true, .config = node.config, .command = true};
}

v1::Changes NodeWork::Finish() {
  if (!p_.accepted()) return {};
  hosts_.Finish(changes_);
  p_.plan = changes_.SerializeAsString();
  changes_.set_applied(!p_.dry_run);
  return changes_;
}

std::shared_ptr<PlainConfig> ConfigOf(const std::shared_ptr<const PlainImage>& image,
                                      std::map<std::string, std::string> values,
                                      const std::set<std::string>& changed, Prediction& p) {
  auto config = std::make_shared<PlainConfig>();
  config->image = image;
  config->values = std::move(values);
  bool fine = true;
  auto total = [&](int64_t Resources::* of, int64_t most) {
    __int128 sum = image->minimum.*of;
    for (const std::string& key : changed) {
      auto property = image->properties.find(key);
      if (property != image->properties.end()) sum += property->second.add.*of;
    }
    if (sum > std::numeric_limits<int64_t>::max()) {
      p.Refuse("RESOURCE_OVERFLOW");
    } else if (sum < 1 || sum > most) {
      p.Refuse("INVALID_IMAGE_CONFIG");
    } else {
      config->needs.*of = static_cast<int64_t>(sum);
      return;
    }
    fine = false;
  };
  total(&Resources::cpu_cores, 1000);
  total(&Resources::memory_bytes, kTebi);
  total(&Resources::disk_bytes, 100 * kTebi);
  return fine ? config : nullptr;
}

std::shared_ptr<PlainConfig> Edited(const std::shared_ptr<const PlainImage>& image,
                                    std::map<std::string, std::string> values,
                                    const std::map<std::string, std::string>& set,
                                    const std::vector<std::string>& reset, Prediction& p) {
  auto is_known = [&](const std::string& key) {
    return image->properties.contains(key) || values.contains(key);
  };
  for (const auto& [key, value] : set) {
    if (!is_known(key)) p.Refuse("UNKNOWN_PROPERTY");
  }
  for (const std::string& key : reset) {
    if (!is_known(key)) p.Refuse("UNKNOWN_PROPERTY");
    if (set.contains(key)) p.Refuse("CONFLICTING_EDIT");
  }
  for (const auto& [key, value] : set) values[key] = value;
  for (const std::string& key : reset) {
    auto property = image->properties.find(key);
    if (property == image->properties.end()) {
      values.erase(key);
    } else {
      values[key] = property->second.default_value;
    }
  }
  std::set<std::string> changed;
  for (const auto& [key, property] : image->properties) {
    auto value = values.find(key);
    if (value != values.end() && value->second != property.default_value) changed.insert(key);
  }
  return ConfigOf(image, std::move(values), changed, p);
}

}  // namespace tallyman
