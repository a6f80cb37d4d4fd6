#include "base/text.h"
#include "control/authorize.h"
#include "control/capacity.h"
#include "control/inventory_writer.h"
#include "control/read_once.h"
#include "control/reports.h"
#include "control/retire_host.h"
#include "control/token_writer.h"

namespace tallyman {
namespace {

Result<RegionRow> OnlyRegion(ReadTx& tx) {
  ListQuery query;
  query.order_by = "name";
  query.limit = 2;
  ASSIGN_OR_RETURN(auto regions, tx.ListRegions(query));
  if (regions.size() == 1) return regions.front();
  return Fail(FailedPrecondition(
      "REGION_UNKNOWN",
      fmt::format("there {}, so nothing says where the machine is: an admin makes the host with "
                  "\"tallyman host create\", and a join token for it with \"--host NAME\"",
                  regions.empty() ? "is no region" : "are several regions")));
}

Result<Host> NewHost(Control& control, const Cause& cause, const JoinHostRequest& request,
                     ReadTx& tx, ChangeSet& rows) {
  ASSIGN_OR_RETURN(auto existing, tx.FindHost(request.hostname));
  if (existing) {
    return Fail(AlreadyExists("HOST_NAME_TAKEN",
                              fmt::format("there is a host {} already: an admin makes a join token "
                                          "for it with \"--host {}\"",
                                          request.hostname, request.hostname))
                    .About("host " + request.hostname));
  }
  ASSIGN_OR_RETURN(const RegionRow region, OnlyRegion(tx));
  Host host;
  host.id = control.ids().New<HostId>();
  host.name = request.hostname;
  host.region_id = region.region.id;
  host.capacity = request.capacity;
  host.created_at = cause.now;
  host.updated_at = cause.now;
  Event event =
      InventoryEvent(cause, EventKind::kHostCreated, Detail({{"region", region.region.name}}));
  event.host_id = host.id;
  rows.events.push_back(std::move(event));
  rows.new_hosts.push_back(host);
  return host;
}

Result<InventoryDecision<JoinedHost>> Decide(Control& control, const Cause& cause,
                                             const JoinHostRequest& request, ReadTx& tx) {
  const JoinClaim claim{.token_text = request.join_token, .nonce = request.nonce};
  ASSIGN_OR_RETURN(const TokenRow join, FindJoinToken(tx, claim, cause.now));
  InventoryDecision<JoinedHost> decision;
  Host host;
  const bool is_new = !join.token.host_id;
  if (is_new) {
    ASSIGN_OR_RETURN(host, NewHost(control, cause, request, tx, decision.rows));
  } else {
    ASSIGN_OR_RETURN(auto row, tx.FindHost(join.token.host_id->ToString()));
    if (!row) return Fail(NotFound("HOST_NOT_FOUND", "the host that the token admits is gone"));
    host = row->host;
    RETURN_IF_ERROR(CheckNotRetired(host));
  }
  ASSIGN_OR_RETURN(const MadeToken made,
                   ExchangeJoinToken(control, cause, tx, claim, host, is_new, decision.rows));
  decision.rows.joined_hosts.push_back(host.id);
  decision.answer = {.host_id = host.id, .host = host.name, .token = made.text};
  return decision;
}

Status CheckRequest(const JoinHostRequest& request) {
  if (Status status = CheckName("facts.hostname", request.hostname); !status) return status;
  if (Uuid::Parse(request.hostname)) {
    return Fail(InvalidArgument("INVALID_NAME", "facts.hostname has the form of an id")
                    .With("field", "facts.hostname"));
  }
  Status capacity = CheckCapacityAmounts(request.capacity);
  if (capacity) return {};
  Error error = std::move(capacity).error();
  std::string field = "facts.capacity." + std::string(error.Fact("dimension"));
  return Fail(std::move(error).With("field", field));
}

}  // namespace

void JoinHost(Control& control, Call call, const JoinHostRequest& request,
              Encode<JoinedHost> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckRequest(request); !status) return done(Fail(status.error()));
  auto join = ReadOnce<TokenRow>(control, [&](ReadTx& tx) {
    return FindJoinToken(tx, {.token_text = request.join_token, .nonce = request.nonce},
                         control.clock().Now());
  });
  if (!join) return done(Fail(join.error()));
  // The trail tells whose token it was.
  call.actor.id = "join." + join->token.name;
  const ShownOnce<JoinedHost> once(std::move(encode), std::move(done));
  const Cause cause = control.CauseOf(call);
  DecideInventory<JoinedHost> decide = [&control, cause, request](const Snapshot&, ReadTx& tx) {
    return Decide(control, cause, request, tx);
  };
  RunInventory<JoinedHost>(control, std::move(call), {}, false, std::move(decide),
                           once.encode([](JoinedHost& joined) { joined.token.clear(); }),
                           once.done());
}

}  // namespace tallyman
