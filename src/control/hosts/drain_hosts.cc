#include "control/hosts/drain_hosts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "base/digest.h"
#include "base/sorted_unique.h"
#include "base/text.h"
#include "base/time.h"
#include "control/change_host.h"
#include "control/liveness.h"
#include "control/lots/decide.h"
#include "control/new_event.h"
#include "control/nodes/node_step.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

constexpr size_t kDrainReasonBytesMax = 1000;

using DrainDecision = Decided<DrainChanges>;

// The hosts of a request, and the nodes that it may change, as they are known before the locks.
struct DrainScope {
  std::vector<HostId> hosts;
  std::vector<NodeId> nodes;
};

// `nodes_of` is what is to be locked of a host's nodes.
template <class NodesOf>
Result<DrainScope> FindDrainScope(const Authorized& by, const std::vector<std::string>& names,
                                  const std::string& owner, const NodesOf& nodes_of) {
  if (names.empty()) {
    return Fail(InvalidArgument("NO_HOSTS", "hosts is empty: name at least one host")
                    .With("field", "hosts"));
  }
  if (!owner.empty()) RETURN_IF_ERROR(CheckName("owner", owner));
  constexpr std::string_view kWay =
      "name fewer hosts in one request; where a single host has more, cordon it and stop its nodes "
      "in parts";
  RETURN_IF_ERROR(CheckNodeCount(by.control(), "hosts", std::ssize(names), kWay));
  DrainScope scope;
  RETURN_IF_ERROR(ReadOnce(by.control(), [&](store::ReadTx& tx) -> Status {
    scope = {};
    for (const std::string& name : names) {
      ASSIGN_OR_RETURN(const store::HostRow row, ResolveHost(tx, by.actor(), name));
      if (std::ranges::find(scope.hosts, row.host.id) != scope.hosts.end()) continue;
      scope.hosts.push_back(row.host.id);
      ASSIGN_OR_RETURN(const std::vector<NodeId> nodes, nodes_of(tx, row.host.id));
      scope.nodes.insert(scope.nodes.end(), nodes.begin(), nodes.end());
    }
    return {};
  }));
  RETURN_IF_ERROR(CheckNodeCount(by.control(), "hosts", std::ssize(scope.nodes), kWay));
  return scope;
}

Proposal<DrainChanges> ProposeFor(const DrainScope& scope, const PlanOptions& plan) {
  Proposal<DrainChanges> proposal{
      .solo = true, .rows = std::ssize(scope.hosts) + std::ssize(scope.nodes), .plan = plan};
  proposal.locks.hosts = scope.hosts;
  proposal.locks.nodes = scope.nodes;
  return proposal;
}

// Collects what the request does, host by host.
class DrainWriter {
 public:
  DrainWriter(const Authorized& by, const std::string& owner, const store::Snapshot& snapshot,
              store::ReadTx& tx)
      : by_(by),
        owner_(owner.empty() ? by.actor().id : owner),
        snapshot_(snapshot),
        tx_(tx),
        writer_(by) {}

  Result<DrainDecision> Drain(const DrainScope& scope, const std::string& reason) {
    return ForEach(scope, [&](const Host& host) { return DrainOne(host, reason); });
  }
  Result<DrainDecision> Resume(const DrainScope& scope, bool even_if_silent) {
    return ForEach(scope, [&](const Host& host) { return ResumeOne(host, even_if_silent); });
  }

 private:
  template <class One>
  Result<DrainDecision> ForEach(const DrainScope& scope, const One& one) {
    std::vector<const HostSnapshot*> hosts;
    for (const HostId& id : scope.hosts) {
      ASSIGN_OR_RETURN(hosts.emplace_back(), RequireRow(snapshot_.hosts, "host", id));
      RETURN_IF_ERROR(CheckNotRetired(hosts.back()->host));
    }
    std::vector<const NodeSnapshot*> nodes;
    for (const NodeId& id : scope.nodes) {
      auto found = snapshot_.nodes.find(id);
      if (found != snapshot_.nodes.end() && found->second.node.IsLive())
        nodes.push_back(&found->second);
    }
    ASSIGN_OR_RETURN(
        books_, planner::BooksPlan::Begin(hosts, nodes, by_.control().policies(), writer_.cause()));
    for (const HostSnapshot* host : hosts) RETURN_IF_ERROR(one(host->host));
    return Finish();
  }

  // The host as the request finds it, and its line of the answer.
  Status Begin(const Host& host) {
    ASSIGN_OR_RETURN(claims_, tx_.ClaimsOf(host.id));
    orders_.clear();
    ASSIGN_OR_RETURN(const std::vector<RunOrder> orders, tx_.RunOrdersOf(host.id));
    for (const RunOrder& order : orders) orders_.emplace(order.node_id, order);
    drained_.push_back({.host_id = host.id, .host = host.name});
    return {};
  }

  std::vector<HostClaim>::iterator OwnDrain() {
    return std::ranges::find_if(claims_, [&](const HostClaim& claim) {
      return claim.kind == ClaimKind::kDrain && claim.owner == owner_;
    });
  }

  Status DrainOne(const Host& host, const std::string& reason) {
    RETURN_IF_ERROR(CheckSameNodes(tx_, host, snapshot_));
    RETURN_IF_ERROR(Begin(host));
    const planner::Cause& cause = writer_.cause();
    if (OwnDrain() == claims_.end()) {
      const HostClaim claim{.host_id = host.id,
                            .owner = owner_,
                            .kind = ClaimKind::kDrain,
                            .reason = reason,
                            .created_by = cause.actor_id,
                            .created_at = cause.now};
      rows_.new_claims.push_back(claim);
      claims_.push_back(claim);
      claimed_hosts_.push_back(host.id);
      drained_.back().changed = true;
    }
    ASSIGN_OR_RETURN(const std::vector<NodeId> nodes, tx_.LiveNodesOf(host.id));
    for (const NodeId& id : nodes) RETURN_IF_ERROR(Stop(host, snapshot_.nodes.at(id)));
    if (drained_.back().commanded > 0) drained_.back().changed = true;
    if (host.silent_since && drained_.back().changed) {
      warnings_.push_back(
          {.reason = "HOST_SILENT",
           .message = fmt::format("host {} has not reported since {}: its nodes stop when its "
                                  "agent returns",
                                  host.name, FormatTime(*host.silent_since)),
           .host_id = host.id,
           .host_name = host.name});
    }
    EndHost(EventKind::kHostDrainStarted, reason);
    return {};
  }

  Status Stop(const Host& host, const NodeSnapshot& node) {
    DrainedHost& drained = drained_.back();
    if (node.node.IsBeingDeleted()) {
      ++drained.deleting;
      return {};
    }
    if (IsToRest(node)) {
      ++drained.left;
      return {};
    }
    RETURN_IF_ERROR(planner::CheckChangeable(node));
    writer_.Instruct(node, host, CommandKind::kStop, NextState::kStopping,
                     EventKind::kNodeStopping);
    rows_.drain_nodes.push_back({.host_id = host.id,
                                 .owner = owner_,
                                 .node_id = node.node.id,
                                 .command_id = *writer_.last_change().command_id});
    ++drained.commanded;
    return {};
  }

  // Somebody stopped the node, or is about to. Of a stop that did not settle, the host says what
  // became of it.
  bool IsToRest(const NodeSnapshot& node) const {
    const auto order = orders_.find(node.node.id);
    const bool stopped = node.node.node_state == NodeState::kStopped;
    if (order == orders_.end()) return stopped;
    if (order->second.kind != CommandKind::kStop) return false;
    const CommandState state = order->second.state;
    return IsPending(state) || state == CommandState::kSettled || stopped;
  }

  Status ResumeOne(const Host& host, bool even_if_silent) {
    RETURN_IF_ERROR(Begin(host));
    const auto own = OwnDrain();
    if (own == claims_.end()) return CheckNobodyDrains(host);
    if (host.silent_since && !even_if_silent) {
      return Fail(FailedPrecondition(
                      "HOST_SILENT",
                      fmt::format("host {} has not reported since {}, so nobody knows whether it "
                                  "comes back: wait until it does, or set even_if_silent (host "
                                  "resume --even-if-silent), and its nodes start when its agent "
                                  "returns",
                                  host.name, FormatTime(*host.silent_since)))
                      .About("host " + host.name)
                      .With("silent_since", FormatTime(*host.silent_since)));
    }
    claims_.erase(own);
    rows_.ended_claims.push_back({.host_id = host.id, .owner = owner_, .kind = ClaimKind::kDrain});
    claimed_hosts_.push_back(host.id);
    drained_.back().changed = true;
    ASSIGN_OR_RETURN(const std::vector<DrainNode> remembered, tx_.DrainNodesOf(host.id));
    for (const DrainNode& node : remembered)
      if (node.owner == owner_) RETURN_IF_ERROR(ResumeNode(host, node));
    EndHost(EventKind::kHostResumed, {});
    return {};
  }

  Status ResumeNode(const Host& host, const DrainNode& remembered) {
    DrainedHost& drained = drained_.back();
    const auto found = snapshot_.nodes.find(remembered.node_id);
    // It was stopped since the nodes were looked up.
    if (found == snapshot_.nodes.end()) return Fail(HostChanged(host));
    const NodeSnapshot& node = found->second;
    const auto order = orders_.find(remembered.node_id);
    const bool as_left = node.node.IsLive() && !node.node.IsBeingDeleted() &&
                         order != orders_.end() &&
                         order->second.command_id == remembered.command_id && IsToRest(node);
    if (!as_left) {
      ++drained.left;
      return {};
    }
    const auto other = std::ranges::find(claims_, ClaimKind::kDrain, &HostClaim::kind);
    if (other != claims_.end()) {
      rows_.drain_nodes.push_back({.host_id = host.id,
                                   .owner = other->owner,
                                   .node_id = remembered.node_id,
                                   .command_id = remembered.command_id});
      ++drained.left;
      return {};
    }
    RETURN_IF_ERROR(planner::CheckChangeable(node));
    if (order->second.state == CommandState::kOpen) return WithdrawStop(host, node, order->second);
    writer_.Instruct(node, host, CommandKind::kStart, NextState::kStarting,
                     EventKind::kNodeStarting);
    ++drained.commanded;
    return {};
  }

  Status WithdrawStop(const Host& host, const NodeSnapshot& node, const RunOrder& order) {
    planner::NodeLifecycle life(node, writer_.cause().now);
    if (const std::string_view reason = life.Withdraw(order.command_id); !reason.empty()) {
      return Fail(
          FailedPrecondition(std::string(reason),
                             fmt::format("the stop of node {} cannot be withdrawn", node.node.name))
              .About("node " + node.node.name));
    }
    NodeChange& change = writer_.Show(node, host);
    change.held = life.held();
    change.withdrawn = {order.command_id};
    RETURN_IF_ERROR(WriteStep(writer_, *books_, node, life));
    ++drained_.back().withdrawn;
    return {};
  }

  Status CheckNobodyDrains(const Host& host) {
    std::vector<std::string> owners = DrainOwners();
    drained_.back().cordoned = !claims_.empty();
    if (owners.empty()) return {};
    const std::string all = fmt::format("{}", fmt::join(owners, ", "));
    return Fail(FailedPrecondition(
                    "CLAIM_OF_ANOTHER",
                    fmt::format("host {} is not drained by {} but by {}: name the owner to end "
                                "that drain",
                                host.name, owner_, all))
                    .About("host " + host.name)
                    .With("owners", all));
  }

  std::vector<std::string> DrainOwners() const {
    std::vector<std::string> owners;
    for (const HostClaim& claim : claims_)
      if (claim.kind == ClaimKind::kDrain) owners.push_back(claim.owner);
    return owners;
  }

  void EndHost(EventKind kind, const std::string& reason) {
    DrainedHost& drained = drained_.back();
    drained.cordoned = !claims_.empty();
    drained.drained_by = DrainOwners();
    std::ranges::sort(drained.drained_by);
    if (!drained.changed) return;
    const std::string nodes = std::to_string(drained.commanded + drained.withdrawn);
    Event event = NewEvent(writer_.cause(), kind,
                           reason.empty()
                               ? Detail({{"owner", owner_}, {"nodes", nodes}})
                               : Detail({{"owner", owner_}, {"nodes", nodes}, {"reason", reason}}));
    event.host_id = drained.host_id;
    rows_.events.push_back(std::move(event));
  }

  DrainDecision Finish() {
    Decided<Changes> written = writer_.Finish(*books_);
    DrainDecision decision{static_cast<Writes&&>(written), {std::move(written.answer), {}}};
    decision.rows.Append(std::move(rows_));
    for (const HostId& id : claimed_hosts_) {
      Host& after = ChangedHost(*books_, id, writer_.cause(), decision);
      after.cordoned = std::ranges::find(drained_, id, &DrainedHost::host_id)->cordoned;
    }
    for (std::vector<planner::Warning>* to : {&decision.warnings, &decision.answer.warnings})
      to->insert(to->end(), warnings_.begin(), warnings_.end());
    decision.answer.drained = std::move(drained_);
    return decision;
  }

  const Authorized& by_;
  const std::string owner_;
  const store::Snapshot& snapshot_;
  store::ReadTx& tx_;
  NodeWriter writer_;
  std::optional<planner::BooksPlan> books_;
  ChangeSet rows_;
  std::vector<HostId> claimed_hosts_;  // that got a claim, or lost one
  std::vector<planner::Warning> warnings_;
  std::vector<DrainedHost> drained_;
  // Of the host in progress.
  std::vector<HostClaim> claims_;
  std::map<NodeId, RunOrder> orders_;
};

}  // namespace

std::string DrainChanges::PlanToken() const {
  std::string text = Changes::PlanToken() + "\n";
  for (const DrainedHost& host : drained) {
    fmt::format_to(std::back_inserter(text), "{} {} {} {} {} {} {} {}\n", host.host, host.changed,
                   host.commanded, host.withdrawn, host.left, host.deleting, host.cordoned,
                   fmt::join(host.drained_by, ","));
  }
  return Sha256Hex(text);
}

Result<Proposal<DrainChanges>> DrainHosts(const Authorized& by, const DrainHostsRequest& request) {
  RETURN_IF_ERROR(CheckText("reason", request.reason, kDrainReasonBytesMax));
  ASSIGN_OR_RETURN(DrainScope scope, FindDrainScope(by, request.hosts, request.owner,
                                                    [](store::ReadTx& tx, const HostId& host) {
                                                      return tx.LiveNodesOf(host);
                                                    }));
  Proposal<DrainChanges> proposal = ProposeFor(scope, request.plan);
  proposal.decide = [scope = std::move(scope), owner = request.owner, reason = request.reason](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DrainWriter(as, owner, snapshot, tx).Drain(scope, reason);
  };
  return proposal;
}

Result<Proposal<DrainChanges>> ResumeHosts(const Authorized& by,
                                           const ResumeHostsRequest& request) {
  const auto remembered = [](store::ReadTx& tx, const HostId& host) -> Result<std::vector<NodeId>> {
    ASSIGN_OR_RETURN(const std::vector<DrainNode> drained, tx.DrainNodesOf(host));
    std::vector<NodeId> nodes;
    for (const DrainNode& node : drained) nodes.push_back(node.node_id);
    return SortedUnique(std::move(nodes));
  };
  ASSIGN_OR_RETURN(DrainScope scope, FindDrainScope(by, request.hosts, request.owner, remembered));
  Proposal<DrainChanges> proposal = ProposeFor(scope, request.plan);
  proposal.locks.with_history = true;
  proposal.decide = [scope = std::move(scope), owner = request.owner,
                     even_if_silent = request.even_if_silent](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DrainWriter(as, owner, snapshot, tx).Resume(scope, even_if_silent);
  };
  return proposal;
}

}  // namespace tallyman::control
