// A host's capacity and policy. Lowering the capacity below what the host carries is accepted, with
// a warning that says so.
#include <fmt/core.h>

#include "base/digest.h"
#include "control/change_host.h"
#include "control/inventory/inventory.h"
#include "control/new_event.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "planner/capacity.h"

namespace tallyman::control {
namespace {

Result<Decided<UpdatedHost>> DecideUpdate(const Authorized& by, const HostId& id,
                                          const std::string& region,
                                          const UpdateHostRequest& request,
                                          const store::Snapshot& snapshot) {
  auto found = snapshot.hosts.find(id);
  if (found == snapshot.hosts.end())
    return Fail(NotFound("HOST_NOT_FOUND", "host " + id.ToString() + " is gone"));
  const Host& before = found->second.host;
  if (request.expected_version != 0 && request.expected_version != before.version) {
    return Fail(Error(Code::kAborted, "VERSION_MISMATCH",
                      fmt::format("host {} is at version {}, not {}: read it again and retry",
                                  before.name, before.version, request.expected_version))
                    .With("field", "expected_version")
                    .With("version", std::to_string(before.version)));
  }
  const planner::Cause cause = by.cause();
  Decided<UpdatedHost> decision;
  UpdatedHost& update = decision.answer;
  update.before = before;
  ASSIGN_OR_RETURN(Host* const after, ChangeHost(by, cause, found->second, decision));
  after->capacity = request.capacity.value_or(before.capacity);
  after->capacity_policy = request.capacity_policy.value_or(before.capacity_policy);
  update.after = *after;
  update.region = region;
  update.warnings = planner::OverCapacity(update.after);
  Event event = NewEvent(cause, EventKind::kHostUpdated, Detail({}));
  event.host_id = id;
  decision.rows.events.push_back(std::move(event));
  return decision;
}

Status CheckHostUpdate(const UpdateHostRequest& request) {
  if (!request.capacity && !request.capacity_policy) {
    return Fail(InvalidArgument("NOTHING_TO_UPDATE",
                                "the request changes nothing: set capacity or capacity_policy")
                    .With("field", "capacity"));
  }
  return request.capacity ? planner::CheckCapacityAmounts(*request.capacity) : Status();
}

}  // namespace

std::string UpdatedHost::PlanToken() const {
  auto amounts = [](const Resources& r) {
    return fmt::format("{},{},{}", r.cpu_cores, r.memory_bytes, r.disk_bytes);
  };
  auto policy = [](const Host& host) {
    return host.capacity_policy ? ToText(*host.capacity_policy) : "default";
  };
  auto carried = [&](const Host& host) {
    return fmt::format("{} {} holds {}", host.books.node_count, amounts(host.books.allocated),
                       amounts(host.held));
  };
  return Sha256Hex(fmt::format("host {} {} {} -> {} {} carries {} -> {}", before.name,
                               amounts(before.capacity), policy(before), amounts(after.capacity),
                               policy(after), carried(before), carried(after)));
}

Result<Proposal<UpdatedHost>> UpdateHost(const Authorized& by, const UpdateHostRequest& request) {
  RETURN_IF_ERROR(CheckHostUpdate(request));
  ASSIGN_OR_RETURN(store::HostRow row, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return ResolveHost(tx, by.actor(), request.host);
                   }));
  Proposal<UpdatedHost> proposal{.solo = true, .plan = request.plan};
  proposal.locks.hosts = {row.host.id};
  proposal.decide = [request, id = row.host.id, region = row.region](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx&) {
    return DecideUpdate(as, id, region, request, snapshot);
  };
  return proposal;
}

}  // namespace tallyman::control
