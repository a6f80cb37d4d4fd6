#include "planner/config.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"

namespace tallyman::planner {
namespace {

constexpr size_t kValueBytesMax = 16 * 1024;

// Without the value, which may be a secret.
Error BadValue(const std::string& key, size_t bytes) {
  return InvalidArgument("INVALID_TEXT",
                         fmt::format("the value of {} ({} bytes) is not accepted: give UTF-8 "
                                     "without control characters, at most {} bytes",
                                     key, bytes, kValueBytesMax))
      .With("field", "value of " + key);
}

Status CheckEdit(const Image& image, const NodeConfig& kept, const ConfigEdit& edit) {
  auto known = [&](const std::string& key) {
    return image.FindProperty(key) != nullptr || kept.values.contains(key) ||
           kept.secrets.contains(key);
  };
  auto unknown = [&](const std::string& key) {
    std::string keys;
    for (const Property& property : image.properties) {
      keys += (keys.empty() ? "" : ", ") + property.key;
    }
    return Fail(
        InvalidArgument("UNKNOWN_PROPERTY",
                        fmt::format("image {} has no property {}; it has: {}", image.Reference(),
                                    Quote(key), keys.empty() ? "none" : keys))
            .About("image " + image.Reference())
            .With("field", "values")
            .With("key", Quote(key)));
  };
  for (const auto& [key, value] : edit.set) {
    if (!known(key)) return unknown(key);
    if (!CheckText("", value, kValueBytesMax)) return Fail(BadValue(key, value.size()));
  }
  for (const std::string& key : edit.reset) {
    if (!known(key)) return unknown(key);
    if (edit.set.contains(key)) {
      return Fail(InvalidArgument("CONFLICTING_EDIT",
                                  fmt::format("property {} is both set and reset", Quote(key)))
                      .With("field", "reset"));
    }
  }
  return {};
}

std::vector<FirewallRule> SortedByKey(std::vector<FirewallRule> rules) {
  std::ranges::sort(rules, {}, &FirewallRule::key);
  return rules;
}

const FirewallRule* FindRule(const std::vector<FirewallRule>& rules, std::string_view key) {
  auto it = std::ranges::lower_bound(rules, key, {}, &FirewallRule::key);
  return it != rules.end() && it->key == key ? &*it : nullptr;
}

std::vector<FirewallRule> CarryRules(const Image& old_image,
                                     const std::vector<FirewallRule>& old_rules,
                                     const Image& new_image) {
  std::vector<FirewallRule> rules;
  for (const FirewallRule& rule : old_rules) {
    const FirewallRule* old_default = old_image.FindFirewallRule(rule.key);
    bool changed = old_default == nullptr || *old_default != rule;
    if (changed || new_image.FindFirewallRule(rule.key) == nullptr) rules.push_back(rule);
  }
  for (const FirewallRule& rule : new_image.firewall_rules) {
    const FirewallRule* kept = FindRule(rules, rule.key);
    const FirewallRule* old_default = old_image.FindFirewallRule(rule.key);
    // A default rule that the node had dropped stays dropped: dropping it was a change, too.
    bool dropped =
        kept == nullptr && old_default != nullptr && FindRule(old_rules, rule.key) == nullptr;
    if (kept == nullptr && !dropped) {
      rules.insert(std::ranges::upper_bound(rules, rule.key, {}, &FirewallRule::key), rule);
    }
  }
  return rules;
}

// The image's minimum and what its changed properties add to it.
Result<Resources> TotalOf(const Image& image, const std::vector<const Property*>& changed) {
  Resources total = image.minimum;
  for (const Property* property : changed) {
    auto sum = Add(total, property->add);
    if (!sum) {
      return Fail(std::move(sum.error())
                      .About("image " + image.Reference())
                      .With("property", property->key));
    }
    total = *sum;
  }
  return Max(total, image.minimum);
}

Result<NodeConfig> Finish(const Image& image, NodeConfig config,
                          const std::vector<const Property*>& changed, const Policies& policies) {
  config.image_id = image.id;
  ASSIGN_OR_RETURN(config.resources, TotalOf(image, changed));
  RETURN_IF_ERROR(CheckTotal(image, config.resources, policies));
  return config;
}

bool IsSet(const std::map<std::string, std::string>& secrets, const std::string& key) {
  auto secret = secrets.find(key);
  return secret != secrets.end() && !secret->second.empty();
}

std::vector<const Property*> DifferingFromDefault(const Image& image, const NodeConfig& config) {
  std::vector<const Property*> changed;
  for (const Property& property : image.properties) {
    auto value = config.values.find(property.key);
    const bool differs = value != config.values.end() && value->second != property.default_value;
    if (differs || IsSet(config.secrets, property.key)) changed.push_back(&property);
  }
  return changed;
}

}  // namespace

Status CheckTotal(const Image& image, const Resources& total, const Policies& policies) {
  for (Dimension dimension : kDimensions) {
    int64_t value = total.get(dimension), limit = policies.node_max.get(dimension);
    if (value > 0 && value <= limit) continue;
    return Fail(
        InvalidArgument(
            "INVALID_IMAGE_CONFIG",
            fmt::format("image {} comes to {} {} for this node, allowed is 1 to {}: publish an "
                        "image with valid requirements",
                        image.Reference(), ToText(dimension), value, limit))
            .About("image " + image.Reference())
            .With("dimension", std::string(ToText(dimension)))
            .With("value", std::to_string(value))
            .With("limit", std::to_string(limit)));
  }
  return {};
}

Result<NodeConfig> ResolveNew(const Image& image, const ConfigEdit& edit,
                              const Policies& policies) {
  NodeConfig blank;
  for (const Property& property : image.properties)
    blank.values[property.key] = property.default_value;
  blank.firewall_rules = image.firewall_rules;
  return ResolveEdit(image, blank, edit, policies);
}

Result<NodeConfig> ResolveEdit(const Image& image, const NodeConfig& config, const ConfigEdit& edit,
                               const Policies& policies) {
  RETURN_IF_ERROR(CheckEdit(image, config, edit));
  NodeConfig next;
  next.values = config.values;
  next.secrets = config.secrets;
  for (const auto& [key, value] : edit.set) {
    next.values[key] = value;
    next.secrets.erase(key);
  }
  for (const std::string& key : edit.reset) {
    next.secrets.erase(key);
    const Property* property = image.FindProperty(key);
    if (property == nullptr) {
      next.values.erase(key);
    } else {
      next.values[key] = property->default_value;
    }
  }
  next.firewall_rules =
      edit.firewall_rules ? SortedByKey(*edit.firewall_rules) : config.firewall_rules;
  auto changed = DifferingFromDefault(image, next);
  return Finish(image, std::move(next), changed, policies);
}

Result<NodeConfig> ResolveUpgrade(const Image& old_image, const NodeConfig& old_config,
                                  const Image& new_image, const Policies& policies) {
  NodeConfig next;
  std::vector<const Property*> changed;
  for (const auto& [key, value] : old_config.values) {
    const Property* old_property = old_image.FindProperty(key);
    const Property* new_property = new_image.FindProperty(key);
    // A key that the old image did not know has no default there; it is compared with the default
    // it gets now, so that a value that nobody changed does not start to add resources.
    const Property* measure = old_property != nullptr ? old_property : new_property;
    bool is_changed = measure == nullptr || measure->default_value != value;
    next.values[key] = is_changed || new_property == nullptr ? value : new_property->default_value;
    if (is_changed && new_property != nullptr) changed.push_back(new_property);
  }
  // A secret stays one, whatever the new image says of its key.
  next.secrets = old_config.secrets;
  for (const Property& property : new_image.properties) {
    if (IsSet(next.secrets, property.key)) {
      changed.push_back(&property);
    } else if (next.values.try_emplace(property.key, property.default_value).second) {
      next.secrets.erase(property.key);
    }
  }
  next.firewall_rules = CarryRules(old_image, old_config.firewall_rules, new_image);
  return Finish(new_image, std::move(next), changed, policies);
}

}  // namespace tallyman::planner
