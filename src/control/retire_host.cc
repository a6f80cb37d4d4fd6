#include "control/retire_host.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"
#include "control/authorize.h"
#include "control/inventory_writer.h"
#include "control/node_release.h"
#include "control/read_once.h"
#include "control/resolve.h"
#include "control/token_writer.h"

namespace tallyman {
namespace {

constexpr int64_t kNodesOfHostMax = 100'000;
constexpr size_t kNameBytesMax = 100;
constexpr std::string_view kLost = "lost";

struct Retired {
  Host host;
  std::vector<NodeId> nodes;  // all but those that are deleted
};

Result<Retired> Resolve(ReadTx& tx, const Actor& actor, const std::string& name) {
  ASSIGN_OR_RETURN(HostRow row, ResolveHost(tx, actor, name));
  Retired retired{.host = std::move(row.host), .nodes = {}};
  ListQuery query;
  query.conditions = {{"host", Comparison::kEqual, retired.host.name}};
  query.limit = kNodesOfHostMax;
  ASSIGN_OR_RETURN(const auto nodes, tx.ListNodes(query));
  for (const NodeRow& node : nodes) retired.nodes.push_back(node.node.id);
  return retired;
}

Status CheckRetirable(const Host& host) {
  RETURN_IF_ERROR(CheckNotRetired(host));
  if (LivenessOf(host) != Liveness::kLive) return {};
  return Fail(FailedPrecondition(
                  "HOST_NOT_SILENT",
                  fmt::format("host {} is heard, so it is not lost: delete its nodes, or stop its "
                              "agent and wait until it counts as silent",
                              host.name))
                  .About("host " + host.name));
}

// Nobody has put a node there since the nodes were looked up.
Status CheckSameNodes(ReadTx& tx, const Host& host, const Snapshot& snapshot) {
  ASSIGN_OR_RETURN(const auto live, tx.LiveNodesOf(host.id));
  if (std::ranges::all_of(live, [&](const NodeId& id) { return snapshot.nodes.contains(id); }))
    return {};
  return Fail(Error(Code::kAborted, "HOST_CHANGED",
                    fmt::format("host {} has got a node meanwhile: try again", host.name))
                  .About("host " + host.name));
}

std::string RetiredName(const Host& host) {
  const std::string id = host.id.ToString();
  const std::string suffix = ".retired-" + id.substr(id.size() - 12);
  return host.name.substr(0, kNameBytesMax - suffix.size()) + suffix;
}

Warning LostWarning(const Host& host, size_t nodes) {
  return {
      .reason = "HOST_LOST",
      .message = fmt::format("what {} node{} kept on host {} is given up; if that machine still "
                             "runs, so do they, beside whatever takes their place",
                             nodes, nodes == 1 ? "" : "s", host.name),
      .host_id = host.id,
      .host_name = host.name,
      .dimension = {}};
}

Status RevokeTokens(const Cause& cause, const Host& host, ReadTx& tx, ChangeSet& rows) {
  ListQuery query;
  query.conditions = {{"host", Comparison::kEqual, host.name},
                      {"revoked_at", Comparison::kEqual, int64_t{0}}};
  query.limit = kNodesOfHostMax;
  ASSIGN_OR_RETURN(const auto tokens, tx.ListTokens(query));
  for (const TokenRow& row : tokens) {
    rows.token_updates.push_back({.id = row.token.id,
                                  .revoked_at = cause.now,
                                  .used_at = row.token.used_at,
                                  .nonce_digest = row.token.nonce_digest});
    rows.events.push_back(TokenEvent(cause, EventKind::kTokenRevoked, row.token));
  }
  return {};
}

// The host's row among the hosts that the plan shows; one that carries nothing is not there yet.
Host& HostIn(const BooksPlan& books, const HostId& id, const Cause& cause, Changes& changes) {
  auto shown = std::ranges::find(changes.hosts, id,
                                 [](const HostChange& change) { return change.stored.id; });
  if (shown != changes.hosts.end()) return shown->after;
  HostChange& change = changes.hosts.emplace_back(books.hosts().at(id));
  change.after.version = change.stored.version + 1;
  change.after.updated_at = cause.now;
  return change.after;
}

Result<NodeDecision> Decide(Control& control, const Call& call, const HostId& id,
                            const std::vector<NodeId>& ids, const Snapshot& snapshot, ReadTx& tx) {
  const HostSnapshot& stored = snapshot.hosts.at(id);
  const Host& host = stored.host;
  RETURN_IF_ERROR(CheckRetirable(host));
  RETURN_IF_ERROR(CheckSameNodes(tx, host, snapshot));
  std::vector<const NodeSnapshot*> nodes;
  for (const NodeId& node : ids) {
    auto found = snapshot.nodes.find(node);
    if (found != snapshot.nodes.end() && !found->second.node.deleted_at)
      nodes.push_back(&found->second);
  }
  NodeWriter writer(control, call);
  const Cause& cause = writer.cause();
  const HostSnapshot* hosts[] = {&stored};
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(hosts, nodes, control.policies(), cause));
  for (const NodeSnapshot* node : nodes) {
    if (node->node.IsLive()) {
      RETURN_IF_ERROR(Release(writer, books, *node, host, kLost));
    } else {
      Forget(writer, *node, host, kLost);
    }
  }
  NodeDecision decision = writer.Finish(books);
  Host& after = HostIn(books, id, cause, decision.changes);
  after.name = RetiredName(host);
  after.cordoned = true;
  after.retired_at = cause.now;
  decision.changes.warnings.push_back(LostWarning(host, nodes.size()));
  decision.rows.ended_claims = {{.host_id = id, .owner = cause.actor_id}};
  decision.rows.new_claims = {{.host_id = id,
                               .owner = cause.actor_id,
                               .kind = ClaimKind::kRetired,
                               .reason = {},
                               .created_by = cause.actor_id,
                               .created_at = cause.now}};
  RETURN_IF_ERROR(RevokeTokens(cause, host, tx, decision.rows));
  Event event =
      InventoryEvent(cause, EventKind::kHostRetired,
                     Detail({{"name", host.name}, {"nodes", std::to_string(nodes.size())}}));
  event.host_id = id;
  decision.rows.events.push_back(std::move(event));
  return decision;
}

Status CheckRequest(const RetireHostRequest& request) {
  if (request.lost) return {};
  return Fail(InvalidArgument("NOT_LOST",
                              "the request does not say that the machine is lost: set lost (host "
                              "retire --lost) if it and the data of its nodes are gone for good")
                  .With("field", "lost"));
}

}  // namespace

Status CheckNotRetired(const Host& host) {
  if (!host.retired_at) return {};
  return Fail(FailedPrecondition("HOST_RETIRED", fmt::format("host {} was retired at {}", host.name,
                                                             FormatTime(*host.retired_at)))
                  .About("host " + host.name));
}

void RetireHost(Control& control, Call call, const RetireHostRequest& request,
                Encode<Changes> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckRequest(request); !status) return done(Fail(status.error()));
  auto retired =
      ReadOnce<Retired>(control, [&](ReadTx& tx) { return Resolve(tx, call.actor, request.host); });
  if (!retired) return done(Fail(retired.error()));
  LockSet locks;
  locks.hosts = {retired->host.id};
  locks.nodes = retired->nodes;
  const auto rows = static_cast<int64_t>(1 + retired->nodes.size());
  DecideNodes decide = [&control, call, id = retired->host.id, nodes = std::move(retired->nodes)](
                           const Snapshot& snapshot, ReadTx& tx) {
    return Decide(control, call, id, nodes, snapshot, tx);
  };
  PlanOrApply(control, std::move(call), request.plan, std::move(locks), true, rows,
              std::move(decide), std::move(encode), std::move(done));
}

}  // namespace tallyman
