#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "control/change_host.h"
#include "control/inventory/host_claims.h"
#include "control/liveness.h"
#include "control/lots/decide.h"
#include "control/new_event.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

constexpr size_t kReasonBytesMax = 1000;

using ClaimDecision = Decided<ClaimedHost>;

// The host as it is afterwards, with as many claims as the answer has.
Status WriteClaimed(const Authorized& by, const HostSnapshot& host, EventKind kind,
                    std::string detail, ClaimDecision& decision) {
  const planner::Cause cause = by.cause();
  ASSIGN_OR_RETURN(Host* const after, ChangeHost(by, cause, host, decision));
  after->cordoned = !decision.answer.claims.empty();
  decision.answer.host = *after;
  decision.answer.changed = true;
  Event event = NewEvent(cause, kind, std::move(detail));
  event.host_id = after->id;
  decision.rows.events.push_back(std::move(event));
  return {};
}

// The answer while nothing has changed.
Result<ClaimDecision> Unchanged(const HostSnapshot& host, const store::HostRow& row,
                                store::ReadTx& tx) {
  RETURN_IF_ERROR(CheckNotRetired(host.host));
  ClaimDecision decision;
  decision.answer.host = host.host;
  decision.answer.region = row.region;
  ASSIGN_OR_RETURN(decision.answer.claims, tx.ClaimsOf(host.host.id));
  return decision;
}

// The owner's cordon; a drain of that owner is another claim.
std::vector<HostClaim>::iterator FindCordon(std::vector<HostClaim>& claims,
                                            const std::string& owner) {
  return std::ranges::find_if(claims, [&](const HostClaim& claim) {
    return claim.kind == ClaimKind::kCordon && claim.owner == owner;
  });
}

const std::string& OwnerOf(const Authorized& by, const std::string& named) {
  return named.empty() ? by.actor().id : named;
}

Result<ClaimDecision> DecideCordon(const Authorized& by, const store::HostRow& row,
                                   const CordonHostRequest& request, const HostSnapshot& host,
                                   store::ReadTx& tx) {
  ASSIGN_OR_RETURN(ClaimDecision decision, Unchanged(host, row, tx));
  std::vector<HostClaim>& claims = decision.answer.claims;
  const std::string& owner = OwnerOf(by, request.owner);
  if (FindCordon(claims, owner) != claims.end()) return decision;
  const planner::Cause cause = by.cause();
  const HostClaim claim{.host_id = host.host.id,
                        .owner = owner,
                        .kind = ClaimKind::kCordon,
                        .reason = request.reason,
                        .created_by = cause.actor_id,
                        .created_at = cause.now};
  decision.rows.new_claims = {claim};
  claims.push_back(claim);
  std::ranges::sort(claims, {}, &HostClaim::owner);
  RETURN_IF_ERROR(WriteClaimed(by, host, EventKind::kHostCordoned,
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
             fmt::format("host {} is not cordoned by {} but by {}: name the owner to remove that "
                         "claim",
                         host.name, owner, all))
      .About("host " + host.name)
      .With("owners", all);
}

Error ClaimOfDrain(const Host& host, const std::string& owner) {
  return FailedPrecondition(
             "CLAIM_OF_DRAIN",
             fmt::format(
                 "host {} is not cordoned but drained by {}: `tallyman host resume {}` ends "
                 "a drain",
                 host.name, owner, host.name))
      .About("host " + host.name);
}

Result<ClaimDecision> DecideUncordon(const Authorized& by, const store::HostRow& row,
                                     const UncordonHostRequest& request, const HostSnapshot& host,
                                     store::ReadTx& tx) {
  ASSIGN_OR_RETURN(ClaimDecision decision, Unchanged(host, row, tx));
  std::vector<HostClaim>& claims = decision.answer.claims;
  const std::string& owner = OwnerOf(by, request.owner);
  const auto claim = FindCordon(claims, owner);
  if (claim == claims.end()) {
    if (claims.empty()) return decision;
    if (std::ranges::find(claims, owner, &HostClaim::owner) != claims.end())
      return Fail(ClaimOfDrain(host.host, owner));
    return Fail(ClaimOfAnother(host.host, claims, owner));
  }
  decision.rows.ended_claims = {{.host_id = host.host.id, .owner = owner}};
  claims.erase(claim);
  RETURN_IF_ERROR(
      WriteClaimed(by, host, EventKind::kHostUncordoned, Detail({{"owner", owner}}), decision));
  return decision;
}

Status CheckClaimOwner(const std::string& owner) {
  return owner.empty() ? Status() : CheckName("owner", owner);
}

// What both do around their decision.
template <class Request, class Decide>
Result<Proposal<ClaimedHost>> ProposeOnHost(const Authorized& by, const Request& request,
                                            Decide decide) {
  ASSIGN_OR_RETURN(store::HostRow row, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return ResolveHost(tx, by.actor(), request.host);
                   }));
  Proposal<ClaimedHost> proposal{.solo = true};
  proposal.locks.hosts = {row.host.id};
  proposal.decide = [request, decide, row = std::move(row)](
                        const Authorized& as, const store::Snapshot& snapshot,
                        store::ReadTx& tx) -> Result<ClaimDecision> {
    ASSIGN_OR_RETURN(const HostSnapshot* host, RequireRow(snapshot.hosts, "host", row.host.id));
    return decide(as, row, request, *host, tx);
  };
  return proposal;
}

}  // namespace

Result<Proposal<ClaimedHost>> CordonHost(const Authorized& by, const CordonHostRequest& request) {
  RETURN_IF_ERROR(CheckClaimOwner(request.owner));
  RETURN_IF_ERROR(CheckText("reason", request.reason, kReasonBytesMax));
  return ProposeOnHost(by, request, DecideCordon);
}

Result<Proposal<ClaimedHost>> UncordonHost(const Authorized& by,
                                           const UncordonHostRequest& request) {
  RETURN_IF_ERROR(CheckClaimOwner(request.owner));
  return ProposeOnHost(by, request, DecideUncordon);
}

}  // namespace tallyman::control
