// From the text of a token to who calls.
#include "base/reasons.h"
#include "control/authorize.h"
#include "control/read_once.h"
#include "control/tokens/token_writer.h"

namespace tallyman::control {

Result<Actor> AuthenticateCall(Control& control, std::string_view method,
                               const std::optional<std::string>& token_text, store::ReadTx* tx,
                               std::optional<Time> deadline) {
  if (token_text) return Authenticate(control, *token_text, tx, deadline);
  if (IsOpen(method)) return Stranger();
  return Fail(Error(Code::kUnauthenticated, kNoToken,
                    "the call has no token: send one as \"Authorization: Bearer TOKEN\""));
}

Result<Actor> Authenticate(Control& control, std::string_view token_text, store::ReadTx* tx,
                           std::optional<Time> deadline) {
  const auto text = ParseTokenText(token_text);
  if (!text) return Fail(InvalidToken());
  ASSIGN_OR_RETURN(auto row, ReadIn(control, tx, [&](store::ReadTx& token_tx) {
                     control.KeepToDeadline(deadline, token_tx);
                     return token_tx.FindToken(text->id.ToString());
                   }));
  if (!row || !HasSecret(row->token, text->secret)) return Fail(InvalidToken());
  const Token& token = row->token;
  RETURN_IF_ERROR(CheckInForce(token, control.clock().Now()));
  return Actor{.id = token.name,
               .org_id = token.org_id,
               .role = token.role,
               .host_id = token.host_id,
               .token_id = token.id,
               .token_since = token.created_at};
}

}  // namespace tallyman::control
