// A rollout: an upgrade of many nodes in waves, and how far it has come (docs/rollouts.md).
//
// What is stored is what was decided. How far a wave is, is counted from its nodes; why a node
// waits follows from the node, its host and the time.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/enum_text.h"
#include "base/result.h"
#include "model/command.h"
#include "model/ids.h"
#include "model/report.h"

namespace tallyman {

enum class RolloutState {
  kRunning,
  kPaused,
  kAborting,  // no node begins any more; what has begun is waited for
  kDone,
  kAborted,
};

template <>
struct EnumText<RolloutState> {
  static constexpr std::array<std::string_view, 5> kWords = {"running", "paused", "aborting",
                                                             "done", "aborted"};
};

constexpr bool HasEnded(RolloutState state) {
  return state == RolloutState::kDone || state == RolloutState::kAborted;
}

enum class RolloutNodeState {
  kWaiting,
  kReleased,  // its command was made; it runs, or runs its soak
  kHealthy,
  kFailed,
  kSkipped,    // somebody else changed it, or it is gone
  kWithdrawn,  // the rollout has ended without it
};

template <>
struct EnumText<RolloutNodeState> {
  static constexpr std::array<std::string_view, 6> kWords = {"waiting", "released", "healthy",
                                                             "failed",  "skipped",  "withdrawn"};
};

struct RolloutWave {
  int64_t size = 0;
  int64_t max_failures = 0;       // more of them pause the rollout
  int64_t accepted_failures = 0;  // those that somebody has seen and gone on
  bool pause_after = false;
  std::optional<Time> started_at = {};
  std::optional<Time> passed_at = {};

  friend bool operator==(const RolloutWave&, const RolloutWave&) = default;
};

// The numbers of a rollout, fixed when it is made.
struct RolloutSpec {
  // Nodes whose hosts are at work on them, in all and on each host.
  int64_t max_in_flight = 1;
  int64_t per_host = 1;
  // A node is healthy once it has run so long without a restart.
  std::chrono::microseconds soak = std::chrono::minutes(2);
  // A host that has not begun by then does not: the node waits again.
  std::chrono::microseconds begin_within = std::chrono::minutes(5);
  // From when its host has begun.
  std::chrono::microseconds healthy_within = std::chrono::minutes(30);
  // Without a node begun or judged for so long, the rollout pauses.
  std::chrono::microseconds no_progress = std::chrono::hours(1);

  friend bool operator==(const RolloutSpec&, const RolloutSpec&) = default;
};

struct Rollout {
  RolloutId id;
  std::string name;
  std::optional<OrgId> org_id;  // empty: of nodes of several orgs
  ImageId image_id;
  RolloutState state = RolloutState::kRunning;
  std::string why;   // of a pause
  int64_t wave = 0;  // the one that is released
  // The name of the rollout that this one takes back: each node gets the config that it had before
  // that. Empty: it takes all nodes to the image.
  std::string reverts;
  RolloutSpec spec;
  std::vector<RolloutWave> waves;
  std::string created_by;
  int64_t version = 1;
  Time created_at;
  Time progress_at;
  std::optional<Time> ended_at;
  std::optional<PolicyId> policy_id = {};  // that made it

  friend bool operator==(const Rollout&, const Rollout&) = default;
};

// Its spec, what it reverts, and its waves as a JSON object.
std::string PlanToJson(const Rollout& rollout);
// Into the rollout. DATA_LOSS ROLLOUT_UNREADABLE.
Status PlanFromJson(std::string_view text, Rollout& rollout);

struct RolloutNode {
  RolloutId rollout_id;
  NodeId node_id;
  HostId host_id;
  int64_t wave = 0;
  int64_t place = 0;  // the order within the rollout
  RolloutNodeState state = RolloutNodeState::kWaiting;
  std::string why;          // of a failure or a skip
  ConfigId from_config_id;  // it is upgraded from this config only
  // Of a revert: the node gets a config like this one. Empty: one on the rollout's image.
  std::optional<ConfigId> to_config_id;
  // It did not run when the rollout was made. Its failure says nothing of the new image.
  bool was_unwell = false;
  std::optional<CommandId> command_id;
  std::optional<Time> not_before;  // after a host that was busy or did not begin in time
  std::optional<Time> released_at;
  std::optional<Time> decided_at;

  friend bool operator==(const RolloutNode&, const RolloutNode&) = default;
};

// A node of a rollout with all that is known of it when it is judged or released.
struct RolloutNodeFacts {
  RolloutNode row;
  std::string node;  // its name
  std::string host;
  OrgId org_id;
  ConfigId config_id;
  NodeState node_state = NodeState::kRunning;
  bool live = true;
  bool has_pending = false;  // a command of it is open, taken or unknown
  bool is_drained = false;   // somebody drains its host
  // Of its command in the rollout.
  std::optional<CommandState> command;
  std::optional<Time> taken_at;
  std::optional<Time> ended_at;
  std::optional<Time> not_after;
  std::optional<ConfigId> target;
  // What its host says of it.
  std::optional<ConfigId> reported_config;
  std::optional<ReportedRun> run_state;
  std::optional<ReportedHealth> health;
  int64_t restarts = 0;  // since its config last changed
  // Of the host; empty: it was never heard.
  std::optional<Time> status_at;
  std::optional<Time> heard_at;
};

// How many nodes of a wave are in a state.
struct RolloutCount {
  int64_t wave = 0;
  RolloutNodeState state = RolloutNodeState::kWaiting;
  int64_t count = 0;
  int64_t unwell = 0;  // those of them that did not run before the rollout either
};

// What a step of a rollout is decided on.
struct RolloutView {
  Rollout rollout;
  std::vector<RolloutCount> counts;
  // All that are released, and failed ones whose hosts are still at work.
  std::vector<RolloutNodeFacts> released;
  // Waiting ones of the waves so far whose hosts were heard and are not drained, in their order, or
  // that are gone; of an aborting rollout those of all waves. Not all where there are many.
  std::vector<RolloutNodeFacts> waiting;
  // How many of the waves so far wait for hosts that are silent or drained; only where nothing else
  // waits.
  int64_t waiting_for_hosts = 0;
  // Healthy ones that do not run well any more; only where a gate may be passed.
  std::vector<RolloutNodeFacts> regressed;
  // Healthy, failed and skipped ones, if asked for.
  std::vector<RolloutNodeFacts> judged;
};

}  // namespace tallyman
