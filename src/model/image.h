// An image: a build of a protocol version, with its minimum resources and properties that may add
// to them. Immutable.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/catalog.h"
#include "model/resources.h"

namespace tallyman {

enum class Direction { kIn, kOut };
enum class FirewallAction { kAllow, kDeny, kReject };
enum class Transport { kTcp, kUdp, kBoth };

template <>
struct EnumText<Direction> {
  static constexpr std::array<std::string_view, 2> kWords = {"in", "out"};
};
template <>
struct EnumText<FirewallAction> {
  static constexpr std::array<std::string_view, 3> kWords = {"allow", "deny", "reject"};
};
template <>
struct EnumText<Transport> {
  static constexpr std::array<std::string_view, 3> kWords = {"tcp", "udp", "both"};
};

struct FirewallRule {
  std::string key;
  Direction direction = Direction::kIn;
  FirewallAction action = FirewallAction::kAllow;
  Transport transport = Transport::kBoth;
  std::vector<std::string> ips;
  std::vector<int64_t> ports;

  friend bool operator==(const FirewallRule&, const FirewallRule&) = default;
};

// A setting of an image. `add` is charged when a node's value is changed from the default. The
// value of a secret one is sealed (base/sealer.h) before it is stored; it has no default.
struct Property {
  std::string key;
  std::string description;
  std::string default_value;
  Resources add;
  bool secret = false;

  friend bool operator==(const Property&, const Property&) = default;
};

struct Image {
  ImageId id;
  Protocol protocol;
  ProtocolVersion version;
  // 1, 2, ... in the order in which the builds of the version were published.
  int64_t build = 1;
  // Empty: everyone sees it; else only that org.
  std::optional<OrgId> org_id;
  std::string uri;
  Resources minimum;
  std::vector<Property> properties;          // sorted by key
  std::vector<FirewallRule> firewall_rules;  // sorted by key
  Time committed_at;
  Time created_at;

  const Property* FindProperty(std::string_view key) const;
  const FirewallRule* FindFirewallRule(std::string_view key) const;
  // PROTOCOL/VARIANT@VERSION+BUILD, always with the build.
  std::string Reference() const;
};

// The image, its version and its protocol are public or belong to `org` (contract, clause 2).
bool IsVisibleTo(const Image& image, const OrgId& org);

}  // namespace tallyman
