// UpgradePolicyService.
#include "api/convert.h"
#include "api/list_message.h"
#include "api/method.h"
#include "api/rollout_numbers.h"
#include "control/read.h"
#include "control/rollouts/policies.h"
#include "tallyman/v1/upgrade_policy.pb.h"

namespace tallyman::api {
namespace {

v1::UpgradeStrategy MessageOf(const planner::RolloutRequest& strategy) {
  v1::UpgradeStrategy out;
  for (const planner::RolloutStage& stage : strategy.stages) {
    v1::RolloutStage& added = *out.add_stages();
    stage.is_percent ? added.set_percent(stage.amount) : added.set_nodes(stage.amount);
  }
  for (const int64_t stage : strategy.pause_after) out.add_pause_after(stage);
  if (strategy.max_failures) out.set_max_failures(*strategy.max_failures);
  if (strategy.max_in_flight) out.set_max_in_flight(*strategy.max_in_flight);
  if (strategy.per_host) out.set_per_host(*strategy.per_host);
  if (strategy.soak) *out.mutable_soak() = ToMessage(*strategy.soak);
  if (strategy.begin_within) *out.mutable_begin_within() = ToMessage(*strategy.begin_within);
  if (strategy.healthy_within) *out.mutable_healthy_within() = ToMessage(*strategy.healthy_within);
  if (strategy.no_progress) *out.mutable_no_progress() = ToMessage(*strategy.no_progress);
  return out;
}

v1::UpgradeLevel MessageOf(UpgradeLevel level) {
  return static_cast<v1::UpgradeLevel>(static_cast<int>(level) + 1);
}
static_assert(v1::UPGRADE_LEVEL_PATCH == 1 && v1::UPGRADE_LEVEL_MINOR == 2 &&
              v1::UPGRADE_LEVEL_MAJOR == 3);

// Without the strategy.
v1::UpgradePolicy MessageOf(const store::PolicyRow& row) {
  const UpgradePolicy& policy = row.policy;
  v1::UpgradePolicy out;
  out.set_id(TextOf(policy.id));
  out.set_name(policy.name);
  out.set_org(row.org);
  out.set_org_id(policy.org_id.ToString());
  out.set_protocol(row.protocol);
  out.set_variant(policy.variant);
  out.set_level(MessageOf(policy.level));
  out.set_version_range(policy.version_range);
  out.set_pre_releases(policy.pre_releases);
  *out.mutable_delay() = ToMessage(policy.delay);
  out.set_enabled(policy.enabled);
  out.set_version(policy.version);
  out.set_created_by(policy.created_by);
  *out.mutable_created_at() = ToMessage(policy.created_at);
  out.set_rollout(row.rollout);
  return out;
}

v1::UpgradePolicy MessageOf(const control::PolicyView& view) {
  v1::UpgradePolicy out = MessageOf(view.row);
  *out.mutable_strategy() = MessageOf(view.strategy);
  return out;
}

v1::UpgradeOutlook MessageOf(const control::UpgradeOutlook& outlook) {
  v1::UpgradeOutlook out;
  for (const control::UpgradeOutlook::Proposal& proposal : outlook.proposals) {
    v1::UpgradeProposal& added = *out.add_proposals();
    added.set_image(proposal.reference);
    added.set_node_count(std::ssize(proposal.nodes));
    for (const std::string& name : proposal.first_nodes) added.add_first_nodes(name);
  }
  out.set_node_count(outlook.node_count);
  for (const control::UpgradeOutlook::LeftOut& left : outlook.left_out) {
    v1::LeftOutNodes& added = *out.add_left_out();
    added.set_why(left.why);
    added.set_node_count(left.count);
    for (const std::string& name : left.first_nodes) added.add_first_nodes(name);
  }
  out.set_why_not(outlook.why_not);
  return out;
}

Status DoSetPolicy(control::Control& control, control::Call call,
                   const v1::SetUpgradePolicyRequest& request, control::Done done) {
  control::SetPolicyRequest wanted;
  wanted.name = request.name();
  wanted.org = request.org();
  wanted.protocol = request.protocol();
  wanted.variant = request.variant();
  if (request.level() == v1::UPGRADE_LEVEL_MINOR) wanted.level = UpgradeLevel::kMinor;
  if (request.level() == v1::UPGRADE_LEVEL_MAJOR) wanted.level = UpgradeLevel::kMajor;
  wanted.version_range = request.version_range();
  wanted.pre_releases = request.pre_releases();
  std::optional<std::chrono::microseconds> delay;
  RETURN_IF_ERROR(TakeSpan("INVALID_POLICY", "delay", request.has_delay(), request.delay(), delay));
  wanted.delay = delay.value_or(std::chrono::microseconds());
  wanted.enabled = !request.disabled();
  RETURN_IF_ERROR(TakeNumbers(request.strategy(), wanted.strategy));
  wanted.expected_version = request.expected_version();
  wanted.dry_run = request.dry_run();
  control::Run(
      control, std::move(call), control::SetPolicy, wanted,
      [](const control::PolicyChange& change) {
        v1::SetUpgradePolicyResponse response;
        *response.mutable_policy() = MessageOf(change.policy);
        response.set_created(change.created);
        *response.mutable_outlook() = MessageOf(change.policy.outlook);
        response.set_applied(change.applied);
        for (const planner::Warning& warning : change.warnings)
          *response.add_warnings() = ToMessage(warning);
        return Serialize(response);
      },
      std::move(done));
  return {};
}

Status DoDeletePolicy(control::Control& control, control::Call call,
                      const v1::DeleteUpgradePolicyRequest& request, control::Done done) {
  control::Run(
      control, std::move(call), control::DeletePolicy,
      control::DeletePolicyRequest{.policy = request.policy(),
                                   .expected_version = request.expected_version()},
      [](const store::PolicyRow& row) {
        v1::DeleteUpgradePolicyResponse response;
        *response.mutable_policy() = MessageOf(row);
        return Serialize(response);
      },
      std::move(done));
  return {};
}

Result<v1::GetUpgradePolicyResponse> DoGetPolicy(control::Control& control,
                                                 const control::Call& call,
                                                 const v1::GetUpgradePolicyRequest& request) {
  ASSIGN_OR_RETURN(const control::PolicyView view,
                   control::Read(control, call, control::GetPolicy, request.policy()));
  v1::GetUpgradePolicyResponse response;
  *response.mutable_policy() = MessageOf(view);
  *response.mutable_outlook() = MessageOf(view.outlook);
  return response;
}

Result<v1::ListUpgradePoliciesResponse> DoListPolicies(
    control::Control& control, const control::Call& call,
    const v1::ListUpgradePoliciesRequest& request) {
  ASSIGN_OR_RETURN(const control::Page<control::PolicyView> page,
                   control::Read(control, call, control::ListPolicies, ListOf(request)));
  v1::ListUpgradePoliciesResponse response;
  for (const control::PolicyView& view : page.rows) {
    v1::ListUpgradePoliciesResponse::Item& item = *response.add_policies();
    *item.mutable_policy() = MessageOf(view);
    *item.mutable_outlook() = MessageOf(view.outlook);
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

}  // namespace

std::vector<Method> UpgradePolicyMethods() {
  return {
      WriteMethod<v1::DeleteUpgradePolicyResponse>(
          "tallyman.v1.UpgradePolicyService/DeleteUpgradePolicy", DoDeletePolicy),
      ReadMethod("tallyman.v1.UpgradePolicyService/GetUpgradePolicy", DoGetPolicy),
      ReadMethod("tallyman.v1.UpgradePolicyService/ListUpgradePolicies", DoListPolicies),
      WriteMethod<v1::SetUpgradePolicyResponse>("tallyman.v1.UpgradePolicyService/SetUpgradePolicy",
                                                DoSetPolicy),
  };
}

}  // namespace tallyman::api
