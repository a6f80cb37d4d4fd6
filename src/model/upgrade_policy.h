// An upgrade policy: which releases the nodes of an org follow by themselves. A plain value.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/enum_text.h"
#include "model/ids.h"

namespace tallyman {

// How far a version may be from the node's: 1.4.2 to 1.4.x, to 1.x, or to any.
enum class UpgradeLevel { kPatch, kMinor, kMajor };

template <>
struct EnumText<UpgradeLevel> {
  static constexpr std::array<std::string_view, 3> kWords = {"patch", "minor", "major"};
};

struct UpgradePolicy {
  PolicyId id;
  std::string name;
  OrgId org_id;
  ProtocolId protocol_id;
  std::string variant;
  UpgradeLevel level = UpgradeLevel::kPatch;
  std::string version_range;  // such as ">=1.4.0 <2.0.0"; empty: any
  bool pre_releases = false;
  std::chrono::microseconds delay{};  // since an image became known here
  std::string strategy = {};          // of its rollouts, as StrategyToJson() gives it
  bool enabled = true;
  int64_t version = 1;
  std::string created_by = {};  // who set it last
  Time created_at = {};

  friend bool operator==(const UpgradePolicy&, const UpgradePolicy&) = default;
};

// A live node of a policy's org, protocol and variant, as a policy looks at it.
struct PolicyNode {
  NodeId id;
  std::string name;
  std::string semantic_version;
  bool auto_upgrade = false;
  bool host_silent = false;
  std::string rollout;  // that it is in and that has not ended; "": none
};

}  // namespace tallyman
