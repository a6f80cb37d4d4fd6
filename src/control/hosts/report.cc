// Taking a host's report: what it says is applied to the nodes by planner/lifecycle, under their
// locks. A first look, without locks, finds out which nodes there is anything new about: most
// reports are heartbeats, and those lock no node and no host.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "base/sorted_unique.h"
#include "control/change_host.h"
#include "control/hosts/incidents.h"
#include "control/hosts/reports.h"
#include "control/liveness.h"
#include "control/lots/decide.h"
#include "control/nodes/node_step.h"

namespace tallyman::control {
namespace {

constexpr size_t kEntriesMax = 1000;
constexpr size_t kNodesMax = 10'000;
constexpr size_t kWarningsMax = 100;
// Of nodes that are not on the host: what is kept of a status, for people who look for what runs
// there. Without a bound a host could fill the database with nodes that do not exist.
constexpr size_t kUnknownKept = 100;
// From one report to the next. A number beyond it is an attack or a fault, and would leave an
// honest agent none to go on with; a join begins again from 1.
constexpr int64_t kSequenceStepMax = int64_t{1} << 32;
constexpr std::chrono::microseconds kRetryAfterMax = std::chrono::days(7);

Status CheckSizes(const ReportRequest& request) {
  if (request.sequence < 1)
    return Fail(OutOfBounds("sequence", fmt::format("is {}: count from 1", request.sequence)));
  if (request.acks.size() > kEntriesMax)
    return Fail(OutOfBounds("acks", fmt::format("has more than {} items", kEntriesMax)));
  if (request.outcomes.size() > kEntriesMax)
    return Fail(OutOfBounds("outcomes", fmt::format("has more than {} items", kEntriesMax)));
  for (const ReportRequest::Outcome& outcome : request.outcomes) {
    if (outcome.outcome.retry_after >= std::chrono::microseconds(0) &&
        outcome.outcome.retry_after <= kRetryAfterMax)
      continue;
    return Fail(OutOfBounds("outcomes.retry_after", "is not between 0 and 7 days"));
  }
  return {};
}

Status CheckStatus(const ReportRequest::Status& status) {
  if (status.nodes.size() > kNodesMax)
    return Fail(OutOfBounds("status.nodes", fmt::format("has more than {} items", kNodesMax)));
  if (status.capacity.AnyNegative())
    return Fail(OutOfBounds("status.capacity", "is negative in some dimension"));
  std::set<NodeId> seen;
  for (const NodeReport& node : status.nodes) {
    if (!seen.insert(node.node_id).second) {
      return Fail(
          OutOfBounds("status.nodes", fmt::format("names node {} twice", node.node_id.ToString())));
    }
    if (node.limits.AnyNegative())
      return Fail(OutOfBounds("status.nodes.limits", "are negative in some dimension"));
    RETURN_IF_ERROR(CheckTold(node));
  }
  if (status.reserved && status.reserved->AnyNegative())
    return Fail(OutOfBounds("status.reserved", "is negative in some dimension"));
  return {};
}

// A host's report on its way: what it says of which node, and which nodes it is about.
class Report {
 public:
  Report(const HostId& host, ReportRequest request) : host_(host), request_(std::move(request)) {}

  // Looks, without locks, what there is to do.
  Status Prepare(Control& control) {
    return control.store().Read([&](store::ReadTx& tx) -> Status {
      locks_ = {};
      warnings_.clear();
      said_.clear();
      unknown_.clear();
      locks_.report_hosts = {host_};
      for (const auto& ack : request_.acks) locks_.commands.push_back(ack.id);
      for (const auto& outcome : request_.outcomes) locks_.commands.push_back(outcome.id);
      store::LockSet wanted;
      wanted.commands = locks_.commands;
      // What was last heard comes with the larger of the reads.
      if (!request_.status) wanted.report_hosts = {host_};
      ASSIGN_OR_RETURN(store::Snapshot places, tx.Load(wanted));
      if (!request_.status) LookAtSilence(control, places);
      for (const auto& [id, place] : places.commands) {
        if (place.host_id == host_) locks_.nodes.push_back(place.node_id);
      }
      if (request_.status) RETURN_IF_ERROR(LookAtNodes(control, tx));
      RETURN_IF_ERROR(LookAtIncidents(tx));
      locks_.nodes = SortedUnique(std::move(locks_.nodes));
      locks_.with_history = !locks_.nodes.empty();
      for (const auto& outcome : request_.outcomes) {
        auto place = places.commands.find(outcome.id);
        if (place == places.commands.end() || !outcome.outcome.config_id) continue;
        locks_.node_configs.push_back({place->second.node_id, *outcome.outcome.config_id});
      }
      for (const NodeId& id : locks_.nodes) {
        auto said = said_.find(id);
        if (said != said_.end() && said->second.config_id)
          locks_.node_configs.push_back({id, *said->second.config_id});
      }
      locks_.node_configs = SortedUnique(std::move(locks_.node_configs));
      return {};
    });
  }

  const store::LockSet& locks() const { return locks_; }

  Result<Decided<ReportAnswer>> Decide(const Authorized& by,
                                       const store::Snapshot& snapshot) const {
    const Time now = by.control().clock().Now();
    ReportAnswer answer;
    auto last = snapshot.host_reports.find(host_);
    if (last != snapshot.host_reports.end() && request_.sequence <= last->second.sequence) {
      answer.ignored = true;
      answer.incidents_processed = last->second.incident_number;
      answer.next_sequence = last->second.sequence + 1;
      return Decided<ReportAnswer>{{.leaves_trail = false}, std::move(answer)};
    }
    const int64_t before = last == snapshot.host_reports.end() ? 0 : last->second.sequence;
    if (request_.sequence - before > kSequenceStepMax) {
      return Fail(OutOfBounds("sequence",
                              fmt::format("is {} after {}: count by one; if the agent cannot, it "
                                          "has to join again",
                                          request_.sequence, before)));
    }
    answer.next_sequence = request_.sequence + 1;
    answer.warnings = warnings_;
    std::map<NodeId, planner::NodeLifecycle> lives;
    for (const NodeId& id : locks_.nodes) {
      if (auto node = snapshot.nodes.find(id); node != snapshot.nodes.end())
        lives.emplace(id, planner::NodeLifecycle(node->second, now));
    }
    Apply(snapshot, lives, answer);
    ASSIGN_OR_RETURN(Writes writes, Write(by, snapshot, lives));
    answer.incidents_processed =
        last == snapshot.host_reports.end() ? 0 : last->second.incident_number;
    TellIncidents(by.cause(), answer.incidents_processed, writes);
    AddReports(now, answer.incidents_processed, writes.rows);
    return Decided<ReportAnswer>{std::move(writes), std::move(answer)};
  }

 private:
  // A host that is heard for the first time, or may have been marked as silent, is locked for it.
  void LookAtSilence(Control& control, const store::Snapshot& snapshot) {
    auto last = snapshot.host_reports.find(host_);
    const Time marked_before = control.clock().Now() - control.policies().host_silent;
    if (last == snapshot.host_reports.end() || last->second.heard_at < marked_before)
      locks_.hosts = {host_};
  }

  // Adds those nodes to the locks of which the status says something new.
  Status LookAtNodes(Control& control, store::ReadTx& tx) {
    const Time now = control.clock().Now();
    store::LockSet wanted;
    wanted.with_history = true;
    for (const NodeReport& node : request_.status->nodes) {
      said_[node.node_id] = node;
      wanted.nodes.push_back(node.node_id);
      if (node.config_id) wanted.node_configs.push_back({node.node_id, *node.config_id});
    }
    if (request_.status->complete) {
      ASSIGN_OR_RETURN(auto live, tx.LiveNodesOf(host_));
      for (const NodeId& id : live) {
        // Of what it does not name there is nothing.
        if (said_.contains(id)) continue;
        said_[id].node_id = id;
        wanted.nodes.push_back(id);
      }
    }
    wanted.report_hosts = {host_};
    ASSIGN_OR_RETURN(const store::Snapshot snapshot, tx.Load(wanted));
    LookAtSilence(control, snapshot);
    for (const NodeId& id : wanted.nodes) {
      auto found = snapshot.nodes.find(id);
      if (found == snapshot.nodes.end() || found->second.node.host_id != host_) {
        Warn("UNKNOWN_NODE", fmt::format("node {} is not on this host", id.ToString()));
        said_.erase(id);
        unknown_.insert(id);
        continue;
      }
      const NodeSnapshot& node = found->second;
      planner::NodeLifecycle life(node, now);
      if (std::string_view reason = life.Status(said_.at(id)); !reason.empty()) {
        Warn(reason, fmt::format("node {} has never had the config that the host reports in place",
                                 node.node.name));
      }
      if (node.node.deleted_at && said_.at(id).config_id)
        Warn("NODE_DELETED", fmt::format("node {} is deleted, but still runs", node.node.name));
      if (life.changed()) locks_.nodes.push_back(id);
    }
    return {};
  }

  // Whose the nodes are that something happened to. An org that changes before the report is
  // written does not matter: it was of this one when it was told of.
  Status LookAtIncidents(store::ReadTx& tx) {
    incident_orgs_.clear();
    store::LockSet wanted;
    for (const Incident& incident : request_.incidents)
      if (incident.node_id) wanted.nodes.push_back(*incident.node_id);
    if (wanted.nodes.empty()) return {};
    wanted.nodes = SortedUnique(std::move(wanted.nodes));
    ASSIGN_OR_RETURN(const store::Snapshot snapshot, tx.Load(wanted));
    for (const NodeId& id : wanted.nodes) {
      auto found = snapshot.nodes.find(id);
      if (found != snapshot.nodes.end() && found->second.node.host_id == host_) {
        incident_orgs_[id] = found->second.node.org_id;
      } else {
        Warn("UNKNOWN_NODE",
             fmt::format("an incident names node {}, which is not on this host", id.ToString()));
      }
    }
    return {};
  }

  // Adds the events of what is beyond `processed`, and moves it on.
  void TellIncidents(const planner::Cause& cause, int64_t& processed, Writes& writes) const {
    std::map<std::pair<NodeId, ReportedIncident>, int64_t> counts;
    for (const Incident& incident : request_.incidents) {
      if (incident.number <= processed) continue;
      processed = incident.number;
      std::optional<OrgId> org;
      if (incident.node_id) {
        auto known = incident_orgs_.find(*incident.node_id);
        if (known == incident_orgs_.end()) continue;
        org = known->second;
        counts[{*incident.node_id, incident.kind}] += incident.count;
      }
      writes.rows.events.push_back(EventOf(incident, cause, host_, org));
      writes.incidents[incident.kind] += incident.count;
      writes.leaves_trail = true;
    }
    for (const auto& [key, count] : counts)
      writes.rows.node_incidents.push_back(
          {.node_id = key.first, .kind = key.second, .count = count});
  }

  void Warn(std::string_view reason, std::string message) {
    if (warnings_.size() == kWarningsMax) return;
    warnings_.push_back({std::string(reason), std::move(message), host_, {}, {}});
  }

  void Apply(const store::Snapshot& snapshot, std::map<NodeId, planner::NodeLifecycle>& lives,
             ReportAnswer& answer) const {
    // Those of other hosts are not among the nodes.
    auto life_of = [&](const CommandId& id) -> planner::NodeLifecycle* {
      auto place = snapshot.commands.find(id);
      if (place == snapshot.commands.end()) return nullptr;
      auto life = lives.find(place->second.node_id);
      return life == lives.end() ? nullptr : &life->second;
    };
    for (const auto& ack : request_.acks) {
      planner::NodeLifecycle* life = life_of(ack.id);
      answer.acks.push_back(
          {.id = ack.id,
           .attempt = ack.attempt,
           .reason = life == nullptr ? planner::kCommandUnknown : life->Ack(ack.id, ack.attempt)});
    }
    for (const auto& outcome : request_.outcomes) {
      planner::NodeLifecycle* life = life_of(outcome.id);
      ReportAnswer::Verdict& verdict = answer.outcomes.emplace_back();
      verdict.id = outcome.id;
      verdict.attempt = outcome.attempt;
      verdict.reason = planner::kCommandUnknown;
      if (life == nullptr) continue;
      verdict.reason = life->Outcome(outcome.id, outcome.attempt, outcome.outcome);
      verdict.state = life->StateOf(outcome.id);
      if (!verdict.state) verdict.state = snapshot.commands.at(outcome.id).state;
    }
    if (!request_.status) return;
    for (auto& [id, life] : lives) {
      if (auto said = said_.find(id); said != said_.end()) life.Status(said->second);
    }
  }

  // Rows for the nodes that changed, and for the host where it was not heard.
  Result<Writes> Write(const Authorized& by, const store::Snapshot& snapshot,
                       const std::map<NodeId, planner::NodeLifecycle>& lives) const {
    NodeWriter writer(by);
    std::vector<const NodeSnapshot*> nodes;
    for (const auto& [id, life] : lives)
      if (life.changed()) nodes.push_back(&snapshot.nodes.at(id));
    ASSIGN_OR_RETURN(std::vector<const HostSnapshot*> hosts, HostsOf(snapshot, nodes));
    ASSIGN_OR_RETURN(const HostSnapshot* unheard, Unheard(by.control().policies(), snapshot));
    if (unheard != nullptr && std::ranges::find(hosts, unheard) == hosts.end())
      hosts.push_back(unheard);
    ASSIGN_OR_RETURN(
        planner::BooksPlan books,
        planner::BooksPlan::Begin(hosts, nodes, by.control().policies(), writer.cause()));
    for (const NodeSnapshot* node : nodes)
      RETURN_IF_ERROR(WriteStep(writer, books, *node, lives.at(node->node.id)));
    Decided<Changes> decided = writer.Finish(books);
    if (unheard != nullptr)
      MarkHeard(ChangedHost(books, host_, writer.cause(), decided), writer.cause(), decided.rows);
    decided.leaves_trail = !hosts.empty();
    return static_cast<Writes&&>(decided);
  }

  // The host itself, where this report changes what is known of it; else null.
  Result<const HostSnapshot*> Unheard(const planner::Policies& policies,
                                      const store::Snapshot& snapshot) const {
    if (locks_.hosts.empty()) return nullptr;
    ASSIGN_OR_RETURN(const HostSnapshot* host, RequireRow(snapshot.hosts, "host", host_));
    if (LivenessOf(host->host) == Liveness::kLive) return nullptr;
    // Books that nobody may heal do not make a host unheard of: its mark waits for them.
    const bool may_heal = policies.drift == planner::DriftPolicy::kHeal;
    return may_heal || planner::FindDrift(*host, {}).empty() ? host : nullptr;
  }

  void AddReports(Time now, int64_t incident_number, ChangeSet& changes) const {
    HostReport& heard = changes.host_reports.emplace_back();
    heard.host_id = host_;
    heard.sequence = request_.sequence;
    heard.heard_at = now;
    heard.incident_number = incident_number;
    if (!request_.status) return;
    if (request_.status->complete) heard.status_at = now;
    heard.capacity = request_.status->capacity;
    heard.agent_version = request_.status->agent_version;
    heard.reserved = request_.status->reserved;
    heard.thin_disks = request_.status->thin_disks;
    heard.problem = request_.status->problem;
    heard.unknown_nodes = std::ssize(unknown_);
    changes.status_reports.push_back({.host_id = host_,
                                      .nodes = KeptNodes(),
                                      .complete = request_.status->complete,
                                      .at = now,
                                      .forgets_unknown = !unknown_.empty()});
  }

  // All that are on this host, and a few of the others, each time the same, without what a host may
  // tell at length.
  std::vector<NodeReport> KeptNodes() const {
    std::vector<NodeReport> kept;
    const auto end = std::next(
        unknown_.begin(), static_cast<std::ptrdiff_t>(std::min(unknown_.size(), kUnknownKept)));
    for (const NodeReport& node : request_.status->nodes) {
      if (!unknown_.contains(node.node_id)) {
        kept.push_back(node);
      } else if (end == unknown_.end() || node.node_id < *end) {
        NodeReport& unknown = kept.emplace_back(node);
        unknown.last_end.reset();
        unknown.health_message.clear();
        unknown.problem.clear();
      }
    }
    return kept;
  }

  const HostId host_;
  const ReportRequest request_;
  store::LockSet locks_;
  std::map<NodeId, NodeReport> said_;      // of our nodes on this host, by the status
  std::set<NodeId> unknown_;               // that the status names, and that are not on this host
  std::map<NodeId, OrgId> incident_orgs_;  // of our nodes on this host that something happened to
  std::vector<planner::Warning> warnings_;
};

}  // namespace

Result<Proposal<ReportAnswer>> ReportOfHost(const Authorized& by, ReportRequest request) {
  ASSIGN_OR_RETURN(const HostId host, HostOf(by.actor()));
  RETURN_IF_ERROR(CheckSizes(request));
  if (request.status) RETURN_IF_ERROR(CheckStatus(*request.status));
  RETURN_IF_ERROR(CheckIncidents(request.incidents));
  BoundTold(request);
  auto report = std::make_shared<Report>(host, std::move(request));
  RETURN_IF_ERROR(report->Prepare(by.control()));
  Proposal<ReportAnswer> proposal{.locks = report->locks()};
  proposal.rows = std::max<int64_t>(1, std::ssize(report->locks().nodes));
  proposal.decide = [report](const Authorized& as, const store::Snapshot& snapshot,
                             store::ReadTx&) { return report->Decide(as, snapshot); };
  return proposal;
}

}  // namespace tallyman::control
