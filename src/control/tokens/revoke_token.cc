#include <fmt/core.h>

#include "base/text.h"
#include "base/time.h"
#include "control/reads/resolve.h"
#include "control/tokens/token_writer.h"

namespace tallyman::control {
namespace {

constexpr int64_t kTokensOfHostMax = 100'000;

Error TokenNotFound(std::string_view token) {
  return NotFound("TOKEN_NOT_FOUND",
                  fmt::format("no token {} is in force: `tallyman token list` shows tokens; a "
                              "token is revoked by its name or id, not by its secret",
                              Quote(token)))
      .About("token " + Quote(token))
      .With("field", "token");
}

// Admins of one org see tokens of that org only; those of all orgs are above them.
bool SeesToken(const Actor& actor, const Token& token) {
  return !actor.org_id || token.org_id == actor.org_id;
}

// The token as it is afterwards.
store::TokenRow Revoke(const planner::Cause& cause, store::TokenRow row, ChangeSet& rows) {
  // A join token that was used can be shown again by the machine that used it, until it is revoked.
  rows.token_updates.push_back({.id = row.token.id,
                                .revoked_at = cause.now,
                                .used_at = row.token.used_at,
                                .nonce_digest = row.token.nonce_digest});
  rows.events.push_back(TokenEvent(cause, EventKind::kTokenRevoked, row.token));
  row.token.revoked_at = cause.now;
  return row;
}

Result<Decided<RevokedTokens>> RevokeOne(const Authorized& by, const std::string& name,
                                         store::ReadTx& tx) {
  const planner::Cause cause = by.cause();
  ASSIGN_OR_RETURN(auto row, tx.FindToken(name));
  if (!row || !SeesToken(by.actor(), row->token)) return Fail(TokenNotFound(name));
  const Token& token = row->token;
  if (token.revoked_at) {
    return Fail(FailedPrecondition("TOKEN_REVOKED",
                                   fmt::format("token {} was revoked already, at {}", token.name,
                                               FormatTime(*token.revoked_at))));
  }
  Decided<RevokedTokens> decision;
  decision.answer.tokens = {Revoke(cause, *std::move(row), decision.rows)};
  return decision;
}

Result<Decided<RevokedTokens>> RevokeAllOf(const Authorized& by, const std::string& name,
                                           store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const store::HostRow host, ResolveHost(tx, by.actor(), name));
  Decided<RevokedTokens> decision;
  ASSIGN_OR_RETURN(decision.answer.tokens, RevokeTokensOf(by, host.host, tx, decision.rows));
  if (!decision.answer.tokens.empty()) return decision;
  return Fail(NotFound("TOKEN_NOT_FOUND",
                       fmt::format("host {} has no token in force: `tallyman token list` shows "
                                   "those of all hosts",
                                   host.host.name))
                  .About("host " + host.host.name)
                  .With("field", "host"));
}

Status CheckRevocation(const RevokeTokenRequest& request) {
  if (request.token.empty() != request.host.empty()) return {};
  return Fail(
      InvalidArgument("TOKEN_OR_HOST", request.token.empty()
                                           ? "neither token nor host is set: name one of the two"
                                           : "both token and host are set: name one of the two")
          .With("field", "token"));
}

}  // namespace

Result<std::vector<store::TokenRow>> RevokeTokensOf(const Authorized& by, const Host& host,
                                                    store::ReadTx& tx, ChangeSet& rows) {
  store::ListQuery query;
  query.conditions = {{"host", store::Comparison::kEqual, host.name},
                      {"revoked_at", store::Comparison::kEqual, int64_t{0}}};
  query.order_by = "name";
  query.limit = kTokensOfHostMax;
  ASSIGN_OR_RETURN(auto tokens, tx.ListTokens(query));
  const planner::Cause cause = by.cause();
  std::vector<store::TokenRow> revoked;
  for (store::TokenRow& row : tokens) {
    if (SeesToken(by.actor(), row.token)) revoked.push_back(Revoke(cause, std::move(row), rows));
  }
  return revoked;
}

Result<Proposal<RevokedTokens>> RevokeToken(const Authorized&, const RevokeTokenRequest& request) {
  RETURN_IF_ERROR(CheckRevocation(request));
  // Somebody who pastes the whole token must not find it in a log or in an answer.
  if (ParseTokenText(request.token)) return Fail(TokenNotFound("(a secret)"));
  auto decide = [request](const Authorized& by, const store::Snapshot&, store::ReadTx& tx) {
    return request.host.empty() ? RevokeOne(by, request.token, tx)
                                : RevokeAllOf(by, request.host, tx);
  };
  return Proposal<RevokedTokens>{.solo = true, .decide = std::move(decide)};
}

}  // namespace tallyman::control
