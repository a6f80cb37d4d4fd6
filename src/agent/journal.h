// The agent's durable state: the commands it has fetched with their stages and outcomes, the
// intended state of each node, incidents not reported yet, and the number of the next report.
//
// A write-ahead journal: a step is written here before it is taken. A restarted agent reads the
// journal and takes the step again; every step of a Runtime is idempotent.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/runtime.h"
#include "base/clock.h"
#include "base/enum_text.h"
#include "base/result.h"
#include "model/command.h"
#include "model/ids.h"
#include "model/report.h"

namespace tallyman::agent {

// The stage of a command. From kFetched to kDone they are taken in this order, each kind of command
// using its own selection; the undo stages follow a failed step:
//
//   fetched -> accepted -> prepare -> stop -> install -> start -> await -------------> done
//                                       \________\________\_______\-> undo_stop ->
//                               undo_install -> undo_start -> undo_await ------------> done
//   accepted -> remove -> done (delete)
enum class Stage {
  kFetched,   // its acknowledgement is not accepted yet: it must not begin
  kAccepted,  // may be begun
  kPrepare,
  kStop,
  kInstall,
  kStart,
  kAwait,  // that it becomes healthy
  kUndoStop,
  kUndoInstall,
  kUndoStart,
  kUndoAwait,
  kRemove,
  kDone,  // has an outcome, which is reported until it was processed
};

// The results that an agent gives; proto/tallyman/v1/agent.proto defines them.
enum class CommandResult {
  kOk,
  kRollback,
  kFailure,
  kBlockingJobRunning,
  kNotSupported,
  kNodeNotFound,
  kInternalError
};

enum class RunState { kNone, kRunning, kStopped, kFailed };

struct CommandOutcome {
  CommandResult result = CommandResult::kOk;
  // What is in place afterwards, running or stopped on purpose; empty: nothing.
  std::optional<ConfigId> config_id;
  RunState run_state = RunState::kNone;
  int64_t retry_after_seconds = 0;
  std::string message;

  friend bool operator==(const CommandOutcome&, const CommandOutcome&) = default;
};

struct JournalCommand {
  CommandId id;
  NodeId node_id;
  int64_t seq = 0;
  int64_t attempt = 1;
  CommandKind kind = CommandKind::kCreate;
  std::string payload;
  Stage stage = Stage::kFetched;
  // Why it is being undone; the message of the outcome to come.
  std::string failure;
  // The undo was incomplete.
  bool undo_incomplete = false;
  CommandOutcome outcome;  // kDone only

  bool IsPending() const { return stage != Stage::kDone; }
  friend bool operator==(const JournalCommand&, const JournalCommand&) = default;
};

// The repair still due for a node whose command failed and could not be undone.
enum class Mending { kNothing, kPutBack, kRemove };

// The intended state of a node: the last that worked.
struct JournalNode {
  NodeId node_id;
  std::string payload;
  bool should_run = true;
  // A command failed and left nothing that works.
  bool failed = false;
  // For a failed node: kPutBack restores what the payload says, kRemove removes the leftovers of a
  // create, after which the journal does not know the node.
  Mending mending = Mending::kNothing;
  // How often it was restarted since the last command that changed its config, and how it ended
  // last.
  int64_t restarts = 0;
  std::optional<ReportedEnd> last_end = {};

  friend bool operator==(const JournalNode&, const JournalNode&) = default;
};

struct JournalIncident {
  int64_t number = 0;
  ReportedIncident kind = ReportedIncident::kHostProblem;
  std::optional<NodeId> node_id = {};  // empty: the host itself
  Time at{};
  int64_t count = 1;
  std::string message = {};
  std::optional<ReportedEnd> end = {};

  friend bool operator==(const JournalIncident&, const JournalIncident&) = default;
};

struct JournalState {
  std::map<CommandId, JournalCommand> commands;
  std::map<NodeId, JournalNode> nodes;
  std::map<int64_t, JournalIncident> incidents;  // by number
  int64_t next_sequence = 1;
  int64_t next_incident = 1;
};

// A change that is written atomically.
struct JournalChange {
  std::vector<JournalCommand> put_commands;
  std::vector<CommandId> erased_commands;
  std::vector<JournalNode> put_nodes;
  std::vector<NodeId> erased_nodes;
  std::optional<int64_t> next_sequence;
  std::vector<JournalIncident> put_incidents = {};
  std::vector<int64_t> erased_incidents = {};
  std::optional<int64_t> next_incident = {};
};

// Thread-safe. After Save() has returned without an error, the change survives any crash.
class Journal {
 public:
  virtual ~Journal() = default;
  virtual Result<JournalState> Load() = 0;
  virtual Status Save(const JournalChange& change) = 0;
};

// Applies a change in memory as the journal does on disk.
inline void Apply(const JournalChange& change, JournalState& state) {
  for (const JournalCommand& command : change.put_commands) state.commands[command.id] = command;
  for (const CommandId& id : change.erased_commands) state.commands.erase(id);
  for (const JournalNode& node : change.put_nodes) state.nodes[node.node_id] = node;
  for (const NodeId& id : change.erased_nodes) state.nodes.erase(id);
  for (int64_t number : change.erased_incidents) state.incidents.erase(number);
  for (const JournalIncident& one : change.put_incidents) state.incidents[one.number] = one;
  if (change.next_sequence) state.next_sequence = *change.next_sequence;
  if (change.next_incident) state.next_incident = *change.next_incident;
}

}  // namespace tallyman::agent

namespace tallyman {

template <>
struct EnumText<agent::Stage> {
  static constexpr std::array<std::string_view, 13> kWords = {
      "fetched",   "accepted",     "prepare",    "stop",       "install", "start", "await",
      "undo_stop", "undo_install", "undo_start", "undo_await", "remove",  "done"};
};

template <>
struct EnumText<agent::CommandResult> {
  static constexpr std::array<std::string_view, 7> kWords = {"ok",
                                                             "node_upgrade_rollback",
                                                             "node_upgrade_failure",
                                                             "blocking_job_running",
                                                             "not_supported",
                                                             "node_not_found",
                                                             "internal_error"};
};

template <>
struct EnumText<agent::RunState> {
  static constexpr std::array<std::string_view, 4> kWords = {"none", "running", "stopped",
                                                             "failed"};
};

template <>
struct EnumText<agent::Mending> {
  static constexpr std::array<std::string_view, 3> kWords = {"nothing", "put_back", "remove"};
};

}  // namespace tallyman
