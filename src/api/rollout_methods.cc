// RolloutService.
#include <fmt/core.h>

#include "api/convert.h"
#include "api/list_message.h"
#include "api/method.h"
#include "api/rollout_numbers.h"
#include "control/read.h"
#include "control/rollouts/query_rollouts.h"
#include "control/rollouts/rollouts.h"
#include "tallyman/v1/rollout.pb.h"

namespace tallyman::api {
namespace {

v1::RolloutWave MessageOf(const RolloutWave& wave, int64_t number) {
  v1::RolloutWave out;
  out.set_number(number);
  out.set_size(wave.size);
  out.set_max_failures(wave.max_failures);
  out.set_accepted_failures(wave.accepted_failures);
  out.set_pause_after(wave.pause_after);
  if (wave.started_at) *out.mutable_started_at() = ToMessage(*wave.started_at);
  if (wave.passed_at) *out.mutable_passed_at() = ToMessage(*wave.passed_at);
  return out;
}

v1::Rollout MessageOf(const Rollout& rollout, const std::string& org, const std::string& image) {
  v1::Rollout out;
  if (!rollout.id.is_nil()) out.set_id(rollout.id.ToString());
  out.set_name(rollout.name);
  out.set_org(org);
  out.set_image(image);
  out.set_state(ToMessage(rollout.state));
  out.set_why(rollout.why);
  out.set_wave(rollout.wave + 1);
  int64_t number = 0;
  for (const RolloutWave& wave : rollout.waves) *out.add_waves() = MessageOf(wave, ++number);
  const RolloutSpec& spec = rollout.spec;
  out.set_max_in_flight(spec.max_in_flight);
  out.set_per_host(spec.per_host);
  *out.mutable_soak() = ToMessage(spec.soak);
  *out.mutable_begin_within() = ToMessage(spec.begin_within);
  *out.mutable_healthy_within() = ToMessage(spec.healthy_within);
  *out.mutable_no_progress() = ToMessage(spec.no_progress);
  out.set_created_by(rollout.created_by);
  *out.mutable_created_at() = ToMessage(rollout.created_at);
  *out.mutable_progress_at() = ToMessage(rollout.progress_at);
  if (rollout.ended_at) *out.mutable_ended_at() = ToMessage(*rollout.ended_at);
  out.set_version(rollout.version);
  out.set_reverts(rollout.reverts);
  out.set_policy_id(TextOf(rollout.policy_id));
  return out;
}

void SetCount(const RolloutCount& count, v1::RolloutWave& wave) {
  switch (count.state) {
    case RolloutNodeState::kWaiting:
      return wave.set_waiting(count.count);
    case RolloutNodeState::kReleased:
      return wave.set_released(count.count);
    case RolloutNodeState::kHealthy:
      return wave.set_healthy(count.count);
    case RolloutNodeState::kFailed:
      return wave.set_failed(count.count);
    case RolloutNodeState::kSkipped:
      return wave.set_skipped(count.count);
    case RolloutNodeState::kWithdrawn:
      return wave.set_withdrawn(count.count);
  }
}

v1::Rollout MessageOf(const control::RolloutSummary& summary) {
  v1::Rollout out = MessageOf(summary.row.rollout, summary.row.org, summary.row.image);
  for (const RolloutCount& count : summary.counts)
    if (count.wave < out.waves_size())
      SetCount(count, *out.mutable_waves(static_cast<int>(count.wave)));
  return out;
}

v1::RolloutNode MessageOf(const control::RolloutNodeView& view) {
  const RolloutNodeFacts& facts = view.row.facts;
  v1::RolloutNode out;
  out.set_node(facts.node);
  out.set_node_id(facts.row.node_id.ToString());
  out.set_host(facts.host);
  out.set_org(view.row.org);
  out.set_wave(facts.row.wave + 1);
  out.set_place(facts.row.place);
  out.set_state(ToMessage(facts.row.state));
  out.set_why(view.why);
  if (facts.row.command_id) out.set_command_id(facts.row.command_id->ToString());
  if (facts.row.released_at) *out.mutable_released_at() = ToMessage(*facts.row.released_at);
  if (facts.row.decided_at) *out.mutable_decided_at() = ToMessage(*facts.row.decided_at);
  return out;
}

// What the answers to a creation and to a revert have in common.
template <class Response>
Response ResponseOf(const control::ProposedRollout& proposed) {
  Response response;
  v1::Rollout& rollout = *response.mutable_rollout();
  rollout = MessageOf(proposed.rollout, proposed.org, proposed.image);
  for (size_t i = 0; i < proposed.waves.size(); ++i) {
    const control::PlannedWave& wave = proposed.waves[i];
    v1::RolloutWave& out = *rollout.mutable_waves(static_cast<int>(i));
    out.set_waiting(wave.wave.size);
    out.set_hosts(wave.hosts);
    out.set_growing(wave.growing);
    out.set_shrinking(wave.shrinking);
    for (const std::string& name : wave.first_nodes) out.add_first_nodes(name);
  }
  response.set_node_count(proposed.node_count);
  for (const control::BlockedNode& blocked : proposed.blocked) {
    v1::BlockedNode& out = *response.add_blocked();
    out.set_node(blocked.node);
    out.set_host(blocked.host);
    out.set_dimension(blocked.dimension);
    out.set_need(blocked.need);
    out.set_free(blocked.free);
  }
  response.set_plan_token(proposed.plan_token);
  response.set_applied(proposed.applied);
  return response;
}

std::string EncodeCreated(const control::ProposedRollout& proposed) {
  auto response = ResponseOf<v1::CreateRolloutResponse>(proposed);
  response.set_same_image_count(proposed.same_image_count);
  response.set_deleting_count(proposed.deleting_count);
  response.set_taken_over_count(proposed.taken_over_count);
  for (const std::string& name : proposed.in_flight) response.add_in_flight(name);
  return Serialize(response);
}

std::string EncodeReverted(const control::ProposedRollout& proposed) {
  auto response = ResponseOf<v1::RevertRolloutResponse>(proposed);
  for (const std::string& name : proposed.changed) response.add_changed(name);
  for (const std::string& name : proposed.withdrawn) response.add_withdrawn(name);
  return Serialize(response);
}

Status DoCreateRollout(control::Control& control, control::Call call,
                       const v1::CreateRolloutRequest& request, control::Done done) {
  control::CreateRolloutRequest wanted;
  wanted.name = request.name();
  wanted.targets.nodes = Texts(request.nodes());
  if (request.has_selector()) wanted.targets.selector = FromMessage(request.selector());
  wanted.targets.image = request.image();
  RETURN_IF_ERROR(TakeNumbers(request, wanted.numbers));
  wanted.take_over = request.take_over();
  wanted.plan = PlanOf(request);
  control::Run(control, std::move(call), control::CreateRollout, wanted, EncodeCreated,
               std::move(done));
  return {};
}

Status DoRevertRollout(control::Control& control, control::Call call,
                       const v1::RevertRolloutRequest& request, control::Done done) {
  const control::RevertRolloutRequest wanted = {
      .rollout = request.rollout(), .name = request.name(), .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::RevertRollout, wanted, EncodeReverted,
               std::move(done));
  return {};
}

std::string EncodeRetried(const control::RetriedRollout& retried) {
  v1::RetryRolloutResponse response;
  *response.mutable_rollout() = MessageOf(retried.rollout, retried.org, retried.image);
  for (const std::string& name : retried.retried) response.add_retried(name);
  for (const auto& [node, why] : retried.left_out) {
    v1::RetryLeftOut& out = *response.add_left_out();
    out.set_node(node);
    out.set_why(why);
  }
  return Serialize(response);
}

Status DoRetryRollout(control::Control& control, control::Call call,
                      const v1::RetryRolloutRequest& request, control::Done done) {
  const control::RetryRolloutRequest wanted = {.rollout = request.rollout(),
                                               .nodes = Texts(request.nodes()),
                                               .failed = request.failed(),
                                               .skipped = request.skipped()};
  control::Run(control, std::move(call), control::RetryRollout, wanted, EncodeRetried,
               std::move(done));
  return {};
}

template <class Response>
std::string EncodeChanged(const control::ChangedRollout& changed) {
  Response response;
  *response.mutable_rollout() = MessageOf(changed.rollout, changed.org, changed.image);
  response.set_changed(changed.changed);
  if constexpr (requires { response.add_begun(); }) {
    for (const std::string& name : changed.withdrawn) response.add_withdrawn(name);
    for (const std::string& name : changed.begun) response.add_begun(name);
  }
  return Serialize(response);
}

template <class Response, class Request, planner::RolloutWord kWord>
Status DoChange(control::Control& control, control::Call call, const Request& request,
                control::Done done) {
  control::Run(control, std::move(call), control::ChangeRollout,
               control::ChangeRolloutRequest{.rollout = request.rollout(), .word = kWord},
               EncodeChanged<Response>, std::move(done));
  return {};
}

Result<v1::GetRolloutResponse> DoGetRollout(control::Control& control, const control::Call& call,
                                            const v1::GetRolloutRequest& request) {
  ASSIGN_OR_RETURN(const control::RolloutSummary summary,
                   control::Read(control, call, control::GetRollout, request.rollout()));
  v1::GetRolloutResponse response;
  *response.mutable_rollout() = MessageOf(summary);
  return response;
}

Result<v1::ListRolloutsResponse> DoListRollouts(control::Control& control,
                                                const control::Call& call,
                                                const v1::ListRolloutsRequest& request) {
  ASSIGN_OR_RETURN(const control::Page<control::RolloutSummary> page,
                   control::Read(control, call, control::ListRollouts, ListOf(request)));
  v1::ListRolloutsResponse response;
  for (const control::RolloutSummary& summary : page.rows)
    *response.add_rollouts() = MessageOf(summary);
  response.set_next_page_token(page.next_page_token);
  return response;
}

Result<v1::ListRolloutNodesResponse> DoListRolloutNodes(
    control::Control& control, const control::Call& call,
    const v1::ListRolloutNodesRequest& request) {
  ASSIGN_OR_RETURN(const control::Page<control::RolloutNodeView> page,
                   control::Read(control, call, control::ListRolloutNodes,
                                 control::ListRolloutNodesRequest{.rollout = request.rollout(),
                                                                  .list = ListOf(request)}));
  v1::ListRolloutNodesResponse response;
  for (const control::RolloutNodeView& view : page.rows) *response.add_nodes() = MessageOf(view);
  response.set_next_page_token(page.next_page_token);
  return response;
}

}  // namespace

std::vector<Method> RolloutMethods() {
  using enum planner::RolloutWord;
  return {
      WriteMethod<v1::AbortRolloutResponse>(
          "tallyman.v1.RolloutService/AbortRollout",
          DoChange<v1::AbortRolloutResponse, v1::AbortRolloutRequest, kAbort>),
      WriteMethod<v1::CreateRolloutResponse>("tallyman.v1.RolloutService/CreateRollout",
                                             DoCreateRollout),
      ReadMethod("tallyman.v1.RolloutService/GetRollout", DoGetRollout),
      ReadMethod("tallyman.v1.RolloutService/ListRolloutNodes", DoListRolloutNodes),
      ReadMethod("tallyman.v1.RolloutService/ListRollouts", DoListRollouts),
      WriteMethod<v1::PauseRolloutResponse>(
          "tallyman.v1.RolloutService/PauseRollout",
          DoChange<v1::PauseRolloutResponse, v1::PauseRolloutRequest, kPause>),
      WriteMethod<v1::ResumeRolloutResponse>(
          "tallyman.v1.RolloutService/ResumeRollout",
          DoChange<v1::ResumeRolloutResponse, v1::ResumeRolloutRequest, kResume>),
      WriteMethod<v1::RetryRolloutResponse>("tallyman.v1.RolloutService/RetryRollout",
                                            DoRetryRollout),
      WriteMethod<v1::RevertRolloutResponse>("tallyman.v1.RolloutService/RevertRollout",
                                             DoRevertRollout),
  };
}

}  // namespace tallyman::api
