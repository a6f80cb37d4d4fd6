#include <fmt/core.h>

#include "base/text.h"
#include "control/hosts/reports.h"
#include "control/liveness.h"
#include "control/new_event.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "control/tokens/token_writer.h"
#include "planner/capacity.h"

namespace tallyman::control {
namespace {

Result<store::RegionRow> OnlyRegion(store::ReadTx& tx) {
  store::ListQuery query;
  query.order_by = "name";
  query.limit = 2;
  ASSIGN_OR_RETURN(auto regions, tx.ListRegions(query));
  if (regions.size() == 1) return regions.front();
  return Fail(FailedPrecondition(
      "REGION_UNKNOWN",
      fmt::format("there {}, so the machine's region is unknown: an admin creates the host with "
                  "\"tallyman host create\", and a join token for it with \"--host NAME\"",
                  regions.empty() ? "is no region" : "are several regions")));
}

Result<Host> NewHost(Control& control, const planner::Cause& cause, const JoinHostRequest& request,
                     store::ReadTx& tx, ChangeSet& rows) {
  ASSIGN_OR_RETURN(auto existing, tx.FindHost(request.hostname));
  if (existing) {
    return Fail(
        AlreadyExists(
            "HOST_NAME_TAKEN",
            fmt::format(
                "host {} exists already: an admin makes a join token for it with \"--host {}\"",
                request.hostname, request.hostname))
            .About("host " + request.hostname));
  }
  ASSIGN_OR_RETURN(const store::RegionRow region, OnlyRegion(tx));
  Host host;
  host.id = control.ids().New<HostId>();
  host.name = request.hostname;
  host.region_id = region.region.id;
  host.capacity = request.capacity;
  host.created_at = cause.now;
  host.updated_at = cause.now;
  Event event = NewEvent(cause, EventKind::kHostCreated, Detail({{"region", region.region.name}}));
  event.host_id = host.id;
  rows.events.push_back(std::move(event));
  rows.new_hosts.push_back(host);
  return host;
}

Result<Decided<JoinedHost>> DecideJoin(const Authorized& by, const JoinHostRequest& request,
                                       store::ReadTx& tx) {
  const planner::Cause cause = by.cause();
  const JoinClaim claim{
      .token_text = request.join_token, .nonce = request.nonce, .known_as = request.known_as};
  ASSIGN_OR_RETURN(const store::TokenRow join, FindJoinToken(tx, claim, cause.now));
  Decided<JoinedHost> decision;
  Host host;
  const bool is_new = !join.token.host_id;
  if (is_new) {
    ASSIGN_OR_RETURN(host, NewHost(by.control(), cause, request, tx, decision.rows));
  } else {
    ASSIGN_OR_RETURN(auto row, tx.FindHost(join.token.host_id->ToString()));
    if (!row)
      return Fail(
          NotFound("HOST_NOT_FOUND", "the host that the token admits does not exist any more"));
    host = row->host;
    RETURN_IF_ERROR(CheckNotRetired(host));
  }
  ASSIGN_OR_RETURN(const MadeToken made,
                   ExchangeJoinToken(by.control(), cause, tx, claim, host, is_new, decision.rows));
  decision.rows.joined_hosts.push_back(host.id);
  decision.answer = {.host_id = host.id, .host = host.name, .token = made.text};
  return decision;
}

Status CheckJoin(const JoinHostRequest& request) {
  RETURN_IF_ERROR(CheckNewName("facts.hostname", request.hostname));
  Status capacity = planner::CheckCapacityAmounts(request.capacity);
  if (capacity) return {};
  Error error = std::move(capacity).error();
  std::string field = "facts.capacity." + std::string(error.Fact("dimension"));
  return Fail(std::move(error).With("field", field));
}

}  // namespace

Result<Proposal<JoinedHost>> JoinHost(const Authorized& by, const JoinHostRequest& request) {
  RETURN_IF_ERROR(CheckJoin(request));
  ASSIGN_OR_RETURN(const store::TokenRow join, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return FindJoinToken(
                         tx, {.token_text = request.join_token, .nonce = request.nonce},
                         by.control().clock().Now());
                   }));
  auto decide = [request](const Authorized& as, const store::Snapshot&, store::ReadTx& tx) {
    return DecideJoin(as, request, tx);
  };
  // The trail tells whose token it was.
  return Proposal<JoinedHost>{
      .solo = true,
      .author = {{.actor_id = std::string(kJoinActorPrefix) + join.token.name,
                  .token_id = join.token.id}},
      .decide = std::move(decide)};
}

}  // namespace tallyman::control
