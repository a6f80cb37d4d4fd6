// HostService.
#include <fmt/core.h>

#include <ranges>

#include "api/convert.h"
#include "api/list_message.h"
#include "api/method.h"
#include "control/hosts/drain_hosts.h"
#include "control/hosts/retire_host.h"
#include "control/inventory/host_claims.h"
#include "control/inventory/inventory.h"
#include "control/read.h"
#include "control/reads/queries.h"
#include "planner/capacity.h"

namespace tallyman::api {
namespace {

v1::Host MessageOf(const Host& host, const std::string& region,
                   const std::vector<planner::Warning>& warnings) {
  v1::Host out;
  out.set_id(host.id.ToString());
  out.set_name(host.name);
  out.set_region(region);
  out.set_region_id(host.region_id.ToString());
  *out.mutable_capacity() = ToMessage(host.capacity);
  out.set_capacity_policy(ToMessage(host.capacity_policy));
  *out.mutable_books() = ToMessage(host.books);
  *out.mutable_held() = ToMessage(host.held);
  // Unset when it is beyond 64 bits, which only happens with broken books.
  if (auto free = FreeOf(host)) *out.mutable_free() = ToMessage(*free);
  out.set_ledger_seq(host.ledger_seq);
  out.set_version(host.version);
  for (const planner::Warning& warning : warnings) *out.add_warnings() = ToMessage(warning);
  *out.mutable_created_at() = ToMessage(host.created_at);
  *out.mutable_updated_at() = ToMessage(host.updated_at);
  out.set_liveness(ToMessage(LivenessOf(host)));
  if (host.silent_since) *out.mutable_silent_since() = ToMessage(*host.silent_since);
  out.set_cordoned(host.cordoned);
  if (host.retired_at) *out.mutable_retired_at() = ToMessage(*host.retired_at);
  return out;
}

void AddClaims(const std::vector<HostClaim>& claims, v1::Host& out) {
  for (const HostClaim& claim : claims) {
    v1::HostClaim& message = *out.add_claims();
    message.set_owner(claim.owner);
    message.set_kind(ToMessage(claim.kind));
    message.set_reason(claim.reason);
    message.set_created_by(claim.created_by);
    *message.mutable_created_at() = ToMessage(claim.created_at);
  }
}

constexpr size_t kWaitsMax = 100;

std::string WhyOf(const DrainWait& wait) {
  if (wait.command) return fmt::format("{} is {}", ToText(*wait.command), ToText(*wait.state));
  if (wait.node.empty()) return "its machine has it, but it is no node of this host";
  return wait.runs ? "its host says that it runs" : "its host is at work on it";
}

v1::HostDrain MessageOf(const control::HostDrain& drain) {
  v1::HostDrain out;
  out.set_drained(drain.drained);
  out.set_status_since(drain.status_since);
  for (const DrainWait& wait : drain.waits | std::views::take(kWaitsMax)) {
    v1::DrainWait& message = *out.add_waits();
    message.set_node(wait.node);
    message.set_node_id(wait.node_id.ToString());
    message.set_why(WhyOf(wait));
  }
  out.set_wait_count(drain.wait_count);
  out.set_stopped_count(drain.stopped_count);
  return out;
}

v1::Host MessageOf(const control::HostView& view) {
  v1::Host out = MessageOf(view.row.host, view.row.region, view.warnings);
  AddClaims(view.claims, out);
  if (view.drain) *out.mutable_drain() = MessageOf(*view.drain);
  if (!view.reported) return out;
  const HostReport& report = *view.reported;
  *out.mutable_heard_at() = ToMessage(report.heard_at);
  v1::ReportedHost& said = *out.mutable_reported();
  *said.mutable_heard_at() = ToMessage(report.heard_at);
  if (report.status_at) *said.mutable_status_at() = ToMessage(*report.status_at);
  if (report.capacity) *said.mutable_capacity() = ToMessage(*report.capacity);
  if (report.reserved) *said.mutable_reserved() = ToMessage(*report.reserved);
  said.set_thin_disks(report.thin_disks.value_or(false));
  said.set_problem(report.problem.value_or(""));
  said.set_agent_version(report.agent_version.value_or(""));
  said.set_unknown_nodes(report.unknown_nodes.value_or(0));
  return out;
}

std::string EncodeHosts(const control::CreatedHosts& created) {
  v1::CreateHostsResponse response;
  int64_t skipped = 0;
  for (const control::CreatedItem& item : created.items) {
    v1::HostResult& result = *response.add_results();
    result.set_id(item.id);
    result.set_name(item.name);
    result.set_skipped(item.skipped);
    skipped += item.skipped ? 1 : 0;
  }
  response.set_skipped_count(skipped);
  response.set_created_count(static_cast<int64_t>(created.items.size()) - skipped);
  response.set_applied(created.applied);
  return Serialize(response);
}

Status DoCreateHosts(control::Control& control, control::Call call,
                     const v1::CreateHostsRequest& request, control::Done done) {
  control::CreateHostsRequest wanted{.skip_existing = request.skip_existing(),
                                     .dry_run = request.dry_run()};
  for (const v1::HostSpec& spec : request.hosts()) {
    wanted.hosts.push_back({.name = spec.name(),
                            .region = spec.region(),
                            .capacity = FromMessage(spec.capacity()),
                            .capacity_policy = FromMessage(spec.capacity_policy())});
  }
  control::Run(control, std::move(call), control::CreateHosts, wanted, EncodeHosts,
               std::move(done));
  return {};
}

Result<v1::GetHostResponse> DoGetHost(control::Control& control, const control::Call& call,
                                      const v1::GetHostRequest& request) {
  ASSIGN_OR_RETURN(control::HostView view,
                   control::Read(control, call, control::GetHost, request.host()));
  v1::GetHostResponse response;
  *response.mutable_host() = MessageOf(view);
  return response;
}

Result<v1::ListHostsResponse> DoListHosts(control::Control& control, const control::Call& call,
                                          const v1::ListHostsRequest& request) {
  control::ListRequest list = ListOf(request);
  list.with_deleted = request.show_retired();
  ASSIGN_OR_RETURN(control::Page<control::HostView> page,
                   control::Read(control, call, control::ListHosts, list));
  v1::ListHostsResponse response;
  for (const control::HostView& view : page.rows) *response.add_hosts() = MessageOf(view);
  response.set_next_page_token(page.next_page_token);
  return response;
}

std::string EncodeHost(const control::UpdatedHost& updated) {
  v1::UpdateHostResponse response;
  *response.mutable_host() = MessageOf(updated.after, updated.region, updated.warnings);
  *response.mutable_capacity_before() = ToMessage(updated.before.capacity);
  response.set_capacity_policy_before(ToMessage(updated.before.capacity_policy));
  for (const planner::Warning& warning : updated.warnings)
    *response.add_warnings() = ToMessage(warning);
  response.set_plan_token(updated.plan_token);
  response.set_applied(updated.applied);
  return Serialize(response);
}

Status DoUpdateHost(control::Control& control, control::Call call,
                    const v1::UpdateHostRequest& request, control::Done done) {
  control::UpdateHostRequest wanted;
  wanted.host = request.host();
  if (request.has_capacity()) wanted.capacity = FromMessage(request.capacity());
  if (request.capacity_policy() != v1::CAPACITY_POLICY_UNSPECIFIED) {
    wanted.capacity_policy = FromMessage(request.capacity_policy());
  }
  wanted.expected_version = request.expected_version();
  wanted.plan = PlanOf(request);
  control::Run(control, std::move(call), control::UpdateHost, wanted, EncodeHost, std::move(done));
  return {};
}

template <class Response>
std::string EncodeClaimed(const control::ClaimedHost& claimed) {
  Response response;
  *response.mutable_host() =
      MessageOf(claimed.host, claimed.region, planner::OverCapacity(claimed.host));
  AddClaims(claimed.claims, *response.mutable_host());
  response.set_changed(claimed.changed);
  return Serialize(response);
}

Status DoCordonHost(control::Control& control, control::Call call,
                    const v1::CordonHostRequest& request, control::Done done) {
  const control::CordonHostRequest wanted{
      .host = request.host(), .reason = request.reason(), .owner = request.owner()};
  control::Run(control, std::move(call), control::CordonHost, wanted,
               EncodeClaimed<v1::CordonHostResponse>, std::move(done));
  return {};
}

Status DoUncordonHost(control::Control& control, control::Call call,
                      const v1::UncordonHostRequest& request, control::Done done) {
  const control::UncordonHostRequest wanted{.host = request.host(), .owner = request.owner()};
  control::Run(control, std::move(call), control::UncordonHost, wanted,
               EncodeClaimed<v1::UncordonHostResponse>, std::move(done));
  return {};
}

template <class Response>
std::string EncodeDrain(const control::DrainChanges& changes) {
  Response response;
  *response.mutable_changes() = ToMessage(changes);
  for (const control::DrainedHost& host : changes.drained) {
    v1::DrainedHost& out = *response.add_hosts();
    out.set_host(host.host);
    out.set_changed(host.changed);
    out.set_commanded_count(host.commanded);
    out.set_withdrawn_count(host.withdrawn);
    out.set_left_count(host.left);
    out.set_deleting_count(host.deleting);
    out.set_cordoned(host.cordoned);
    for (const std::string& owner : host.drained_by) out.add_drained_by(owner);
  }
  return Serialize(response);
}

Status DoDrainHosts(control::Control& control, control::Call call,
                    const v1::DrainHostsRequest& request, control::Done done) {
  const control::DrainHostsRequest wanted{.hosts = {request.hosts().begin(), request.hosts().end()},
                                          .reason = request.reason(),
                                          .owner = request.owner(),
                                          .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::DrainHosts, wanted,
               EncodeDrain<v1::DrainHostsResponse>, std::move(done));
  return {};
}

Status DoResumeHosts(control::Control& control, control::Call call,
                     const v1::ResumeHostsRequest& request, control::Done done) {
  const control::ResumeHostsRequest wanted{
      .hosts = {request.hosts().begin(), request.hosts().end()},
      .owner = request.owner(),
      .even_if_silent = request.even_if_silent(),
      .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::ResumeHosts, wanted,
               EncodeDrain<v1::ResumeHostsResponse>, std::move(done));
  return {};
}

std::string EncodeRetired(const control::Changes& changes) {
  v1::RetireHostResponse response;
  *response.mutable_changes() = ToMessage(changes);
  response.set_name(changes.hosts.front().after.name);
  return Serialize(response);
}

Status DoRetireHost(control::Control& control, control::Call call,
                    const v1::RetireHostRequest& request, control::Done done) {
  const control::RetireHostRequest wanted{
      .host = request.host(), .lost = request.lost(), .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::RetireHost, wanted, EncodeRetired,
               std::move(done));
  return {};
}

}  // namespace

std::vector<Method> HostMethods() {
  return {
      WriteMethod<v1::CreateHostsResponse>("tallyman.v1.HostService/CreateHosts", DoCreateHosts),
      ReadMethod("tallyman.v1.HostService/GetHost", DoGetHost),
      ReadMethod("tallyman.v1.HostService/ListHosts", DoListHosts),
      WriteMethod<v1::UpdateHostResponse>("tallyman.v1.HostService/UpdateHost", DoUpdateHost),
      WriteMethod<v1::CordonHostResponse>("tallyman.v1.HostService/CordonHost", DoCordonHost),
      WriteMethod<v1::DrainHostsResponse>("tallyman.v1.HostService/DrainHosts", DoDrainHosts),
      WriteMethod<v1::ResumeHostsResponse>("tallyman.v1.HostService/ResumeHosts", DoResumeHosts),
      WriteMethod<v1::RetireHostResponse>("tallyman.v1.HostService/RetireHost", DoRetireHost),
      WriteMethod<v1::UncordonHostResponse>("tallyman.v1.HostService/UncordonHost", DoUncordonHost),
  };
}

}  // namespace tallyman::api
