// Turning decisions about nodes into rows: what the operations on nodes share.
#pragma once

#include <cassert>
#include <span>
#include <string>
#include <vector>

#include "base/id_source.h"
#include "control/new_event.h"
#include "control/nodes/changes.h"
#include "control/operation.h"
#include "planner/upgrade.h"

namespace tallyman::control {

// Collects rows for one request. Every row is stamped with the same cause. Belongs to one decision.
class NodeWriter {
 public:
  explicit NodeWriter(const Authorized& by)
      : ids_(by.control().ids()),
        policies_(by.control().policies()),
        sealer_(by.control().sealer()),
        knows_secrets_(by.actor().role != Role::kViewer),
        cause_(by.cause()) {}

  const planner::Cause& cause() const { return cause_; }

  // The books of these nodes' hosts. Errors of BooksPlan::Begin(), and ROW_MISSING.
  Result<planner::BooksPlan> BeginBooks(const store::Snapshot& snapshot,
                                        const std::vector<const NodeSnapshot*>& nodes) const;

  // The node gets a new config, and perhaps a new image: config, node, command, event. `kind` is
  // kUpgrade or kUpdate; its host may not begin it after `not_after`. Here as in Create(), values
  // of secret properties are sealed: errors of Sealer::Seal().
  Status ReplaceConfig(const planner::NodePlan& plan, const Image& image, const Host& host,
                       CommandKind kind, std::optional<Time> not_after = {});
  // A new node with its config, its create command and its event.
  Result<NodeId> Create(Node node, NodeConfig config, const Image& image, const Host& host,
                        std::string_view org);
  // An instruction that leaves config and books as they are.
  Node& Instruct(const NodeSnapshot& node, const Host& host, CommandKind kind, NextState next,
                 EventKind event);
  // The row as it is afterwards: stamps the time and the next version, and settles drifted fields.
  Node& Update(const NodeSnapshot& node);
  void EndCommand(const CommandId& id, CommandState state);
  void ChangeCommand(CommandUpdate update);
  void AddEvent(EventKind kind, const Node& node, std::string detail);
  // The line of the answer about a node that keeps its image.
  NodeChange& Show(const NodeSnapshot& node, const Host& host);
  // REQUIRES: there is a line already.
  NodeChange& last_change() {
    assert(!decision_.answer.nodes.empty());
    return decision_.answer.nodes.back();
  }

  // Takes over the hosts' side, the hosts that changed only, and gives up everything collected.
  Decided<Changes> Finish(const planner::BooksPlan& books);

 private:
  CommandId AddCommand(const Node& node, const NodeConfig& config, const Image& image,
                       const Host& host, CommandKind kind, std::optional<ConfigId> from,
                       std::optional<ConfigId> to);

  IdSource& ids_;
  const planner::Policies& policies_;
  const Sealer& sealer_;
  bool knows_secrets_;  // may be told whether a secret is what it says
  planner::Cause cause_;
  Decided<Changes> decision_;
};

// The ids of nodes that a request names, read once without locks. Errors of ResolveNodes().
Result<std::vector<NodeId>> FindNodeIds(const Authorized& by, std::span<const std::string> names);
// INVALID_ARGUMENT TOO_MANY_NODES, with the field, the number and the bound: a request is about
// more nodes than one may change. `way` is what to do instead.
Status CheckNodeCount(const Control& control, std::string_view field, int64_t count,
                      std::string_view way =
                          "send parts, each a request of its own, as `tallyman "
                          "node upgrade --in-parts` does");
// A change of these nodes, which still has to be decided; `field` of the request has them.
// INVALID_ARGUMENT TOO_MANY_NODES.
Result<Proposal<Changes>> ProposalFor(const Authorized& by, std::vector<NodeId> nodes,
                                      const PlanOptions& plan, std::string_view field = "nodes");

// The nodes as they are under the locks, in the order of `ids`. NOT_FOUND NODE_NOT_FOUND for one
// that is not there, is deleted, or is of an org that the caller does not see.
Result<std::vector<const NodeSnapshot*>> FindNodes(const store::Snapshot& snapshot,
                                                   const Actor& actor,
                                                   const std::vector<NodeId>& ids);
// Their hosts, each once. DATA_LOSS ROW_MISSING.
Result<std::vector<const HostSnapshot*>> HostsOf(const store::Snapshot& snapshot,
                                                 const std::vector<const NodeSnapshot*>& nodes);
// ABORTED VERSION_MISMATCH unless `expected` is 0 or the node's version.
Status CheckVersion(const Node& node, int64_t expected);

}  // namespace tallyman::control
