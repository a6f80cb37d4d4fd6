#include "control/hosts/retire_host.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/change_host.h"
#include "control/liveness.h"
#include "control/lots/decide.h"
#include "control/new_event.h"
#include "control/nodes/node_release.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "control/tokens/token_writer.h"

namespace tallyman::control {
namespace {

constexpr int64_t kNodesOfHostMax = 100'000;
constexpr size_t kRetiredNameBytesMax = 100;
constexpr std::string_view kLost = "lost";

struct LostHost {
  Host host;
  std::vector<NodeId> nodes;  // all but those that are deleted
};

Result<LostHost> ResolveLost(store::ReadTx& tx, const Actor& actor, const std::string& name) {
  ASSIGN_OR_RETURN(store::HostRow row, ResolveHost(tx, actor, name));
  LostHost lost{.host = std::move(row.host)};
  store::ListQuery query;
  query.conditions = {{"host", store::Comparison::kEqual, lost.host.name}};
  query.limit = kNodesOfHostMax;
  ASSIGN_OR_RETURN(const auto nodes, tx.ListNodes(query));
  for (const store::NodeRow& node : nodes) lost.nodes.push_back(node.node.id);
  return lost;
}

Status CheckRetirable(const Host& host) {
  RETURN_IF_ERROR(CheckNotRetired(host));
  if (LivenessOf(host) != Liveness::kLive) return {};
  return Fail(FailedPrecondition(
                  "HOST_NOT_SILENT",
                  fmt::format("host {} still reports, so it is not lost: delete its nodes, or stop "
                              "its agent and wait until the host is silent",
                              host.name))
                  .About("host " + host.name));
}

std::string RetiredName(const Host& host) {
  const std::string id = host.id.ToString();
  const std::string suffix = ".retired-" + id.substr(id.size() - 12);
  return host.name.substr(0, kRetiredNameBytesMax - suffix.size()) + suffix;
}

planner::Warning LostWarning(const Host& host, size_t nodes) {
  return {.reason = "HOST_LOST",
          .message = fmt::format("the data of {} node{} on host {} are lost; if that machine still "
                                 "runs, these nodes run there beside their replacements",
                                 nodes, nodes == 1 ? "" : "s", host.name),
          .host_id = host.id,
          .host_name = host.name};
}

// The host as it is afterwards, in the rows and among the hosts that the answer shows.
Status WriteRetired(const planner::BooksPlan& books, const HostId& id, const planner::Cause& cause,
                    store::ReadTx& tx, Decided<Changes>& decision) {
  Host& after = ChangedHost(books, id, cause, decision);
  after.name = RetiredName(after);
  after.cordoned = true;
  after.retired_at = cause.now;
  // One that carried nothing is not shown yet.
  std::vector<planner::HostChange>& shown = decision.answer.hosts;
  if (shown.empty()) shown.push_back(books.hosts().at(id));
  shown.front().after = after;
  decision.rows.ended_claims = {{.host_id = id, .owner = cause.actor_id}};
  // A drain ends with its host, whoever asked for it: there is nothing left to start.
  ASSIGN_OR_RETURN(const std::vector<HostClaim> claims, tx.ClaimsOf(id));
  for (const HostClaim& claim : claims) {
    if (claim.kind == ClaimKind::kDrain)
      decision.rows.ended_claims.push_back({id, claim.owner, claim.kind});
  }
  decision.rows.new_claims = {{.host_id = id,
                               .owner = cause.actor_id,
                               .kind = ClaimKind::kRetired,
                               .created_by = cause.actor_id,
                               .created_at = cause.now}};
  return {};
}

Result<Decided<Changes>> DecideRetire(const Authorized& by, const HostId& id,
                                      const std::vector<NodeId>& ids,
                                      const store::Snapshot& snapshot, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const HostSnapshot* stored, RequireRow(snapshot.hosts, "host", id));
  const Host& host = stored->host;
  RETURN_IF_ERROR(CheckRetirable(host));
  RETURN_IF_ERROR(CheckSameNodes(tx, host, snapshot));
  std::vector<const NodeSnapshot*> nodes;
  for (const NodeId& node : ids) {
    auto found = snapshot.nodes.find(node);
    if (found != snapshot.nodes.end() && !found->second.node.deleted_at)
      nodes.push_back(&found->second);
  }
  NodeWriter writer(by);
  const planner::Cause& cause = writer.cause();
  const HostSnapshot* hosts[] = {stored};
  ASSIGN_OR_RETURN(planner::BooksPlan books,
                   planner::BooksPlan::Begin(hosts, nodes, by.control().policies(), cause));
  for (const NodeSnapshot* node : nodes) {
    if (node->node.IsLive()) {
      RETURN_IF_ERROR(Release(writer, books, *node, host, kLost));
    } else {
      Forget(writer, *node, host, kLost);
    }
  }
  Decided<Changes> decision = writer.Finish(books);
  RETURN_IF_ERROR(WriteRetired(books, id, cause, tx, decision));
  decision.warnings.push_back(LostWarning(host, nodes.size()));
  decision.answer.warnings.push_back(LostWarning(host, nodes.size()));
  RETURN_IF_ERROR(RevokeTokensOf(by, host, tx, decision.rows));
  Event event = NewEvent(cause, EventKind::kHostRetired,
                         Detail({{"name", host.name}, {"nodes", std::to_string(nodes.size())}}));
  event.host_id = id;
  decision.rows.events.push_back(std::move(event));
  return decision;
}

Status CheckLost(const RetireHostRequest& request) {
  if (request.lost) return {};
  return Fail(InvalidArgument("NOT_LOST",
                              "the request does not say that the machine is lost: set lost (host "
                              "retire --lost) if it and the data of its nodes are gone for good")
                  .With("field", "lost"));
}

}  // namespace

Result<Proposal<Changes>> RetireHost(const Authorized& by, const RetireHostRequest& request) {
  RETURN_IF_ERROR(CheckLost(request));
  ASSIGN_OR_RETURN(LostHost lost, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return ResolveLost(tx, by.actor(), request.host);
                   }));
  Proposal<Changes> proposal{
      .solo = true, .rows = 1 + std::ssize(lost.nodes), .plan = request.plan};
  proposal.locks.hosts = {lost.host.id};
  proposal.locks.nodes = lost.nodes;
  proposal.decide = [id = lost.host.id, nodes = std::move(lost.nodes)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DecideRetire(as, id, nodes, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
