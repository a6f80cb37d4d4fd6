#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "control/reads/resolve.h"
#include "control/tokens/token_writer.h"
#include "store/refusals.h"

namespace tallyman::control {
namespace {

using std::chrono::microseconds;

constexpr microseconds kLifetimeMax = std::chrono::hours(24 * 3650);
// A machine joins soon after its token was made, or somebody has lost it.
constexpr microseconds kJoinLifetime = std::chrono::hours(24);
constexpr microseconds kJoinLifetimeMax = std::chrono::hours(24 * 30);

// Who the server itself is in its records, who calls without a token, and the person at a database
// file ("root" most often).
constexpr std::string_view kOwnActors[] = {"server", "stranger", "root"};

bool IsOfMachine(std::optional<Role> role) { return role == Role::kHost || role == Role::kJoin; }

Error Refused(std::string reason, const std::string& field, const std::string& why) {
  return InvalidArgument(std::move(reason), fmt::format("{} {}", field, why)).With("field", field);
}

Status CheckTokenName(const std::string& name) {
  RETURN_IF_ERROR(CheckNewName("name", name));
  // Records name who did something by these, so nobody else may bear them.
  const bool is_reserved = name.starts_with(kHostTokenPrefix) ||
                           name.starts_with(kJoinActorPrefix) ||
                           std::ranges::find(kOwnActors, name) != std::end(kOwnActors);
  if (!is_reserved) return {};
  return Fail(Refused("INVALID_NAME", "name",
                      fmt::format("is {}: it is reserved, as are names that begin with \"{}\" or "
                                  "\"{}\", which are those of hosts; choose another",
                                  name, kHostTokenPrefix, kJoinActorPrefix)));
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
Status CheckGrant(const Actor& actor, Role role) {
  if (!actor.org_id || !IsOfMachine(role)) return {};
  return Fail(Error(Code::kPermissionDenied, "NOT_PERMITTED",
                    fmt::format("{} is an admin of one org and makes admins, operators and viewers "
                                "of it; a token of role {} requires an admin of all orgs",
                                actor.id, ToText(role)))
                  .With("field", "role"));
}

Result<Decided<MadeToken>> DecideToken(const Authorized& by, const CreateTokenRequest& request,
                                       store::ReadTx& tx) {
  const planner::Cause cause = by.cause();
  ASSIGN_OR_RETURN(auto taken, tx.FindToken(request.name));
  if (taken) {
    return Fail(AlreadyExists(
                    store::kTokenNameTaken,
                    fmt::format("token {} exists already: choose another name, or revoke that one",
                                request.name))
                    .About("token " + request.name)
                    .With("field", "name"));
  }
  Decided<MadeToken> decision;
  ASSIGN_OR_RETURN(decision.answer, NewToken(by.control(), cause, request.name, *request.role));
  store::TokenRow& row = decision.answer.row;
  std::string org = request.org;
  if (org.empty() && by.actor().org_id) org = by.actor().org_id->ToString();
  if (!org.empty()) {
    ASSIGN_OR_RETURN(Org found, ResolveOrg(tx, by.actor(), org));
    row.token.org_id = found.id;
    row.org = found.name;
  }
  if (!request.host.empty()) {
    ASSIGN_OR_RETURN(store::HostRow found, ResolveHost(tx, by.actor(), request.host));
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

Status CheckToken(const Actor& actor, const CreateTokenRequest& request) {
  RETURN_IF_ERROR(CheckTokenName(request.name));
  if (!request.role) {
    return Fail(
        Refused("NO_ROLE", "role", "is missing: use admin, operator, viewer, host or join"));
  }
  RETURN_IF_ERROR(CheckLifetime(request));
  RETURN_IF_ERROR(CheckGrant(actor, *request.role));
  return CheckBinding(request);
}

}  // namespace

Result<Proposal<MadeToken>> CreateToken(const Authorized& by, const CreateTokenRequest& request) {
  RETURN_IF_ERROR(CheckToken(by.actor(), request));
  auto decide = [request](const Authorized& as, const store::Snapshot&, store::ReadTx& tx) {
    return DecideToken(as, request, tx);
  };
  return Proposal<MadeToken>{.solo = true, .decide = std::move(decide)};
}

}  // namespace tallyman::control
