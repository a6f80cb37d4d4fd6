// A host's capacity and policy. Lowering the capacity below what the host carries is accepted, with
// a warning that says so.
#include "base/digest.h"
#include "control/authorize.h"
#include "control/capacity.h"
#include "control/inventory.h"
#include "control/inventory_writer.h"
#include "control/read_once.h"
#include "control/resolve.h"

namespace tallyman {
namespace {

std::string TokenOf(const UpdatedHost& update) {
  auto amounts = [](const Resources& r) {
    return fmt::format("{},{},{}", r.cpu_cores, r.memory_bytes, r.disk_bytes);
  };
  auto policy = [](const Host& host) {
    return host.capacity_policy ? ToText(*host.capacity_policy) : "default";
  };
  const Host& before = update.before;
  const Host& after = update.after;
  auto carried = [&](const Host& host) {
    return fmt::format("{} {} holds {}", host.books.node_count, amounts(host.books.allocated),
                       amounts(host.held));
  };
  return Sha256Hex(fmt::format("host {} {} {} -> {} {} carries {} -> {}", before.name,
                               amounts(before.capacity), policy(before), amounts(after.capacity),
                               policy(after), carried(before), carried(after)));
}

Result<InventoryDecision<UpdatedHost>> Decide(Control& control, const Call& call, const HostId& id,
                                              const std::string& region,
                                              const UpdateHostRequest& request,
                                              const Snapshot& snapshot) {
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
  Cause cause = control.CauseOf(call);
  InventoryDecision<UpdatedHost> decision;
  UpdatedHost& update = decision.answer;
  update.before = before;
  // The proof before the commit looks at this host too, so its drift is settled here as anywhere.
  const HostSnapshot* hosts[] = {&found->second};
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(hosts, {}, control.policies(), cause));
  decision.rows.ledger = books.ledger();
  decision.healed = books.drifts();
  update.after = books.hosts().at(id).after;
  update.after.capacity = request.capacity.value_or(before.capacity);
  update.after.capacity_policy = request.capacity_policy.value_or(before.capacity_policy);
  update.after.version = before.version + 1;
  update.after.updated_at = cause.now;
  update.region = region;
  update.warnings = OverCapacity(update.after);
  update.applied = !request.plan.dry_run;
  if (request.plan.dry_run || !request.plan.plan_token.empty()) {
    update.plan_token = TokenOf(update);
    if (!request.plan.plan_token.empty() && request.plan.plan_token != update.plan_token) {
      return Fail(PlanStale(request.plan.plan_token, update.plan_token));
    }
  }
  decision.hosts = {update.after};
  Event event = InventoryEvent(cause, EventKind::kHostUpdated, Detail({}));
  event.host_id = id;
  decision.rows.events.push_back(std::move(event));
  return decision;
}

Status CheckRequest(const UpdateHostRequest& request) {
  if (!request.capacity && !request.capacity_policy) {
    return Fail(InvalidArgument("NOTHING_TO_UPDATE",
                                "the request changes nothing: set capacity or capacity_policy")
                    .With("field", "capacity"));
  }
  return request.capacity ? CheckCapacityAmounts(*request.capacity) : Status();
}

}  // namespace

void UpdateHost(Control& control, Call call, const UpdateHostRequest& request,
                Encode<UpdatedHost> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckRequest(request); !status) return done(Fail(status.error()));
  auto row = ReadOnce<HostRow>(
      control, [&](ReadTx& tx) { return ResolveHost(tx, call.actor, request.host); });
  if (!row) return done(Fail(row.error()));
  LockSet locks;
  locks.hosts = {row->host.id};
  // A plan shows the drift that would be settled, or refuses as its application would.
  locks.with_sums = request.plan.dry_run || !request.plan.plan_token.empty();
  bool dry_run = request.plan.dry_run;
  DecideInventory<UpdatedHost> decide = [&control, call, request, id = row->host.id,
                                         region = row->region](const Snapshot& snapshot, ReadTx&) {
    return Decide(control, call, id, region, request, snapshot);
  };
  RunInventory<UpdatedHost>(control, std::move(call), std::move(locks), dry_run, std::move(decide),
                            std::move(encode), std::move(done));
}

}  // namespace tallyman
