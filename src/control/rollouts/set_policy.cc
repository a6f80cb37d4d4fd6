// A policy is set as a whole, and deleted as a whole.
#include <fmt/core.h>

#include "base/text.h"
#include "control/control.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "control/rollouts/policies.h"
#include "control/rollouts/policy_outlook.h"
#include "control/rollouts/policy_strategy.h"
#include "planner/upgrade_policy.h"

namespace tallyman::control {
namespace {

constexpr size_t kRangeBytesMax = 200;
constexpr std::chrono::microseconds kDelayMax = std::chrono::days(365);

Status CheckPolicy(const SetPolicyRequest& request) {
  RETURN_IF_ERROR(CheckNewName("name", request.name));
  RETURN_IF_ERROR(CheckName("variant", request.variant));
  RETURN_IF_ERROR(CheckText("version_range", request.version_range, kRangeBytesMax));
  RETURN_IF_ERROR(planner::VersionRange::Parse(request.version_range));
  if (request.delay.count() < 0 || request.delay > kDelayMax) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(request.delay).count();
    return Fail(
        InvalidArgument("INVALID_POLICY", fmt::format("delay is {} s: give 0 to 365 days", seconds))
            .With("field", "delay")
            .With("value", std::to_string(seconds)));
  }
  return planner::CheckStrategy(request.strategy);
}

// `version` is 0 where there is none.
Status CheckPolicyVersion(std::string_view name, int64_t version, int64_t expected) {
  if (expected == 0 || expected == version) return {};
  return Fail(Error(Code::kAborted, "VERSION_MISMATCH",
                    version == 0 ? fmt::format("there is no upgrade policy {}, and version {} of "
                                               "it was expected: read it again and retry",
                                               name, expected)
                                 : fmt::format("upgrade policy {} is at version {}, not {}: read "
                                               "it again and retry",
                                               name, version, expected))
                  .With("field", "expected_version")
                  .With("version", std::to_string(version)));
}

Status CheckFree(store::ReadTx& tx, const UpgradePolicy& policy,
                 const std::optional<store::PolicyRow>& before, const std::string& protocol) {
  if (before && before->policy.org_id != policy.org_id) {
    return Fail(AlreadyExists("POLICY_NAME_TAKEN",
                              fmt::format("another org has an upgrade policy {}: choose another "
                                          "name",
                                          policy.name))
                    .With("field", "name"));
  }
  ASSIGN_OR_RETURN(const auto other, tx.FindPolicyFor({.org_id = policy.org_id,
                                                       .protocol_id = policy.protocol_id,
                                                       .variant = policy.variant}));
  if (!other || other->policy.name == policy.name) return {};
  return Fail(
      AlreadyExists("POLICY_EXISTS",
                    fmt::format("upgrade policy {0} is for {1}/{2} of this org already: change "
                                "that one, or delete it with `tallyman policy delete {0}`",
                                other->policy.name, protocol, policy.variant))
          .About("upgrade policy " + other->policy.name)
          .With("policy", other->policy.name));
}

std::string Describe(const store::PolicyRow& row) {
  const UpgradePolicy& policy = row.policy;
  std::string text =
      fmt::format("{}/{}, level {}", row.protocol, policy.variant, ToText(policy.level));
  if (!policy.version_range.empty()) text += fmt::format(", {}", policy.version_range);
  if (policy.pre_releases) text += ", with pre-releases";
  if (policy.delay.count() > 0)
    text +=
        fmt::format(", after {} s", std::chrono::floor<std::chrono::seconds>(policy.delay).count());
  if (!policy.enabled) text += ", disabled";
  return text;
}

Result<Decided<PolicyChange>> DecideSet(const Authorized& by, const SetPolicyRequest& request,
                                        const Org& org, const Protocol& protocol,
                                        store::ReadTx& tx) {
  const planner::Cause cause = by.cause();
  ASSIGN_OR_RETURN(const auto before, tx.FindPolicy(request.name));
  Decided<PolicyChange> decision;
  decision.answer.created = !before;
  decision.answer.policy.strategy = request.strategy;
  store::PolicyRow& row = decision.answer.policy.row;
  if (before) row.rollout = before->rollout;
  row.org = org.name;
  row.protocol = protocol.key;
  UpgradePolicy& policy = row.policy;
  policy = {.id = before ? before->policy.id : by.control().ids().New<PolicyId>(),
            .name = request.name,
            .org_id = org.id,
            .protocol_id = protocol.id,
            .variant = request.variant,
            .level = request.level,
            .version_range = request.version_range,
            .pre_releases = request.pre_releases,
            .delay = request.delay,
            .strategy = StrategyToJson(request.strategy),
            .enabled = request.enabled,
            .version = before ? before->policy.version + 1 : 1,
            .created_by = cause.actor_id,
            .created_at = before ? before->policy.created_at : cause.now};
  RETURN_IF_ERROR(CheckFree(tx, policy, before, protocol.key));
  RETURN_IF_ERROR(CheckPolicyVersion(request.name, before ? before->policy.version : 0,
                                     request.expected_version));
  ASSIGN_OR_RETURN(
      decision.answer.policy.outlook,
      LookAhead(by.control(), tx, row, request.dry_run ? Outlook::kWhole : Outlook::kInShort));
  if (decision.answer.policy.outlook.node_count == 0) {
    decision.answer.warnings.push_back(
        {.reason = "POLICY_MATCHES_NOTHING",
         .message = fmt::format("org {} has no node of {}/{}: the policy acts on nothing until it "
                                "has one",
                                org.name, protocol.key, policy.variant)});
  }
  if (before) decision.rows.ended_policies = {{policy.id, before->policy.version}};
  decision.rows.new_policies = {policy};
  decision.rows.events = {PolicyEvent(cause, EventKind::kPolicySet, policy, Describe(row))};
  return decision;
}

Result<Decided<store::PolicyRow>> DecideDelete(const Authorized& by, const PolicyId& id,
                                               int64_t expected_version, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const store::PolicyRow row, ResolvePolicy(tx, by.actor(), id.ToString()));
  const UpgradePolicy& policy = row.policy;
  RETURN_IF_ERROR(CheckPolicyVersion(policy.name, policy.version, expected_version));
  Decided<store::PolicyRow> decision;
  decision.answer = row;
  decision.rows.ended_policies = {{policy.id, policy.version}};
  decision.rows.events = {PolicyEvent(by.cause(), EventKind::kPolicyDeleted, policy, "")};
  return decision;
}

}  // namespace

void PolicyChange::ForgetNewIds() {
  if (created) policy.row.policy.id = {};
}

Result<Proposal<PolicyChange>> SetPolicy(const Authorized& by, const SetPolicyRequest& request) {
  RETURN_IF_ERROR(CheckPolicy(request));
  Org org;
  Protocol protocol;
  RETURN_IF_ERROR(ReadOnce(by.control(), [&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(org, ResolveOrg(tx, by.actor(), request.org));
    ASSIGN_OR_RETURN(protocol, ResolveProtocol(tx, by.actor(), request.protocol));
    return {};
  }));
  Proposal<PolicyChange> proposal{.solo = true, .plan = {.dry_run = request.dry_run}};
  proposal.decide = [request, org, protocol](const Authorized& as, const store::Snapshot&,
                                             store::ReadTx& tx) {
    return DecideSet(as, request, org, protocol, tx);
  };
  return proposal;
}

Result<Proposal<store::PolicyRow>> DeletePolicy(const Authorized& by,
                                                const DeletePolicyRequest& request) {
  ASSIGN_OR_RETURN(const store::PolicyRow row, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return ResolvePolicy(tx, by.actor(), request.policy);
                   }));
  Proposal<store::PolicyRow> proposal{.solo = true};
  proposal.decide = [id = row.policy.id, expected = request.expected_version](
                        const Authorized& as, const store::Snapshot&, store::ReadTx& tx) {
    return DecideDelete(as, id, expected, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
