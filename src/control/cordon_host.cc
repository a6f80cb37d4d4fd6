#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "control/authorize.h"
#include "control/host_claims.h"
#include "control/inventory_writer.h"
#include "control/read_once.h"
#include "control/resolve.h"
#include "control/retire_host.h"

namespace tallyman {
namespace {

constexpr size_t kReasonBytesMax = 1000;

using ClaimDecision = InventoryDecision<ClaimedHost>;

// The host as it is afterwards, with as many claims as the answer has. The proof before the commit
// looks at this host too, so its drift is settled here as anywhere.
Status WriteHost(Control& control, const Cause& cause, const HostSnapshot& host, EventKind kind,
                 std::string detail, ClaimDecision& decision) {
  const HostSnapshot* hosts[] = {&host};
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(hosts, {}, control.policies(), cause));
  decision.rows.ledger = books.ledger();
  decision.healed = books.drifts();
  Host& after = decision.answer.host;
  after = books.hosts().at(host.host.id).after;
  after.cordoned = !decision.answer.claims.empty();
  after.version = host.host.version + 1;
  after.updated_at = cause.now;
  decision.answer.changed = true;
  decision.hosts = {after};
  Event event = InventoryEvent(cause, kind, std::move(detail));
  event.host_id = after.id;
  decision.rows.events.push_back(std::move(event));
  return {};
}

Result<ClaimDecision> DecideCordon(Control& control, const Call& call, const HostRow& row,
                                   const CordonHostRequest& request, const Snapshot& snapshot,
                                   ReadTx& tx) {
  const Cause cause = control.CauseOf(call);
  const HostSnapshot& host = snapshot.hosts.at(row.host.id);
  ClaimDecision decision;
  ClaimedHost& answer = decision.answer;
  RETURN_IF_ERROR(CheckNotRetired(host.host));
  answer.host = host.host;
  answer.region = row.region;
  ASSIGN_OR_RETURN(answer.claims, tx.ClaimsOf(host.host.id));
  const std::string& owner = request.owner.empty() ? call.actor.id : request.owner;
  if (std::ranges::find(answer.claims, owner, &HostClaim::owner) != answer.claims.end())
    return decision;
  const HostClaim claim{.host_id = host.host.id,
                        .owner = owner,
                        .kind = ClaimKind::kCordon,
                        .reason = request.reason,
                        .created_by = cause.actor_id,
                        .created_at = cause.now};
  decision.rows.new_claims = {claim};
  answer.claims.push_back(claim);
  std::ranges::sort(answer.claims, {}, &HostClaim::owner);
  RETURN_IF_ERROR(WriteHost(control, cause, host, EventKind::kHostCordoned,
                            Detail({{"owner", owner}, {"reason", request.reason}}), decision));
  return decision;
}

Error ClaimOfAnother(const Host& host, const std::vector<HostClaim>& claims,
                     const std::string& owner) {
  std::vector<std::string> owners;
  for (const HostClaim& claim : claims) owners.push_back(claim.owner);
  const std::string all = fmt::format("{}", fmt::join(owners, ", "));
  return FailedPrecondition(
             "CLAIM_OF_ANOTHER",
             fmt::format("host {} is not cordoned by {} but by {}: name the owner of the claim to "
                         "take it away all the same",
                         host.name, owner, all))
      .About("host " + host.name)
      .With("owners", all);
}

Result<ClaimDecision> DecideUncordon(Control& control, const Call& call, const HostRow& row,
                                     const UncordonHostRequest& request, const Snapshot& snapshot,
                                     ReadTx& tx) {
  const Cause cause = control.CauseOf(call);
  const HostSnapshot& host = snapshot.hosts.at(row.host.id);
  ClaimDecision decision;
  ClaimedHost& answer = decision.answer;
  RETURN_IF_ERROR(CheckNotRetired(host.host));
  answer.host = host.host;
  answer.region = row.region;
  ASSIGN_OR_RETURN(answer.claims, tx.ClaimsOf(host.host.id));
  const std::string& owner = request.owner.empty() ? call.actor.id : request.owner;
  const auto claim = std::ranges::find(answer.claims, owner, &HostClaim::owner);
  if (claim == answer.claims.end()) {
    if (answer.claims.empty()) return decision;
    return Fail(ClaimOfAnother(host.host, answer.claims, owner));
  }
  decision.rows.ended_claims = {{.host_id = host.host.id, .owner = owner}};
  answer.claims.erase(claim);
  RETURN_IF_ERROR(WriteHost(control, cause, host, EventKind::kHostUncordoned,
                            Detail({{"owner", owner}}), decision));
  return decision;
}

Status CheckOwner(const std::string& owner) {
  return owner.empty() ? Status() : CheckName("owner", owner);
}

// What both do around their decision.
template <class Request, class Decide>
void RunOnHost(Control& control, Call call, const Request& request, Decide decide,
               Encode<ClaimedHost> encode, Done done) {
  auto row = ReadOnce<HostRow>(
      control, [&](ReadTx& tx) { return ResolveHost(tx, call.actor, request.host); });
  if (!row) return done(Fail(row.error()));
  LockSet locks;
  locks.hosts = {row->host.id};
  DecideInventory<ClaimedHost> run = [&control, call, request, decide, row = *std::move(row)](
                                         const Snapshot& snapshot, ReadTx& tx) {
    return decide(control, call, row, request, snapshot, tx);
  };
  RunInventory<ClaimedHost>(control, std::move(call), std::move(locks), false, std::move(run),
                            std::move(encode), std::move(done));
}

}  // namespace

void CordonHost(Control& control, Call call, const CordonHostRequest& request,
                Encode<ClaimedHost> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckOwner(request.owner); !status) return done(Fail(status.error()));
  if (Status status = CheckText("reason", request.reason, kReasonBytesMax); !status)
    return done(Fail(status.error()));
  RunOnHost(control, std::move(call), request, DecideCordon, std::move(encode), std::move(done));
}

void UncordonHost(Control& control, Call call, const UncordonHostRequest& request,
                  Encode<ClaimedHost> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckOwner(request.owner); !status) return done(Fail(status.error()));
  RunOnHost(control, std::move(call), request, DecideUncordon, std::move(encode), std::move(done));
}

}  // namespace tallyman
