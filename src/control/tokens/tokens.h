// Tokens: making them, taking them back, and from a token to who calls.
//
// A secret is shown once, in the answer of the call that made it. What is stored, the answer that a
// request id is replayed with included, does not have it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "control/operation.h"

namespace tallyman::control {

// Who calls a method ("AgentService/Join"), from the text of the token that came with the call, if
// one did. Without one, and without need of one, it is Stranger(). UNAUTHENTICATED NO_TOKEN.
// `tx` as for Authenticate().
Result<Actor> AuthenticateCall(Control& control, std::string_view method,
                               const std::optional<std::string>& token_text,
                               store::ReadTx* tx = nullptr,
                               std::optional<Time> deadline = std::nullopt);

// Who shows this text. One indexed read, made anew for every call, so that a revocation counts from
// the next call on, on every server; a stream asks again from time to time. UNAUTHENTICATED with
// reason INVALID_TOKEN, TOKEN_EXPIRED, TOKEN_REVOKED or TOKEN_USED; the last three only to who has
// the right secret. Blocks for the database, until the deadline at most. `tx`: where to read, null
// for a transaction of its own.
Result<Actor> Authenticate(Control& control, std::string_view token_text,
                           store::ReadTx* tx = nullptr,
                           std::optional<Time> deadline = std::nullopt);

struct CreateTokenRequest {
  std::string name;
  std::optional<Role> role;
  std::string org;   // "": the actor's own, or all orgs
  std::string host;  // of roles host (required) and join ("": a new host)
  std::optional<std::chrono::microseconds> lifetime;  // empty: for ever; of role join: a day
};
struct MadeToken {
  store::TokenRow row;
  std::string text;  // "": it was shown before

  void HideSecret() { text.clear(); }
};
// An admin of one org makes admins, operators and viewers of that org only. ALREADY_EXISTS
// TOKEN_NAME_TAKEN; INVALID_ARGUMENT INVALID_LIFETIME, INVALID_NAME and others that name the field.
Result<Proposal<MadeToken>> CreateToken(const Authorized& by, const CreateTokenRequest& request);

// One of the two is set.
struct RevokeTokenRequest {
  std::string token;  // by name or id; a join token that was used by its id
  std::string host;   // by name or id: all that is in force and admits it
};
struct RevokedTokens {
  std::vector<store::TokenRow> tokens;
};
// NOT_FOUND TOKEN_NOT_FOUND, HOST_NOT_FOUND; FAILED_PRECONDITION TOKEN_REVOKED; INVALID_ARGUMENT
// TOKEN_OR_HOST.
Result<Proposal<RevokedTokens>> RevokeToken(const Authorized& by,
                                            const RevokeTokenRequest& request);

// Where the secret of the first token is left for its owner.
class SecretKeeper {
 public:
  virtual ~SecretKeeper() = default;
  virtual Status Keep(const std::string& token_text) = 0;
  // Nothing came of the token that was kept last.
  virtual void Forget() = 0;
};
// When there is no token at all, makes one of an admin of all orgs. The secret is kept before the
// token counts, so that none is ever in force that nobody has. True: one was made.
Result<bool> EnsureAdminToken(Control& control, SecretKeeper& keeper);

}  // namespace tallyman::control
