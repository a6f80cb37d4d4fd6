// Upgrade policies: nodes of an org that follow releases by themselves (docs/rollouts.md).
//
// People set them with the operations here. ProposeUpgrades(), which every server runs each minute,
// makes rollouts as CreateRollout() does. Publishing an image knows nothing of policies.
#pragma once

#include <string>
#include <vector>

#include "control/reads/queries.h"
#include "model/upgrade_policy.h"
#include "planner/rollout_plan.h"

namespace tallyman::control {

// What a policy would do now.
struct UpgradeOutlook {
  struct Proposal {
    ImageId image;
    std::string reference;
    std::vector<NodeId> nodes;             // in id order
    std::vector<std::string> first_nodes;  // names of the first few
  };
  struct LeftOut {
    std::string why;
    int64_t count = 0;
    std::vector<std::string> first_nodes;
  };
  std::vector<Proposal> proposals;  // highest version first
  int64_t node_count = 0;           // of its org, protocol and variant
  std::vector<LeftOut> left_out;    // by why
  std::string why_not;              // empty: nothing keeps it from the first proposal
};

struct PolicyView {
  store::PolicyRow row;
  planner::RolloutRequest strategy;
  UpgradeOutlook outlook;
};

struct SetPolicyRequest {
  std::string name;
  std::string org;
  std::string protocol;
  std::string variant;
  UpgradeLevel level = UpgradeLevel::kPatch;
  std::string version_range;
  bool pre_releases = false;
  std::chrono::microseconds delay{};
  bool enabled = true;
  planner::RolloutRequest strategy;
  int64_t expected_version = 0;  // 0: whichever it is, also none
  bool dry_run = false;
};
struct PolicyChange {
  PolicyView policy;
  bool created = false;                    // false: it replaced one
  std::vector<planner::Warning> warnings;  // POLICY_MATCHES_NOTHING
  bool applied = false;

  void ForgetNewIds();
};
// Makes a policy, or replaces the one of that name. INVALID_ARGUMENT INVALID_NAME,
// INVALID_VERSION_RANGE, INVALID_POLICY, INVALID_ROLLOUT; ALREADY_EXISTS POLICY_NAME_TAKEN for a
// name of another org's, POLICY_EXISTS where another one is for these nodes; ABORTED
// VERSION_MISMATCH, POLICY_CHANGED.
Result<Proposal<PolicyChange>> SetPolicy(const Authorized& by, const SetPolicyRequest& request);

struct DeletePolicyRequest {
  std::string policy;
  int64_t expected_version = 0;
};
// Its rollout goes on. NOT_FOUND POLICY_NOT_FOUND; ABORTED VERSION_MISMATCH, POLICY_CHANGED.
Result<Proposal<store::PolicyRow>> DeletePolicy(const Authorized& by,
                                                const DeletePolicyRequest& request);

// NOT_FOUND POLICY_NOT_FOUND.
Result<PolicyView> GetPolicy(const Authorized& by, store::ReadTx& tx, const std::string& policy);
// Their outlooks without a look at rooms and configs.
Result<Page<PolicyView>> ListPolicies(const Authorized& by, store::ReadTx& tx,
                                      const ListRequest& request);

// Makes a rollout for each policy that has none and something to propose. One that cannot is no
// matter to the others; the first error that is not another server's doing is returned.
Status ProposeUpgrades(Control& control);

}  // namespace tallyman::control
