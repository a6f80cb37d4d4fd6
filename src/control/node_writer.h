// Turning decisions about nodes into rows, and running them as a plan or as a mutation: what the
// operations on nodes share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/id_source.h"
#include "control/changes.h"
#include "control/nodes.h"
#include "planner/upgrade.h"

namespace tallyman {

// What a decision about nodes came to: what is shown, and what is written.
struct NodeDecision {
  Changes changes;
  ChangeSet rows;
};

// Collects rows for one request. Every row is stamped with the same cause. Belongs to one decision.
class NodeWriter {
 public:
  NodeWriter(Control& control, const Call& call)
      : ids_(control.ids()), cause_(control.CauseOf(call)) {}

  const Cause& cause() const { return cause_; }

  // The node gets a new config, and perhaps a new image: config, node, command, event. `kind` is
  // kUpgrade or kUpdate.
  void ReplaceConfig(const NodePlan& plan, const Image& image, const Host& host, CommandKind kind);
  // A new node with its config, its create command and its event.
  NodeId Create(Node node, NodeConfig config, const Image& image, const Host& host,
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
  NodeChange& last_change() { return decision_.changes.nodes.back(); }

  // Takes over the hosts' side, the hosts that changed only, and gives up everything collected.
  NodeDecision Finish(const BooksPlan& books);

 private:
  CommandId AddCommand(const Node& node, const NodeConfig& config, const Image& image,
                       const Host& host, CommandKind kind, std::optional<ConfigId> from,
                       std::optional<ConfigId> to);

  IdSource& ids_;
  Cause cause_;
  NodeDecision decision_;
};

// The decision as it is written; the caller encodes its answer.
Decision ToDecision(NodeDecision decided);

using DecideNodes = std::function<Result<NodeDecision>(const Snapshot&, ReadTx&)>;

// Shows the plan (dry_run), or queues the mutation and applies the plan if it still is what the
// token says. REQUIRES: the call went through Control::Begin().
void PlanOrApply(Control& control, Call call, const PlanOptions& options, LockSet locks, bool solo,
                 int64_t rows, DecideNodes decide, Encode<Changes> encode, Done done);

// The nodes as they are under the locks, in the order of `ids`. NOT_FOUND NODE_NOT_FOUND for one
// that is not there, is deleted, or is of an org that the caller does not see.
Result<std::vector<const NodeSnapshot*>> FindNodes(const Snapshot& snapshot, const Actor& actor,
                                                   const std::vector<NodeId>& ids);
// Their hosts, each once.
std::vector<const HostSnapshot*> HostsOf(const Snapshot& snapshot,
                                         const std::vector<const NodeSnapshot*>& nodes);
// ABORTED PLAN_STALE.
Error PlanStale(const std::string& wanted, const std::string& now);
// ABORTED VERSION_MISMATCH unless `expected` is 0 or the node's version.
Status CheckVersion(const Node& node, int64_t expected);

// {"key":"value",...}: an event's detail.
std::string Detail(std::initializer_list<std::pair<std::string_view, std::string_view>> facts);

}  // namespace tallyman
