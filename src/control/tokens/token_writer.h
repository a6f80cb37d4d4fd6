// What the operations that make tokens share.
#pragma once

#include <string>
#include <vector>

#include "control/control.h"
#include "control/tokens/tokens.h"

namespace tallyman::control {

// Tokens that hosts get when they join are named by this and the host; nobody else's may be.
inline constexpr std::string_view kHostTokenPrefix = "agent.";
// A machine that joins acts under this and the name of its join token.
inline constexpr std::string_view kJoinActorPrefix = "join.";

// A row with a fresh id and secret, of no org and no host, and its text. INTERNAL NO_SECRETS when
// the control has no source of them.
Result<MadeToken> NewToken(Control& control, const planner::Cause& cause, std::string name,
                           Role role);

// Events about a token.
Event TokenEvent(const planner::Cause& cause, EventKind kind, const Token& token);

// What a machine shows to become a host. `nonce` is random and of its own making: the same token
// with the same nonce is taken again for ten minutes, should the answer be lost, unless the token
// that was given has been used or revoked.
struct JoinClaim {
  std::string token_text;
  std::string nonce;
  std::string known_as = {};  // id of the host that the machine's directory belongs to; "": none
};

// The join token behind a claim, with the host that it admits; read again under the locks by
// whoever goes on to ExchangeJoinToken(). UNAUTHENTICATED as Authenticate(); INVALID_ARGUMENT
// INVALID_NONCE; PERMISSION_DENIED NOT_A_JOIN_TOKEN. Token::host_id is the host to readmit.
Result<store::TokenRow> FindJoinToken(store::ReadTx& tx, const JoinClaim& claim, Time now);

// Exchanges the join token for the host's own, once: called in the decision that makes or readmits
// `host`, and written in the same transaction. A token of that host from an earlier exchange is
// revoked. PERMISSION_DENIED JOIN_OF_ANOTHER_HOST; FAILED_PRECONDITION OTHER_HOST. `is_new`: the
// host is made by this.
Result<MadeToken> ExchangeJoinToken(Control& control, const planner::Cause& cause,
                                    store::ReadTx& tx, const JoinClaim& claim, const Host& host,
                                    bool is_new, ChangeSet& rows);

// Revokes all tokens in force that admit this host and that the actor sees: the host's own, those
// an admin made for it, and join tokens. They are given as they are afterwards.
Result<std::vector<store::TokenRow>> RevokeTokensOf(const Authorized& by, const Host& host,
                                                    store::ReadTx& tx, ChangeSet& rows);

// In a time that does not depend on where they differ.
bool HasSecret(const Token& token, std::string_view secret);

// UNAUTHENTICATED INVALID_TOKEN: the same whether the id or the secret is wrong.
Error InvalidToken();

// Why a token does not count (any more) at `now`; with the reasons of Authenticate().
Status CheckInForce(const Token& token, Time now);

}  // namespace tallyman::control
