// Who may do what: one table of methods and roles, and what an actor sees.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/result.h"
#include "control/lots/call.h"
#include "model/node.h"

namespace tallyman::control {

// What a role may do with a method.
enum class Reach {
  kNone,     // not call it
  kPlan,     // as kOwn, but only for a dry run
  kOwn,      // call it on what its org (a host: on what its host) has, and on what is everybody's;
             // with a token of all orgs on everything
  kAllOrgs,  // call it with a token of all orgs only
};

struct AuthorizationRule {
  std::string_view method;                                 // as Call::method
  std::array<Reach, EnumText<Role>::kWords.size()> reach;  // by role

  Reach of(Role role) const { return reach[static_cast<size_t>(role)]; }
};

// One rule per method, sorted by method; what is not in it is nobody's. Methods of the API, and
// those that this program calls by itself ("internal/").
std::span<const AuthorizationRule> AuthorizationTable();

// Whether the method is called without a token: by machines that are to become hosts. The caller is
// then Stranger().
bool IsOpen(std::string_view method);
Actor Stranger();

// PERMISSION_DENIED, reason NOT_PERMITTED, names the method and who may call it. Operations are
// reached through Authorize() of operation.h.
Status MayCall(const Call& call);

// A row of an org is seen by actors of all orgs and of that org.
bool Sees(const Actor& actor, const OrgId& org);
// A row that may be public (no org).
bool Sees(const Actor& actor, const std::optional<OrgId>& org);
// Hosts are everybody's, but a host sees no other.
bool SeesHost(const Actor& actor, const HostId& host);
bool SeesNode(const Actor& actor, const Node& node);

}  // namespace tallyman::control
