#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "control/authorize.h"
#include "control/inventory_writer.h"
#include "control/resolve.h"
#include "control/token_writer.h"

namespace tallyman {
namespace {

using std::chrono::microseconds;

constexpr microseconds kLifetimeMax = std::chrono::hours(24 * 3650);
// A machine joins soon after its token was made, or somebody has lost it.
constexpr microseconds kJoinLifetime = std::chrono::hours(24);
constexpr microseconds kJoinLifetimeMax = std::chrono::hours(24 * 30);

bool IsOfMachine(std::optional<Role> role) { return role == Role::kHost || role == Role::kJoin; }

Error Refused(std::string reason, const std::string& field, const std::string& why) {
  return InvalidArgument(std::move(reason), fmt::format("{} {}", field, why)).With("field", field);
}

Status CheckTokenName(const std::string& name) {
  RETURN_IF_ERROR(CheckName("name", name));
  if (Uuid::Parse(name)) {
    return Fail(Refused("INVALID_NAME", "name",
                        name + " has the form of an id: choose a name that does not"));
  }
  if (!name.starts_with(kHostTokenPrefix)) return {};
  return Fail(Refused(
      "INVALID_NAME", "name",
      fmt::format(
          "is {}: names that begin with \"{}\" are reserved for hosts that joined; choose another",
          name, kHostTokenPrefix)));
}

Status CheckLifetime(const CreateTokenRequest& request) {
  if (!request.lifetime) return {};
  const microseconds most = request.role == Role::kJoin ? kJoinLifetimeMax : kLifetimeMax;
  if (*request.lifetime > microseconds(0) && *request.lifetime <= most) return {};
  return Fail(
      Refused("INVALID_LIFETIME", "lifetime",
              fmt::format("is {} seconds: a token of role {} lives 1 second to {} days",
                          request.lifetime->count() / 1'000'000, ToText(*request.role),
                          std::chrono::duration_cast<std::chrono::hours>(most).count() / 24)));
}

Status CheckBinding(const CreateTokenRequest& request) {
  if (request.role == Role::kHost && request.host.empty())
    return Fail(Refused("NO_HOST", "host", "is empty: name the host that the token is for"));
  if (IsOfMachine(request.role) && !request.org.empty()) {
    return Fail(
        Refused("HOST_OF_AN_ORG", "org",
                fmt::format("is {}: a host serves all orgs; leave it empty", Quote(request.org))));
  }
  if (!IsOfMachine(request.role) && !request.host.empty()) {
    return Fail(Refused(
        "NOT_A_HOST", "host",
        fmt::format("is {}: only the roles host and join are bound to one", Quote(request.host))));
  }
  return {};
}

// Nobody hands on more than they have.
Status CheckGrant(const Call& call, Role role) {
  if (!call.actor.org_id || !IsOfMachine(role)) return {};
  return Fail(Error(Code::kPermissionDenied, "NOT_PERMITTED",
                    fmt::format("{} is an admin of one org and makes admins, operators and viewers "
                                "of it; a token of role {} requires an admin of all orgs",
                                call.actor.id, ToText(role)))
                  .With("field", "role"));
}

Result<InventoryDecision<MadeToken>> Decide(Control& control, const Call& call,
                                            const CreateTokenRequest& request, ReadTx& tx) {
  const Cause cause = control.CauseOf(call);
  ASSIGN_OR_RETURN(auto taken, tx.FindToken(request.name));
  if (taken) {
    return Fail(AlreadyExists(
                    "TOKEN_NAME_TAKEN",
                    fmt::format("token {} exists already: choose another name, or revoke that one",
                                request.name))
                    .About("token " + request.name)
                    .With("field", "name"));
  }
  InventoryDecision<MadeToken> decision;
  ASSIGN_OR_RETURN(decision.answer, NewToken(control, cause, request.name, *request.role));
  TokenRow& row = decision.answer.row;
  std::string org = request.org;
  if (org.empty() && call.actor.org_id) org = call.actor.org_id->ToString();
  if (!org.empty()) {
    ASSIGN_OR_RETURN(Org found, ResolveOrg(tx, call.actor, org));
    row.token.org_id = found.id;
    row.org = found.name;
  }
  if (!request.host.empty()) {
    ASSIGN_OR_RETURN(HostRow found, ResolveHost(tx, call.actor, request.host));
    row.token.host_id = found.host.id;
    row.host = found.host.name;
  }
  auto lifetime = request.lifetime;
  if (!lifetime && request.role == Role::kJoin) lifetime = kJoinLifetime;
  if (lifetime) row.token.expires_at = cause.now + *lifetime;
  decision.rows.new_tokens = {row.token};
  decision.rows.events = {TokenEvent(cause, EventKind::kTokenCreated, row.token)};
  return decision;
}

Status Check(Control& control, Call& call, const CreateTokenRequest& request) {
  RETURN_IF_ERROR(Authorize(call));
  RETURN_IF_ERROR(control.Begin(call));
  RETURN_IF_ERROR(CheckTokenName(request.name));
  if (!request.role) {
    return Fail(
        Refused("NO_ROLE", "role", "is missing: use admin, operator, viewer, host or join"));
  }
  RETURN_IF_ERROR(CheckLifetime(request));
  RETURN_IF_ERROR(CheckGrant(call, *request.role));
  return CheckBinding(request);
}

}  // namespace

void CreateToken(Control& control, Call call, const CreateTokenRequest& request,
                 Encode<MadeToken> encode, Done done) {
  if (Status status = Check(control, call, request); !status) return done(Fail(status.error()));
  ShownOnce<MadeToken> once(std::move(encode), std::move(done));
  DecideInventory<MadeToken> decide = [&control, call, request](const Snapshot&, ReadTx& tx) {
    return Decide(control, call, request, tx);
  };
  RunInventory<MadeToken>(control, std::move(call), {}, false, std::move(decide),
                          once.encode([](MadeToken& made) { made.text.clear(); }), once.done());
}

}  // namespace tallyman
