// What upgrade policies propose. Pure.
//
// A node follows a policy of its org, protocol and variant if its own `auto_upgrade` says so too.
// Its target is the highest version, in its newest build, that
//   - has the policy's protocol and variant, and is visible to the org,
//   - is higher than the node's version, by no more than the policy's level,
//   - is in the policy's range,
//   - is no pre-release, unless the policy takes them or the node runs one of the same x.y.z, and
//   - has been known for the policy's delay.
// A target that failed is not tried again: neither for anybody once its rollout was aborted or
// reverted, nor for a node on which it failed. The node then waits for a higher one.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/semver.h"
#include "model/image.h"
#include "model/upgrade_policy.h"
#include "planner/rollout_plan.h"

namespace tallyman::planner {

// Versions within bounds, by their precedence; but 2.0.0-rc.1 is not in <2.0.0, which is meant to
// keep 2.0.0 out.
class VersionRange {
 public:
  // One or more of >=V, >V, <=V, <V and =V, between spaces; all have to hold. An empty text holds
  // for every version. INVALID_ARGUMENT INVALID_VERSION_RANGE names the part that is wrong.
  static Result<VersionRange> Parse(std::string_view text);
  bool Contains(const SemVer& version) const;

 private:
  struct Bound {
    std::string_view sign;
    SemVer version;
  };
  std::vector<Bound> bounds_;
};

struct NodeBrief {
  NodeId id;
  OrgId org_id;
  ProtocolId protocol_id;
  std::string variant;
  SemVer version;
  bool auto_upgrade = false;
};

enum class RolloutEnd { kDone, kAborted, kReverted };

// A rollout that the policy proposed and that has ended.
struct PastRollout {
  ImageId image;
  RolloutEnd end = RolloutEnd::kDone;
  std::set<NodeId> failed = {};
};

struct UpgradeProposal {
  ImageId image;
  std::vector<NodeId> nodes;  // in id order

  friend bool operator==(const UpgradeProposal&, const UpgradeProposal&) = default;
};

// What a policy would upgrade now, highest version first; nothing if it is not enabled. A policy
// has one open rollout at most: the caller starts the first one that it may.
// INVALID_VERSION_RANGE. An image whose version is none is passed over.
Result<std::vector<UpgradeProposal>> Propose(const UpgradePolicy& policy,
                                             std::span<const NodeBrief> nodes,
                                             std::span<const Image> images,
                                             std::span<const PastRollout> past, Time now);

// The numbers of a policy for a rollout of so many nodes: a stage of more nodes than there are is
// one of all, one that does not rise is left out, and its pause follows the stage before it.
RolloutRequest FitToNodes(const RolloutRequest& strategy, int64_t nodes);

// INVALID_ARGUMENT INVALID_ROLLOUT for numbers that would do for no count of nodes.
Status CheckStrategy(const RolloutRequest& strategy);

}  // namespace tallyman::planner
