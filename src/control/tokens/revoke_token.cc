#include <fmt/core.h>

#include "base/text.h"
#include "base/time.h"
#include "control/tokens/token_writer.h"

namespace tallyman {
namespace {

Error TokenNotFound(std::string_view token) {
  return NotFound("TOKEN_NOT_FOUND",
                  fmt::format("there is no token {} in force: `tallyman token list` shows them; a "
                              "token is revoked by its name or id, not by its secret",
                              Quote(token)))
      .About("token " + Quote(token))
      .With("field", "token");
}

// Admins of one org see tokens of that org only; those of all orgs are above them.
bool SeesToken(const Actor& actor, const Token& token) {
  return !actor.org_id || token.org_id == actor.org_id;
}

Result<Decided<TokenRow>> DecideRevocation(const Authorized& by, const std::string& name,
                                           ReadTx& tx) {
  const Cause cause = by.cause();
  ASSIGN_OR_RETURN(auto row, tx.FindToken(name));
  if (!row || !SeesToken(by.actor(), row->token)) return Fail(TokenNotFound(name));
  const Token& token = row->token;
  if (token.revoked_at) {
    return Fail(FailedPrecondition("TOKEN_REVOKED",
                                   fmt::format("token {} was revoked already, at {}", token.name,
                                               FormatTime(*token.revoked_at))));
  }
  Decided<TokenRow> decision;
  decision.answer = *row;
  decision.answer.token.revoked_at = cause.now;
  // A join token that was used can be shown again by the machine that used it, until it is revoked.
  decision.rows.token_updates = {{.id = token.id,
                                  .revoked_at = cause.now,
                                  .used_at = token.used_at,
                                  .nonce_digest = token.nonce_digest}};
  decision.rows.events = {TokenEvent(cause, EventKind::kTokenRevoked, token)};
  return decision;
}

}  // namespace

Result<Proposal<TokenRow>> RevokeToken(const Authorized&, const std::string& token) {
  // Somebody who pastes the whole token must not find it in a log or in an answer.
  if (ParseTokenText(token)) return Fail(TokenNotFound("(a secret)"));
  auto decide = [token](const Authorized& by, const Snapshot&, ReadTx& tx) {
    return DecideRevocation(by, token, tx);
  };
  return Proposal<TokenRow>{.solo = true, .decide = std::move(decide)};
}

}  // namespace tallyman
