#include "control/authorize.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

namespace tallyman::control {
namespace {

using enum Reach;

// In the order of the roles: admin, operator, viewer, host, join.
constexpr AuthorizationRule kRules[] = {
    {"AgentService/FetchCommands", {kNone, kNone, kNone, kOwn, kNone}},
    {"AgentService/Join", {kNone, kNone, kNone, kNone, kOwn}},
    {"AgentService/Report", {kNone, kNone, kNone, kOwn, kNone}},
    {"AgentService/SendLog", {kNone, kNone, kNone, kOwn, kNone}},
    {"AgentService/WatchCommands", {kNone, kNone, kNone, kOwn, kNone}},
    {"AuditService/ListRequests", {kOwn, kNone, kNone, kNone, kNone}},
    {"AuditService/RepairDrift", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"AuditService/RunAudit", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"CatalogService/CreateImages", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"CatalogService/CreateProtocol", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"CatalogService/GetImage", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"CatalogService/ListImages", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"CatalogService/ListProtocolVersions", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"CatalogService/ListProtocols", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"CommandService/CancelCommand", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"CommandService/GetCommand", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"CommandService/ListCommands", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"EventService/ListEvents", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"EventService/WatchEvents", {kOwn, kOwn, kOwn, kOwn, kNone}},
    // Each of its steps is permitted or not by itself.
    {"FleetService/ApplyFleet", {kOwn, kOwn, kNone, kNone, kNone}},
    {"FleetService/GetOverview", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"HostService/CordonHost", {kAllOrgs, kAllOrgs, kNone, kNone, kNone}},
    {"HostService/CreateHosts", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"HostService/DrainHosts", {kAllOrgs, kAllOrgs, kNone, kNone, kNone}},
    {"HostService/GetHost", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"HostService/ListHosts", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"HostService/ResumeHosts", {kAllOrgs, kAllOrgs, kNone, kNone, kNone}},
    {"HostService/RetireHost", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"HostService/UncordonHost", {kAllOrgs, kAllOrgs, kNone, kNone, kNone}},
    {"HostService/UpdateHost", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"LedgerService/ListLedger", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"NodeService/CreateNodes", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"NodeService/DeleteNodes", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"NodeService/GetNode", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"NodeService/ListNodes", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"NodeService/MoveNodes", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"NodeService/RestartNodes", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"NodeService/RetryUpgrade", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"NodeService/StartNodes", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"NodeService/StopNodes", {kOwn, kOwn, kPlan, kNone, kNone}},
    // Logs may hold secrets: who may only look is not shown them.
    {"NodeService/StreamNodeLogs", {kOwn, kOwn, kNone, kNone, kNone}},
    {"NodeService/UpdateNode", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"NodeService/UpgradeNodes", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"OrgService/CreateOrg", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"OrgService/GetOrg", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"OrgService/ListOrgs", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"OrgService/SetQuota", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"RegionService/CreateRegion", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"RegionService/ListRegions", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"RolloutService/AbortRollout", {kOwn, kOwn, kNone, kNone, kNone}},
    {"RolloutService/CreateRollout", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"RolloutService/GetRollout", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"RolloutService/ListRolloutNodes", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"RolloutService/ListRollouts", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"RolloutService/PauseRollout", {kOwn, kOwn, kNone, kNone, kNone}},
    {"RolloutService/ResumeRollout", {kOwn, kOwn, kNone, kNone, kNone}},
    {"RolloutService/RetryRollout", {kOwn, kOwn, kNone, kNone, kNone}},
    {"RolloutService/RevertRollout", {kOwn, kOwn, kPlan, kNone, kNone}},
    {"TokenService/CreateToken", {kOwn, kNone, kNone, kNone, kNone}},
    {"TokenService/ListTokens", {kOwn, kNone, kNone, kNone, kNone}},
    {"TokenService/RevokeToken", {kOwn, kNone, kNone, kNone, kNone}},
    {"TokenService/WhoAmI", {kOwn, kOwn, kOwn, kOwn, kNone}},
    {"UpgradePolicyService/DeleteUpgradePolicy", {kOwn, kNone, kNone, kNone, kNone}},
    {"UpgradePolicyService/GetUpgradePolicy", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"UpgradePolicyService/ListUpgradePolicies", {kOwn, kOwn, kOwn, kNone, kNone}},
    {"UpgradePolicyService/SetUpgradePolicy", {kOwn, kNone, kNone, kNone, kNone}},
    {"internal/AdvanceRollout", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"internal/EnsureAdminToken", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"internal/ExpireCommands", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"internal/MarkSilentHosts", {kAllOrgs, kNone, kNone, kNone, kNone}},
    {"internal/ProposeUpgrade", {kAllOrgs, kNone, kNone, kNone, kNone}},
};

static_assert(std::ranges::is_sorted(kRules, {}, &AuthorizationRule::method));

const AuthorizationRule* RuleOf(std::string_view method) {
  const auto* rule = std::ranges::lower_bound(kRules, method, {}, &AuthorizationRule::method);
  return rule != std::end(kRules) && rule->method == method ? rule : nullptr;
}

// "admin or operator or viewer for a dry run", "admin of all orgs".
std::string Wanted(const AuthorizationRule& rule) {
  std::string wanted;
  for (size_t i = 0; i < rule.reach.size(); ++i) {
    if (rule.reach[i] == kNone) continue;
    if (!wanted.empty()) wanted += " or ";
    wanted += ToText(static_cast<Role>(i));
    if (rule.reach[i] == kAllOrgs) wanted += " of all orgs";
    if (rule.reach[i] == kPlan) wanted += " for a dry run";
  }
  return wanted;
}

}  // namespace

std::span<const AuthorizationRule> AuthorizationTable() { return kRules; }

bool IsOpen(std::string_view method) {
  const AuthorizationRule* rule = RuleOf(method);
  return rule != nullptr && rule->of(Role::kJoin) != kNone;
}

Actor Stranger() { return {.id = "stranger", .role = Role::kJoin}; }

Status MayCall(const Call& call) {
  const AuthorizationRule* rule = RuleOf(call.method);
  const Reach reach = rule == nullptr ? kNone : rule->of(call.actor.role);
  if (reach == kPlan && call.dry_run) return {};
  if (reach == kOwn || (reach == kAllOrgs && !call.actor.org_id)) return {};
  return Fail(
      Error(
          Code::kPermissionDenied, "NOT_PERMITTED",
          fmt::format(
              "permission denied: {} may not call {}, which requires the role {}; its role is {}{}",
              call.actor.id, call.method, rule == nullptr ? "none" : Wanted(*rule),
              ToText(call.actor.role), call.actor.org_id ? " of one org" : ""))
          .With("method", call.method)
          .With("role", std::string(ToText(call.actor.role))));
}

bool Sees(const Actor& actor, const OrgId& org) { return !actor.org_id || *actor.org_id == org; }

bool Sees(const Actor& actor, const std::optional<OrgId>& org) { return !org || Sees(actor, *org); }

bool SeesHost(const Actor& actor, const HostId& host) {
  return actor.role != Role::kHost || actor.host_id == host;
}

bool SeesNode(const Actor& actor, const Node& node) {
  return Sees(actor, node.org_id) && SeesHost(actor, node.host_id);
}

}  // namespace tallyman::control
