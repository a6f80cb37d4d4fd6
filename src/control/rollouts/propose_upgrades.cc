// What the timer of every server does with upgrade policies: a look without locks, then a rollout
// as anybody would make it, decided on what is there by then. The database lets one server of
// several have it.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "control/control.h"
#include "control/read_once.h"
#include "control/rollouts/policies.h"
#include "control/rollouts/policy_outlook.h"
#include "control/rollouts/policy_strategy.h"
#include "control/rollouts/rollouts.h"
#include "control/run_internal.h"
#include "planner/upgrade_policy.h"

namespace tallyman::control {
namespace {

constexpr std::string_view kPolicyOutrun = "POLICY_OUTRUN";

// A policy and what it would do.
struct Chance {
  store::PolicyRow row;
  UpgradeOutlook outlook;
  std::string name;  // of the rollout

  bool is_good() const { return outlook.why_not.empty() && !outlook.proposals.empty(); }
  const UpgradeOutlook::Proposal& first() const { return outlook.proposals.front(); }
};

// POLICY-VERSION, or POLICY-VERSION-N where a rollout has that.
Result<std::string> NameRollout(store::ReadTx& tx, const UpgradePolicy& policy,
                                const std::string& reference) {
  constexpr size_t kBytesMax = 90;
  std::string version = reference.substr(std::min(reference.find('@') + 1, reference.size()));
  version = version.substr(0, version.find('+'));
  std::string name = (policy.name + "-" + version).substr(0, kBytesMax);
  std::string numbered = name;
  for (int64_t number = 2;; ++number) {
    ASSIGN_OR_RETURN(const auto taken, tx.FindRollout(numbered));
    if (!taken) return numbered;
    numbered = fmt::format("{}-{}", name, number);
  }
}

Result<Chance> LookAtPolicy(Control& control, store::ReadTx& tx, const PolicyId& id) {
  Chance chance;
  ASSIGN_OR_RETURN(auto row, tx.FindPolicy(id.ToString()));
  if (!row) return chance;
  chance.row = *std::move(row);
  ASSIGN_OR_RETURN(chance.outlook, LookAhead(control, tx, chance.row, Outlook::kWhole));
  if (!chance.is_good()) return chance;
  ASSIGN_OR_RETURN(chance.name, NameRollout(tx, chance.row.policy, chance.first().reference));
  return chance;
}

Result<Decided<ProposedRollout>> DecideProposal(
    const Authorized& by, const Chance& chance,
    const decltype(Proposal<ProposedRollout>::decide)& decide, const store::Snapshot& snapshot,
    store::ReadTx& tx) {
  const UpgradePolicy& policy = chance.row.policy;
  ASSIGN_OR_RETURN(const Chance now, LookAtPolicy(by.control(), tx, policy.id));
  const bool same = now.is_good() && now.row.policy == policy &&
                    now.first().image == chance.first().image &&
                    now.first().nodes == chance.first().nodes;
  if (!same) {
    return Fail(Error(
        Code::kAborted, std::string(kPolicyOutrun),
        fmt::format("what upgrade policy {} would do has changed in the meantime", policy.name)));
  }
  ASSIGN_OR_RETURN(Decided<ProposedRollout> decision, decide(by, snapshot, tx));
  Rollout& rollout = decision.rows.new_rollouts.front();
  rollout.policy_id = policy.id;
  decision.rows.events.push_back(
      PolicyEvent(by.cause(), EventKind::kPolicyProposed, policy,
                  fmt::format("{} nodes to {}", decision.answer.node_count, decision.answer.image),
                  rollout.name));
  return decision;
}

Result<Proposal<ProposedRollout>> ProposeUpgrade(const Authorized& by, const PolicyId& id) {
  ASSIGN_OR_RETURN(Chance chance, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return LookAtPolicy(by.control(), tx, id);
                   }));
  Proposal<ProposedRollout> proposal;
  if (!chance.is_good()) {
    proposal.answer = ProposedRollout();
    return proposal;
  }
  const UpgradePolicy& policy = chance.row.policy;
  const UpgradeOutlook::Proposal& first = chance.first();
  ASSIGN_OR_RETURN(const planner::RolloutRequest strategy, StrategyFromJson(policy.strategy));
  CreateRolloutRequest request;
  request.name = chance.name;
  request.targets.image = first.image.ToString();
  for (const NodeId& node : first.nodes) request.targets.nodes.push_back(node.ToString());
  request.numbers = planner::FitToNodes(strategy, std::ssize(first.nodes));
  ASSIGN_OR_RETURN(proposal, CreateRollout(by, request));
  proposal.author = {.actor_id = "policy:" + policy.name, .token_id = {}};
  proposal.decide = [chance = std::move(chance), decide = std::move(proposal.decide)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DecideProposal(as, chance, decide, snapshot, tx);
  };
  return proposal;
}

// The next look sees what came in between.
bool IsOutrun(const Error& error) {
  constexpr std::array<std::string_view, 4> kReasons = {kPolicyOutrun, "POLICY_HAS_ROLLOUT",
                                                        "ROLLOUT_OVERLAPS", "ROLLOUT_NAME_TAKEN"};
  return std::ranges::find(kReasons, error.reason) != kReasons.end();
}

}  // namespace

Status ProposeUpgrades(Control& control) {
  ASSIGN_OR_RETURN(const std::vector<PolicyId> due,
                   ReadOnce(control, [](store::ReadTx& tx) { return tx.DuePolicies(); }));
  Status first;
  for (const PolicyId& id : due) {
    Status status = RunInternal(control, "internal/ProposeUpgrade", ProposeUpgrade, id);
    if (first && !status && !IsOutrun(status.error())) first = std::move(status);
  }
  return first;
}

}  // namespace tallyman::control
