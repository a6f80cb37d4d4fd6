#include "tests/simulation/rollout_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/time.h"
#include "planner/rollout_step.h"

namespace tallyman {
namespace {

using namespace tallyman::store;
using enum RolloutNodeState;

constexpr int64_t kRowsMax = 10'000;
constexpr std::string_view kActor = "rollout:";

ListQuery AllBy(std::string order, std::vector<Condition> conditions = {}) {
  ListQuery query;
  query.conditions = std::move(conditions);
  query.order_by = std::move(order);
  query.limit = kRowsMax;
  return query;
}

bool IsInMotion(CommandState state) {
  return state == CommandState::kOpen || state == CommandState::kTaken;
}

// Whether its host has begun this attempt: one that is open again still shows when the last began.
bool HasBegun(const Command& command) {
  const bool never_by_itself = command.state == CommandState::kOpen ||
                               command.state == CommandState::kCancelled ||
                               command.state == CommandState::kSuperseded;
  return command.taken_at && !never_by_itself;
}

bool IsOpen(RolloutNodeState state) { return state == kWaiting || state == kReleased; }

bool BeginsWith(const std::string& text, std::string_view word) { return text.starts_with(word); }

}  // namespace

Status RolloutRules::See(ReadTx& tx, Time now) {
  const size_t known = releases_.size();
  only_rollouts_ = true;
  RETURN_IF_ERROR(SeeCommands(tx));
  RETURN_IF_ERROR(SeeEvents(tx));
  RETURN_IF_ERROR(SeeLedger(tx));
  ASSIGN_OR_RETURN(const auto rows, tx.ListRollouts(AllBy("name")));
  for (const RolloutRow& row : rows) RETURN_IF_ERROR(SeeRollout(tx, now, row));
  std::map<NodeId, std::string> open;
  for (const auto& [name, seen] : rollouts_) {
    for (const auto& [node, row] : seen.rows) {
      if (!IsOpen(row.state)) continue;
      const auto [other, is_new] = open.emplace(node, name);
      if (!is_new) Break(fmt::format("a node is in rollouts {} and {}", other->second, name));
    }
  }
  for (size_t i = known; i < releases_.size(); ++i) {
    if (!rollouts_.contains(releases_[i].rollout))
      Break("a release is of no rollout: " + releases_[i].rollout);
  }
  return {};
}

Status RolloutRules::SeeEvents(ReadTx& tx) {
  ASSIGN_OR_RETURN(const auto events,
                   tx.ListEvents(AllBy("cursor", {{"cursor", Comparison::kGreater, cursor_}})));
  std::map<NodeId, std::vector<Event>> started;
  for (const EventRow& row : events) {
    cursor_ = row.event.cursor;
    only_rollouts_ = only_rollouts_ && row.event.actor_id.starts_with(kActor);
    if (row.event.kind == EventKind::kUpgradeStarted)
      started[*row.event.node_id].push_back(row.event);
  }
  for (const auto& [node, of_node] : started) RETURN_IF_ERROR(SeeStarted(tx, of_node));
  return {};
}

// Upgrades of one node that were begun since, in their order: each is one command.
Status RolloutRules::SeeStarted(ReadTx& tx, const std::vector<Event>& started) {
  const NodeId& node = *started.front().node_id;
  ASSIGN_OR_RETURN(
      auto rows, tx.ListCommands(AllBy("id", {{"node_id", Comparison::kEqual, node.ToString()}})));
  std::erase_if(rows, [&](const CommandRow& row) {
    return row.command.kind != CommandKind::kUpgrade || !upgrades_.insert(row.command.id).second;
  });
  std::ranges::sort(rows, {}, [](const CommandRow& row) { return row.command.seq; });
  if (rows.size() != started.size()) {
    Break(
        fmt::format("{} upgrades of a node began, with {} commands", started.size(), rows.size()));
    return {};
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const Event& event = started[i];
    if (!event.actor_id.starts_with(kActor)) continue;
    RETURN_IF_ERROR(SeeRelease(
        tx, {event.actor_id.substr(kActor.size()), rows[i].command, rows[i].node}, event));
  }
  return {};
}

Status RolloutRules::SeeRelease(ReadTx& tx, Release release, const Event& event) {
  release.may_begin_until = release.command.not_after;
  for (const Release& before : releases_) {
    if (before.rollout != release.rollout || before.command.node_id != release.command.node_id)
      continue;
    if (before.command.state != CommandState::kCancelled)
      Break(fmt::format("rollout {} has released node {} twice", release.rollout, release.node));
    coverage_.Saw(Situation::kReleasedAgain);
  }
  ASSIGN_OR_RETURN(
      const auto trail,
      tx.ListRequests(AllBy("created_at", {{"request_id", Comparison::kEqual, event.request_id}})));
  const bool leads_there = std::ranges::any_of(
      trail, [&](const RequestRow& row) { return row.record.key.actor_id == event.actor_id; });
  if (!leads_there)
    Break(fmt::format("the trail does not tell that rollout {} upgraded node {}", release.rollout,
                      release.node));
  releases_.push_back(std::move(release));
  return {};
}

Status RolloutRules::SeeCommands(ReadTx& tx) {
  for (Release& release : releases_) {
    Command& command = release.command;
    if (!IsPending(command.state)) continue;
    ASSIGN_OR_RETURN(const auto row, tx.FindCommand(command.id));
    if (!row) {
      Break("an upgrade of node " + release.node + " is forgotten before it has ended");
      continue;
    }
    command = row->command;
    if (command.taken_at && release.may_begin_until && *command.taken_at > *release.may_begin_until)
      Break("node " + release.node + " began its upgrade by a rollout too late");
    if (command.state == CommandState::kCancelled && command.ended_at > command.not_after)
      coverage_.Saw(Situation::kPassedBy);
  }
  return {};
}

// What a release takes was free: beside what was charged, also what was held.
Status RolloutRules::SeeLedger(ReadTx& tx) {
  ASSIGN_OR_RETURN(const auto hosts, tx.ListHosts(AllBy("name")));
  for (const HostRow& row : hosts) {
    const Host& host = row.host;
    int64_t& seen = ledgers_[host.id];
    ASSIGN_OR_RETURN(const auto entries, tx.HostLedger(host.id, seen, kRowsMax));
    for (const LedgerEntry& entry : entries) {
      seen = entry.seq;
      if (!entry.actor_id.starts_with(kActor)) continue;
      const bool is_release = std::ranges::any_of(releases_, [&](const Release& release) {
        return release.command.node_id == entry.node_id &&
               release.command.created_at == entry.created_at &&
               kActor.size() + release.rollout.size() == entry.actor_id.size() &&
               entry.actor_id.ends_with(release.rollout);
      });
      if (!is_release) Break("books of " + host.name + " changed by a rollout without a release");
      for (const Dimension dimension : kDimensions) {
        if (entry.delta.allocated.get(dimension) <= 0) continue;
        const int64_t held = only_rollouts_ ? host.held.get(dimension) : 0;
        if (entry.balance.allocated.get(dimension) + held > host.capacity.get(dimension))
          Break(fmt::format("{} takes more {} of {} than there is", entry.actor_id,
                            ToText(dimension), host.name));
      }
    }
  }
  return {};
}

Status RolloutRules::SeeRollout(ReadTx& tx, Time now, const RolloutRow& row) {
  const Rollout& rollout = row.rollout;
  const auto [found, is_new] = rollouts_.try_emplace(rollout.name);
  Seen& seen = found->second;
  if (!is_new && HasEnded(seen.rollout.state)) {
    if (!(seen.rollout == rollout)) Break("rollout " + rollout.name + " goes on after its end");
    return {};
  }
  ASSIGN_OR_RETURN(const Rows rows, tx.ListRolloutNodes(AllBy(
                                        "place", {{"rollout", Comparison::kEqual, rollout.name}})));
  for (const RolloutNodeRow& node : rows) {
    const RolloutNode& now_is = node.facts.row;
    const auto before = seen.rows.find(now_is.node_id);
    const bool changed = before == seen.rows.end() || before->second.state != now_is.state;
    if (before != seen.rows.end() && !IsOpen(before->second.state) && !(before->second == now_is))
      Break(fmt::format("rollout {} has decided node {} twice", rollout.name, node.facts.node));
    if (changed) SeeVerdict(rollout, node.facts);
    const bool is_known = std::ranges::any_of(releases_, [&](const Release& release) {
      return release.rollout == rollout.name && release.command.id == now_is.command_id;
    });
    if (now_is.state == kReleased && !is_known)
      Break(fmt::format("nobody can tell that {} released node {}", rollout.name, node.facts.node));
    if (rollout.org_id && node.facts.org_id != *rollout.org_id)
      Break(fmt::format("rollout {} has node {} of another org", rollout.name, node.facts.node));
  }
  if (const auto by = by_.find(rollout.name);
      by != by_.end() && by->second && rollout.org_id != by->second)
    Break("rollout " + rollout.name + " is not of the org of who made it");
  const RolloutState before = is_new ? RolloutState::kRunning : seen.rollout.state;
  SeeBudgets(rollout);
  SeeGates(rollout, rows);
  if (rollout.state == RolloutState::kPaused && before != RolloutState::kPaused)
    SeePause(rollout, rows, now);
  if (HasEnded(rollout.state)) SeeEnded(rollout, rows);
  seen.rollout = rollout;
  seen.rows.clear();
  for (const RolloutNodeRow& node : rows) seen.rows.emplace(node.facts.row.node_id, node.facts.row);
  SeeQuiet(rollout.name, seen);
  return {};
}

// Counted from commands, whatever the rollout thinks.
void RolloutRules::SeeBudgets(const Rollout& rollout) {
  int64_t all = 0;
  std::map<HostId, int64_t> on_host;
  for (const Release& release : releases_) {
    if (release.rollout != rollout.name || !IsInMotion(release.command.state)) continue;
    ++all;
    if (++on_host[release.command.host_id] > rollout.spec.per_host)
      Break("a host is at work on more nodes of rollout " + rollout.name + " than it may");
  }
  if (all > rollout.spec.max_in_flight)
    Break("more nodes are in motion than rollout " + rollout.name + " may move");
}

Status RolloutRules::Quieted(ReadTx& tx, Time now, const std::string& rollout) {
  RETURN_IF_ERROR(See(tx, now));
  auto& begun = rollouts_[rollout].begun;
  if (!begun) begun.emplace();
  for (const Release& release : releases_)
    if (release.rollout == rollout && HasBegun(release.command))
      begun->insert({release.command.id, release.command.attempt});
  return {};
}

// After the answer to a pause or an abort no host begins.
void RolloutRules::SeeQuiet(const std::string& name, const Seen& seen) {
  if (!seen.begun) return;
  for (const Release& release : releases_) {
    const Command& command = release.command;
    if (release.rollout != name || !HasBegun(command)) continue;
    if (!seen.begun->contains({command.id, command.attempt}))
      Break(fmt::format("node {} begins its upgrade although rollout {} is {}", release.node, name,
                        ToText(seen.rollout.state)));
  }
}

void RolloutRules::SeeGates(const Rollout& rollout, const Rows& rows) {
  std::map<NodeId, const RolloutNode*> by_node;
  for (const RolloutNodeRow& row : rows) by_node[row.facts.row.node_id] = &row.facts.row;
  const auto decided_by = [](const RolloutNode& row, Time at) {
    return row.decided_at && *row.decided_at <= at;
  };
  for (size_t i = 0; i < rollout.waves.size(); ++i) {
    if (!rollout.waves[i].passed_at) continue;
    const Time passed = *rollout.waves[i].passed_at;
    bool shown = false;
    bool all = true;
    for (const auto& [node, row] : by_node) {
      if (row->wave > static_cast<int64_t>(i)) continue;
      if (row->released_at && *row->released_at < passed && !decided_by(*row, passed))
        Break(fmt::format("wave {} of {} has passed with a node that is not decided", i + 1,
                          rollout.name));
      if (row->wave < static_cast<int64_t>(i)) continue;
      shown = shown || (row->state == kHealthy && decided_by(*row, passed));
      all = all && decided_by(*row, passed);
    }
    if (!shown && !all)
      Break(fmt::format("wave {} of {} has passed, and has shown nothing", i + 1, rollout.name));
  }
  for (const Release& release : releases_) {
    if (release.rollout != rollout.name) continue;
    const auto row = by_node.find(release.command.node_id);
    if (row == by_node.end()) {
      Break(fmt::format("rollout {} has released node {}, which it does not have", rollout.name,
                        release.node));
      continue;
    }
    const Time at = release.command.created_at;
    if (release.may_begin_until != at + rollout.spec.begin_within)
      Break(fmt::format("node {} may not begin its upgrade as long as {} says", release.node,
                        rollout.name));
    for (int64_t i = 0; i < row->second->wave; ++i) {
      const auto& passed = rollout.waves[static_cast<size_t>(i)].passed_at;
      if (!passed || *passed > at)
        Break(fmt::format("node {} of wave {} is released before wave {} has passed", release.node,
                          row->second->wave + 1, i + 1));
    }
    for (int64_t i = 0; i <= rollout.wave; ++i) {
      const RolloutWave& wave = rollout.waves[static_cast<size_t>(i)];
      const int64_t failed = std::ranges::count_if(rows, [&](const RolloutNodeRow& other) {
        const RolloutNode& node = other.facts.row;
        return node.wave == i && node.state == kFailed && node.decided_at && *node.decided_at < at;
      });
      if (failed - wave.accepted_failures > wave.max_failures)
        Break(fmt::format("node {} is released although {} have failed in wave {}", release.node,
                          failed, i + 1));
    }
  }
}

// Each decision about a node, once.
void RolloutRules::SeeVerdict(const Rollout& rollout, const RolloutNodeFacts& node) {
  const RolloutNode& row = node.row;
  const bool needs_why = row.state == kFailed || row.state == kSkipped;
  if (needs_why && row.why.empty())
    Break(fmt::format("node {} is {} in {}, and nobody says why", node.node, ToText(row.state),
                      rollout.name));
  if (row.state == kFailed) coverage_.Saw(Situation::kNodeFailed);
  if (row.state == kFailed && row.why == "RESTARTED") coverage_.Saw(Situation::kRestartedInSoak);
  if (row.state == kSkipped) coverage_.Saw(Situation::kNodeSkipped);
  if (row.state != kHealthy) return;
  coverage_.Saw(Situation::kNodeHealthy);
  if (!row.why.empty()) return;  // it was stopped by somebody
  const LastStatus& status = statuses_[row.host_id];
  if (!node.ended_at || !node.target) return Break("a node is healthy without an upgrade");
  const Time soaked = *node.ended_at + rollout.spec.soak;
  // How long a message was under way, a server cannot know.
  const Time until = status.came_late ? status.made : std::max(status.made, soaked);
  if (!machines_.Ran(row.node_id, *node.target, *node.ended_at, until))
    Break(fmt::format("node {} is healthy in {}, and has not run from {} to {}: {}", node.node,
                      rollout.name, ToMicros(*node.ended_at), ToMicros(until),
                      machines_.Describe(row.node_id)));
}

// Why a rollout has paused can be seen.
void RolloutRules::SeePause(const Rollout& rollout, const Rows& rows, Time now) {
  const std::string& why = rollout.why;
  bool is_true = false;
  if (BeginsWith(why, planner::kPausedForFailures)) {
    coverage_.Saw(Situation::kPausedForFailures);
    for (size_t i = 0; i < rollout.waves.size(); ++i) {
      const int64_t failed = std::ranges::count_if(rows, [&](const RolloutNodeRow& row) {
        return row.facts.row.wave == static_cast<int64_t>(i) && row.facts.row.state == kFailed;
      });
      is_true =
          is_true || failed - rollout.waves[i].accepted_failures > rollout.waves[i].max_failures;
    }
  } else if (BeginsWith(why, planner::kPausedForNoProgress)) {
    coverage_.Saw(Situation::kPausedForNoProgress);
    is_true = now - rollout.progress_at > rollout.spec.no_progress;
  } else if (BeginsWith(why, planner::kPausedAfterWave)) {
    coverage_.Saw(Situation::kPausedAfterWave);
    is_true = rollout.wave > 0 && rollout.waves[static_cast<size_t>(rollout.wave - 1)].pause_after;
  } else if (BeginsWith(why, planner::kPausedByHand)) {
    coverage_.Saw(Situation::kPausedByHand);
    is_true = true;
  }
  if (!is_true)
    Break(fmt::format("rollout {} has paused, and this is not so: {}", rollout.name, why));
}

void RolloutRules::SeeEnded(const Rollout& rollout, const Rows& rows) {
  const bool done = rollout.state == RolloutState::kDone;
  coverage_.Saw(done ? Situation::kRolloutDone : Situation::kRolloutAborted);
  if (!rollout.ended_at) Break("rollout " + rollout.name + " has ended, and nobody knows when");
  int64_t planned = 0;
  for (const RolloutWave& wave : rollout.waves) planned += wave.size;
  if (planned != std::ssize(rows))
    Break(fmt::format("rollout {} planned {} nodes and decided {}", rollout.name, planned,
                      rows.size()));
  for (const RolloutNodeRow& row : rows) {
    const RolloutNodeState state = row.facts.row.state;
    if (IsOpen(state) || (done && state == kWithdrawn))
      Break(fmt::format("rollout {} has ended, and node {} is {}", rollout.name, row.facts.node,
                        ToText(state)));
  }
  for (const Release& release : releases_) {
    if (!done && release.rollout == rollout.name && IsInMotion(release.command.state))
      Break(fmt::format("rollout {} is aborted, and node {} is in motion", rollout.name,
                        release.node));
  }
}

}  // namespace tallyman
