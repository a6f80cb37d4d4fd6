// A config: the result of resolving an image and its values for one node. Immutable; every change
// makes a new one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/image.h"

namespace tallyman {

struct NodeConfig {
  ConfigId id;
  ImageId image_id;
  std::map<std::string, std::string> values;
  // Sealed values, of other keys than those of `values`; empty: the secret is not set.
  std::map<std::string, std::string> secrets;
  std::vector<FirewallRule> firewall_rules;  // sorted by key
  Resources resources;
  Time created_at;
  bool forgotten = false;  // values, secrets and rules are no longer kept

  // A secret is set.
  bool HasSecrets() const;
};

// The part of a config that the database keeps as JSON:
// {"values":{...},"secrets":{...},"firewall_rules":[{"key","direction","action","transport","ips",
// "ports"}]}. Without secrets there is no such member.
std::string ConfigToJson(const NodeConfig& config);

// Reads it back into `config`. DATA_LOSS, reason OLD_CONFIG_UNREADABLE, when it is not of that
// form.
Status ConfigFromJson(std::string_view json, NodeConfig& config);

// The same form for lists on their own (an image's rules and properties).
std::string FirewallRulesToJson(const std::vector<FirewallRule>& rules);
Result<std::vector<FirewallRule>> FirewallRulesFromJson(std::string_view json);
std::string PropertiesToJson(const std::vector<Property>& properties);

}  // namespace tallyman
