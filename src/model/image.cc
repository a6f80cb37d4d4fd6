#include "model/image.h"

#include <algorithm>

#include "model/reference.h"

namespace tallyman {

const Property* Image::FindProperty(std::string_view key) const {
  auto it = std::ranges::lower_bound(properties, key, {}, &Property::key);
  return it != properties.end() && it->key == key ? &*it : nullptr;
}

const FirewallRule* Image::FindFirewallRule(std::string_view key) const {
  auto it = std::ranges::lower_bound(firewall_rules, key, {}, &FirewallRule::key);
  return it != firewall_rules.end() && it->key == key ? &*it : nullptr;
}

std::string Image::Reference() const {
  return ToText(ImageReference{protocol.key, version.variant, version.semantic_version, build});
}

bool IsVisibleTo(const Image& image, const OrgId& org) {
  auto visible = [&](const std::optional<OrgId>& owner) { return !owner || *owner == org; };
  return visible(image.org_id) && visible(image.version.org_id) && visible(image.protocol.org_id);
}

}  // namespace tallyman
