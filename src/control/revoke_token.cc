#include <fmt/core.h>

#include "base/text.h"
#include "base/time.h"
#include "control/authorize.h"
#include "control/inventory_writer.h"
#include "control/token_writer.h"

namespace tallyman {
namespace {

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

Result<InventoryDecision<TokenRow>> Decide(Control& control, const Call& call,
                                           const std::string& name, ReadTx& tx) {
  const Cause cause = control.CauseOf(call);
  ASSIGN_OR_RETURN(auto row, tx.FindToken(name));
  if (!row || !SeesToken(call.actor, row->token)) return Fail(TokenNotFound(name));
  const Token& token = row->token;
  if (token.revoked_at) {
    return Fail(FailedPrecondition("TOKEN_REVOKED",
                                   fmt::format("token {} was revoked already, at {}", token.name,
                                               FormatTime(*token.revoked_at))));
  }
  InventoryDecision<TokenRow> decision;
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

void RevokeToken(Control& control, Call call, const std::string& token, Encode<TokenRow> encode,
                 Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  // Somebody who pastes the whole token must not find it in a log or in an answer.
  if (ParseTokenText(token)) return done(Fail(TokenNotFound("(a secret)")));
  DecideInventory<TokenRow> decide = [&control, call, token](const Snapshot&, ReadTx& tx) {
    return Decide(control, call, token, tx);
  };
  RunInventory<TokenRow>(control, std::move(call), {}, false, std::move(decide), std::move(encode),
                         std::move(done));
}

}  // namespace tallyman
