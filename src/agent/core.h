// The agent: takes commands, carries them out through a Runtime, and reports what came of them.
//
// It owns no thread, reads no clock of its own and opens nothing: everything is handed in, so that
// a simulation can run it, and end it anywhere. Two kinds of calls drive it:
//   Talk()      fetches commands and reports; from one thread at a time
//   WorkOnce()  takes one step of one node's command, or looks after a node; from several threads
//
// The rules that keep books and machine together (each has a test by its name):
//   - a command is executed only after its acknowledgement was accepted
//   - a node's commands are executed, and their outcomes reported, in order
//   - each report has the next sequence number, written down before it is sent
//   - an outcome is reported until it was processed, or until the command is handed out anew
//   - a node counts as pending from the fetch of a command on until that has its outcome
//   - what is pending is looked at before the machine is, so that a status never calls settled what
//     was in motion when it was seen
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "agent/execution.h"
#include "agent/journal.h"
#include "agent/runtime.h"
#include "base/clock.h"
#include "base/log.h"
#include "client/client.h"

namespace tallyman::v1 {
class FetchCommandsResponse;
class HandedCommand;
class HostStatus;
class ReportRequest;
class ReportResponse;
}  // namespace tallyman::v1

namespace tallyman {

struct AgentOptions {
  std::string agent_version;
  ExecutionOptions execution;
  std::chrono::milliseconds status_interval = std::chrono::seconds(30);
  // How often a node that should run is looked after, and the longest pause between two starts of
  // one that does not stay up.
  std::chrono::milliseconds care_interval = std::chrono::seconds(10);
  std::chrono::milliseconds restart_pause_max = std::chrono::minutes(5);
};

class AgentCore {
 public:
  // Owns none of them.
  struct Parts {
    Client& client;
    Journal& journal;
    Runtime& runtime;
    Clock& clock;
    Log& log;
  };
  AgentCore(const Parts& parts, AgentOptions options);

  // Reads the journal. REQUIRES: called once, before all else.
  Status Load();

  // Fetches and reports until there is nothing new. The first error ends it; what was not said is
  // said the next time.
  Status Talk();
  // There is an outcome or an acknowledgement to report.
  bool HasNews() const;
  // When the control plane has something for us that waits; empty: it said nothing of the kind.
  std::optional<Time> NextFetchAt() const;

  // Takes a step. False: there is nothing to do now.
  bool WorkOnce();
  // When there may be something to do; empty: not before something is fetched.
  std::optional<Time> NextWorkAt() const;

  // Called, from any thread and without locks, when there is something new to do or to say.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

  // What it remembers, for tests.
  JournalState Remembered() const;

 private:
  struct NodeCare {
    bool claimed = false;
    Time not_before{};
    WaitProgress progress;
    std::optional<NodeHealth> health;
    Time care_at{};
    std::chrono::milliseconds restart_pause{0};
    Time started_at{};
  };
  struct Work {
    enum class Kind { kCommand, kCare, kTidy } kind = Kind::kCommand;
    NodeId node_id;
    JournalCommand command;
    std::optional<JournalNode> node;
    WaitProgress progress;
  };

  // Talking (core_talk.cc).
  Result<bool> Fetch();
  Result<bool> Report();
  void Accept(const v1::HandedCommand& handed, JournalChange& change) const;
  Result<bool> FillReport(v1::ReportRequest& request);
  Status FillStatus(v1::HostStatus& status);
  Status TakeAnswer(const v1::ReportResponse& response);
  Status SaveLocked(const JournalChange& change);

  // Working (core_work.cc).
  std::optional<Work> Claim();
  void DoCommand(Work& work);
  void DoCare(const Work& work);
  void DoTidy();
  Status StartAgain(const JournalNode& node);
  std::map<NodeId, const JournalCommand*> OldestPending() const;
  void LogOutcome(const JournalCommand& command) const;
  void Notify() const {
    if (listener_) listener_();
  }

  Parts parts_;
  const AgentOptions options_;
  Execution execution_;
  std::function<void()> listener_;

  mutable std::mutex mutex_;
  JournalState state_;
  std::map<NodeId, NodeCare> care_;
  bool tidy_due_ = true;
  bool tidying_ = false;
  Time status_at_{};
  Time status_sent_{};
  std::optional<Time> fetch_at_;
};

}  // namespace tallyman
