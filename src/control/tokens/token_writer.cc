#include "control/tokens/token_writer.h"

#include <fmt/core.h>

#include "base/digest.h"
#include "base/text.h"
#include "base/time.h"
#include "control/new_event.h"

namespace tallyman::control {
namespace {

constexpr size_t kNonceBytesMin = 16;
constexpr size_t kNonceBytesMax = 128;
// An agent whose answer was lost asks again within seconds.
constexpr std::chrono::minutes kAnsweredAgain(10);

Error Unauthenticated(std::string reason, std::string message) {
  return {Code::kUnauthenticated, std::move(reason), std::move(message)};
}

// Whether the machine that used a join token is given another token for it: only for a short time,
// and only as long as the first one is in force and has never been used. After that a copy of the
// join token and its nonce admits nobody, and revoking a host's token is final.
Result<bool> MayAskAgain(store::ReadTx& tx, const store::TokenRow& join, Time now) {
  const Token& token = join.token;
  if (!token.used_at || !token.host_id || now - *token.used_at > kAnsweredAgain) return false;
  // By its name, a token that was revoked is not found.
  ASSIGN_OR_RETURN(auto given, tx.FindToken(std::string(kHostTokenPrefix) + join.host));
  if (!given) return false;
  store::LockSet wanted;
  wanted.report_hosts = {*token.host_id};
  ASSIGN_OR_RETURN(const store::Snapshot snapshot, tx.Load(wanted));
  auto report = snapshot.host_reports.find(*token.host_id);
  return report == snapshot.host_reports.end() || report->second.heard_at < *token.used_at;
}

Error NoJoin(std::string reason, std::string message) {
  return {Code::kPermissionDenied, std::move(reason), std::move(message)};
}

// Nothing is exchanged for an agent that could not use it: the agent's directory is that of another
// host, so its join would take the token and lock out the host's own agent.
Status CheckDirectory(const JoinClaim& claim, const Host& host) {
  if (claim.known_as.empty() || claim.known_as == host.id.ToString()) return {};
  return Fail(FailedPrecondition(
                  "OTHER_HOST",
                  fmt::format("the token is of host {}, and the agent's data directory is that of "
                              "the host with the id {}: make a token with --host for that host, or "
                              "begin with an empty directory",
                              host.name, Quote(claim.known_as)))
                  .With("field", "host_id"));
}

}  // namespace

Result<MadeToken> NewToken(Control& control, const planner::Cause& cause, std::string name,
                           Role role) {
  if (control.secrets() == nullptr)
    return Fail(Internal("NO_SECRETS", "there is no source of randomness for a token"));
  TokenText text{.id = control.ids().New<TokenId>(),
                 .secret = control.secrets()->NewHex(kTokenSecretBytes)};
  MadeToken made;
  Token& token = made.row.token;
  token.id = text.id;
  token.name = std::move(name);
  token.secret_digest = Sha256Hex(text.secret);
  token.role = role;
  token.created_by = cause.actor_id;
  token.created_at = cause.now;
  made.text = FormatTokenText(text);
  return made;
}

Event TokenEvent(const planner::Cause& cause, EventKind kind, const Token& token) {
  Event event = NewEvent(
      cause, kind,
      Detail({{"token", token.name}, {"id", token.id.ToString()}, {"role", ToText(token.role)}}));
  event.org_id = token.org_id;
  event.host_id = token.host_id;
  return event;
}

Status CheckInForce(const Token& token, Time now) {
  if (token.revoked_at) {
    return Fail(Unauthenticated("TOKEN_REVOKED",
                                fmt::format("token {} was revoked at {}: ask an admin for another",
                                            token.name, FormatTime(*token.revoked_at))));
  }
  if (token.used_at) {
    return Fail(Unauthenticated(
        "TOKEN_USED",
        fmt::format(
            "join token {} was used at {}, and is good for one exchange: ask an admin for another",
            token.name, FormatTime(*token.used_at))));
  }
  if (token.expires_at && now >= *token.expires_at) {
    return Fail(Unauthenticated(
        "TOKEN_EXPIRED", fmt::format("token {} expired at {}: ask an admin for another", token.name,
                                     FormatTime(*token.expires_at))));
  }
  return {};
}

bool HasSecret(const Token& token, std::string_view secret) {
  return SameSecret(Sha256Hex(secret), token.secret_digest);
}

Error InvalidToken() {
  return Unauthenticated("INVALID_TOKEN",
                         "the token is not one of this server's: check that it was copied whole, "
                         "or ask an admin for one");
}

Result<store::TokenRow> FindJoinToken(store::ReadTx& tx, const JoinClaim& claim, Time now) {
  if (claim.nonce.size() < kNonceBytesMin || claim.nonce.size() > kNonceBytesMax) {
    return Fail(InvalidArgument("INVALID_NONCE",
                                fmt::format("nonce has {} bytes: send {} to {} random ones",
                                            claim.nonce.size(), kNonceBytesMin, kNonceBytesMax))
                    .With("field", "nonce"));
  }
  const auto text = ParseTokenText(claim.token_text);
  if (!text) return Fail(InvalidToken());
  ASSIGN_OR_RETURN(auto row, tx.FindToken(text->id.ToString()));
  if (!row || !HasSecret(row->token, text->secret)) return Fail(InvalidToken());
  if (row->token.role != Role::kJoin) {
    return Fail(NoJoin("NOT_A_JOIN_TOKEN",
                       fmt::format("token {} has the role {}: make one that admits a machine with "
                                   "\"tallyman token create NAME --role join\"",
                                   row->token.name, ToText(row->token.role))));
  }
  Token token = row->token;
  if (token.nonce_digest && SameSecret(Sha256Hex(claim.nonce), *token.nonce_digest)) {
    ASSIGN_OR_RETURN(const bool may_ask_again, MayAskAgain(tx, *row, now));
    if (may_ask_again) token.used_at.reset();
  }
  RETURN_IF_ERROR(CheckInForce(token, now));
  return *std::move(row);
}

Result<MadeToken> ExchangeJoinToken(Control& control, const planner::Cause& cause,
                                    store::ReadTx& tx, const JoinClaim& claim, const Host& host,
                                    bool is_new, ChangeSet& rows) {
  ASSIGN_OR_RETURN(const store::TokenRow join, FindJoinToken(tx, claim, cause.now));
  RETURN_IF_ERROR(CheckDirectory(claim, host));
  const std::string name = std::string(kHostTokenPrefix) + host.name;
  ASSIGN_OR_RETURN(auto former, tx.FindToken(name));
  if (join.token.host_id ? *join.token.host_id != host.id : !is_new) {
    return Fail(
        NoJoin("JOIN_OF_ANOTHER_HOST",
               fmt::format("join token {} admits {}, but this machine is host {}{}: ask an admin "
                           "for a token for it",
                           join.token.name,
                           join.token.host_id ? "host " + join.host : std::string("a new host"),
                           host.name, is_new ? "" : ", which exists already")));
  }
  ASSIGN_OR_RETURN(MadeToken made, NewToken(control, cause, name, Role::kHost));
  made.row.token.created_by = std::string(kJoinActorPrefix) + join.token.name;
  made.row.token.host_id = host.id;
  made.row.host = host.name;
  if (former) {
    rows.token_updates.push_back({.id = former->token.id, .revoked_at = cause.now});
    rows.events.push_back(TokenEvent(cause, EventKind::kTokenRevoked, former->token));
  }
  rows.token_updates.push_back({.id = join.token.id,
                                .used_at = join.token.used_at ? *join.token.used_at : cause.now,
                                .nonce_digest = Sha256Hex(claim.nonce),
                                .host_id = host.id});
  rows.new_tokens.push_back(made.row.token);
  rows.events.push_back(TokenEvent(cause, EventKind::kTokenCreated, made.row.token));
  return made;
}

}  // namespace tallyman::control
