// Who calls, and the row that makes a mutation happen once: idempotency and audit trail in one.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/enum_text.h"
#include "model/ids.h"

namespace tallyman {

// kHost is a machine that reports about itself. kJoin is a machine before that: it has no token for
// calls yet, only a join token to present once.
enum class Role { kAdmin, kOperator, kViewer, kHost, kJoin };

template <>
struct EnumText<Role> {
  static constexpr std::array<std::string_view, 5> kWords = {"admin", "operator", "viewer", "host",
                                                             "join"};
};

struct Actor {
  std::string id;
  std::optional<OrgId> org_id;  // empty: all orgs
  Role role = Role::kViewer;
  // Of kHost: the only host it speaks for.
  std::optional<HostId> host_id = {};
  std::optional<TokenId> token_id = {};  // the token it presented; empty in process
  std::optional<Time> token_since = {};  // when that was made
};

// A request id (idempotency key) is scoped to the org and the actor that sent it. The name of a
// revoked token may be given again: whose row it is, is told by the record's token.
struct RequestKey {
  OrgId org_id;  // nil: an actor of all orgs
  std::string actor_id;
  std::string request_id;

  friend auto operator<=>(const RequestKey&, const RequestKey&) = default;
};

struct RequestRecord {
  RequestKey key;
  std::string method;
  std::string address;
  std::string body_digest;
  std::string response;  // as the API encoded it; opaque here
  Time created_at;
  // The token that the actor presented; empty: in process, or recorded before version 6 of the
  // schema.
  std::optional<TokenId> token_id = {};
};

}  // namespace tallyman
