// A token: what a caller presents to authenticate.
//
// Its text is "tallyman_", the token's id as 32 hexadecimal digits, "_", and a secret of 256 random
// bits as 64. The id finds the row; of the secret only the SHA-256 digest is kept, so a copy of the
// database grants no access. Plain values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/ids.h"
#include "model/request.h"

namespace tallyman {

inline constexpr size_t kTokenSecretBytes = 32;

struct Token {
  TokenId id;
  std::string name;  // unique among those that are not revoked; the actor's name in every record
  std::string secret_digest;  // Sha256Hex() of the secret's hexadecimal digits
  Role role = Role::kViewer;
  std::optional<OrgId> org_id;  // empty: all orgs
  // Of a host token: its only host. Of a join token: the host that it admits or has admitted;
  // empty: a new one.
  std::optional<HostId> host_id;
  std::string created_by;
  Time created_at;
  std::optional<Time> expires_at;  // empty: never
  std::optional<Time> revoked_at;
  // Of a join token: when it was first exchanged, and the Sha256Hex() of the agent's nonce, which
  // it repeats if the answer is lost.
  std::optional<Time> used_at;
  std::optional<std::string> nonce_digest;
};

// The parts of a token's text: the id of its row, and the secret that must match.
struct TokenText {
  TokenId id;
  std::string secret;  // 64 hexadecimal digits
};

std::string FormatTokenText(const TokenText& token);
// nullopt for anything that FormatTokenText() does not write. Never reveals its argument: it may be
// a real token with a typing error.
std::optional<TokenText> ParseTokenText(std::string_view text);

}  // namespace tallyman
