// FleetService.
#include "api/convert.h"
#include "api/method.h"
#include "control/read.h"
#include "control/reads/overview.h"
#include "tallyman/v1/fleet.pb.h"

namespace tallyman::api {
namespace {

v1::HostCounts CountsMessage(const HostCounts& counts) {
  v1::HostCounts out;
  out.set_total(counts.total);
  out.set_live(counts.live());
  out.set_silent(counts.silent);
  out.set_never_heard(counts.never_heard);
  out.set_cordoned(counts.cordoned);
  out.set_draining(counts.draining);
  out.set_over_capacity(counts.over_capacity);
  out.set_with_problems(counts.with_problems);
  out.set_drifted(counts.drifted);
  return out;
}

v1::NodeCounts NodeCountsMessage(const FleetOverview& overview) {
  v1::NodeCounts out;
  int64_t total = 0;
  for (size_t i = 0; i < overview.nodes.size(); ++i) {
    total += overview.nodes[i];
    if (overview.nodes[i] == 0) continue;
    v1::NodeStateCount& state = *out.add_states();
    state.set_state(ToMessage(static_cast<NodeState>(i)));
    state.set_nodes(overview.nodes[i]);
  }
  out.set_total(total);
  out.set_unhealthy(overview.unhealthy_nodes);
  out.set_with_problems(overview.nodes_with_problems);
  return out;
}

v1::CommandCounts CountsMessage(const CommandCounts& counts) {
  v1::CommandCounts out;
  out.set_open(counts.open);
  out.set_taken(counts.taken);
  out.set_unknown(counts.unknown);
  out.set_late(counts.late);
  if (counts.oldest_open_at) *out.mutable_oldest_open_at() = ToMessage(*counts.oldest_open_at);
  return out;
}

Result<v1::GetOverviewResponse> DoGetOverview(control::Control& control, const control::Call& call,
                                              const v1::GetOverviewRequest& request) {
  ASSIGN_OR_RETURN(const control::OverviewAnswer answer,
                   control::Read(control, call, control::GetOverview, request.org()));
  v1::GetOverviewResponse response;
  *response.mutable_read_at() = ToMessage(answer.read_at);
  *response.mutable_hosts() = CountsMessage(answer.overview.hosts);
  *response.mutable_nodes() = NodeCountsMessage(answer.overview);
  *response.mutable_commands() = CountsMessage(answer.overview.commands);
  for (const control::Concern& concern : answer.concerns) {
    v1::Concern& out = *response.add_concerns();
    out.set_reason(std::string(concern.reason));
    out.set_count(concern.count);
    out.set_message(concern.message);
  }
  return response;
}

}  // namespace

std::vector<Method> FleetMethods() {
  return {ReadMethod("tallyman.v1.FleetService/GetOverview", DoGetOverview), ApplyFleetMethod()};
}

}  // namespace tallyman::api
