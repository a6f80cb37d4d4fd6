// The agent: takes commands, carries them out through a Runtime, and reports their outcomes.
//
// It owns no thread, no clock and no file: all dependencies are passed in, so that a simulation can
// run it, and kill it at any point. Two kinds of calls drive it:
//   Talk()      fetches commands and reports; from one thread at a time
//   WorkOnce()  takes one step of a node's command, or supervises a node; from several threads
//
// Every step is short: longer work runs on its own and is polled. Work goes by lanes (turns.h);
// each lane gets some of the threads, however much work the others have. Waits, pauses and
// deadlines use the steady clock; the time of day is only reported.
//
// The rules that keep books and machine consistent (each has a test by its name):
//   - a command is executed only after its acknowledgement was accepted
//   - a node's commands are executed, and their outcomes reported, in order
//   - each report has the next sequence number, which is durable before the report is sent
//   - an outcome is reported until it was processed, or until the command is handed out again
//   - a node counts as pending from the fetch of a command until its outcome
//   - an accepted delete ends the command in progress before it
//   - the pending commands are read before the machine is, so that a status never reports as
//     settled a node that was changing when it was observed
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/execution.h"
#include "agent/journal.h"
#include "agent/runtime.h"
#include "agent/turns.h"
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

namespace tallyman::agent {

struct AgentOptions {
  std::string agent_version;
  ExecutionOptions execution;
  std::chrono::milliseconds status_interval = std::chrono::seconds(30);
  // How often a node that should run is looked after, and probed where its image does not say how
  // often; and the longest pause between two starts of one that does not stay up.
  std::chrono::milliseconds care_interval = std::chrono::seconds(10);
  std::chrono::milliseconds restart_pause_max = std::chrono::minutes(5);
  // So many probes have to fail, one after the other, before a node counts as unhealthy, where its
  // image does not say how many.
  int health_retries = 3;
  // How many threads one lane may have at once.
  int lane_workers_max = 2;
};

class AgentCore {
 public:
  // Owns none of them.
  struct Parts {
    client::Client& client;
    Journal& journal;
    Runtime& runtime;
    Clock& clock;
    Log& log;
  };
  AgentCore(const Parts& parts, AgentOptions options);

  // Reads the journal. REQUIRES: called once, before any other method.
  Status Load();

  // Fetches and reports until there is nothing new. The first error ends it; the next call sends
  // what is still unsent.
  Status Talk();
  // True if there is an outcome or an acknowledgement to report.
  bool HasNews() const;
  // When the control plane will have a waiting command for us; empty: it announced none.
  std::optional<SteadyTime> NextFetchAt() const;

  // Takes one step. False: there is nothing to do now.
  bool WorkOnce();
  // When there may be something to do; empty: not before a command is fetched.
  std::optional<SteadyTime> NextWorkAt() const;
  // Reports a problem of the host itself.
  void AddHostProblem(const std::string& message);

  // The listener is called, from any thread and without locks, when there is something new to do or
  // to report.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

  // The state in memory, for tests.
  JournalState Remembered() const;

 private:
  // The next step of supervising a node that should run. From kPrepare on it is recreated from the
  // journal; kStart starts it.
  enum class CareStep { kLook, kPrepare, kStop, kInstall, kStart };
  struct NodeCare {
    bool claimed = false;
    OrgId org_id;
    // For the command in progress.
    SteadyTime not_before{};
    StepProgress progress;
    // For supervision.
    CareStep step = CareStep::kLook;
    SteadyTime care_at{};
    bool was_up = false;   // seen running since it was last started on request
    bool crashed = false;  // it ended unexpectedly and must be started again
    bool remade = false;
    // The data do not fit the disk of what is put back, which therefore gets the one it has kept.
    bool on_kept_disk = false;
    bool told_not_restarted = false;
    int failures = 0;
    std::chrono::milliseconds restart_pause{0};
    SteadyTime started_at{};
    std::optional<NodeHealth> health;
    std::string health_message;
    int64_t unhealthy_probes = 0;
    SteadyTime probe_at{};
    // What its container is made from cannot be read, or is gone.
    bool broken = false;
    std::string disk_problem;
    // Earlier configs may have left files.
    bool leftovers = true;
    SteadyTime tidy_at{};
  };
  struct Work {
    enum class Kind { kCommand, kCare, kLeftovers, kImages } kind = Kind::kCommand;
    Lane lane = Lane::kControl;
    OrgId org_id;
    NodeId node_id;
    SteadyTime at{};  // not before
    Overtaken overtaken = Overtaken::kNo;
    const JournalCommand* found = nullptr;  // until it is claimed
    // Copies of the claimed command and node.
    JournalCommand command = {};
    std::optional<JournalNode> node = {};
    StepProgress progress = {};
    CareStep step = CareStep::kLook;
    bool on_kept_disk = false;
    bool probe = true;  // its health is due, not only whether it runs
  };

  // Talking (core_talk.cc, core_status.cc).
  Result<bool> Fetch();
  Result<bool> Report();
  void Accept(const v1::HandedCommand& handed, JournalChange& change) const;
  Result<bool> FillReport(v1::ReportRequest& request);
  void FillIncidents(v1::ReportRequest& request);
  Status FillStatus(v1::HostStatus& status);
  void FillNodes(const std::vector<ObservedNode>& seen, const std::set<NodeId>& pending,
                 v1::HostStatus& status);
  Status FillCapacity(v1::HostStatus& status);
  void NoteSeen(const ObservedNode& seen, bool pending);
  Status TakeAnswer(const v1::ReportRequest& request, const v1::ReportResponse& response);
  void TakeIncidentsAnswer(const v1::ReportRequest& request, const v1::ReportResponse& response,
                           JournalChange& change);
  Status SaveLocked(const JournalChange& change);
  void NoteOrg(const NodeId& node_id, const std::string& payload);

  // Working (core_work.cc).
  std::vector<Work> WorkToDo() const;
  std::optional<Work> Claim();
  void DoCommand(Work& work);
  void DoLeftovers(const Work& work);
  void DoImages();
  struct Pending {
    const JournalCommand* oldest = nullptr;
    Overtaken overtaken = Overtaken::kNo;
  };
  std::map<NodeId, Pending> OldestPending() const;
  Overtaken OvertakenBy(const JournalCommand& command) const;
  void LogOutcome(const JournalCommand& command) const;
  bool Knows(const NodeId& node_id) const;
  void LogNotWritten(const Error& error) const;
  void Notify() const {
    if (listener_) listener_();
  }

  // Looking after nodes (core_care.cc).
  void DoCare(const Work& work);
  Result<Progress> TakeCareStep(const Work& work);
  void Look(const Work& work);
  Result<std::optional<HealthReport>> Probe(const Work& work);
  void SeeHealth(const HealthReport& report, NodeCare& care, JournalChange& change,
                 const Work& work);
  void SeeEnd(const HealthReport& report, NodeCare& care, JournalChange& change, const Work& work);
  void CareStepDone(const Work& work, NodeCare& care, JournalChange& change);
  void CareStepFailed(const Work& work, const Error& error, NodeCare& care, JournalChange& change);
  void Mended(const Work& work, NodeCare& care, JournalChange& change);
  bool IsUnreadable(const NodeId& node_id);
  void AddIncident(ReportedIncident kind, const std::optional<NodeId>& node_id, std::string message,
                   const std::optional<ReportedEnd>& end, JournalChange& change);
  void SaveCare(const JournalChange& change);

  Parts parts_;
  const AgentOptions options_;
  Execution execution_;
  std::function<void()> listener_;

  mutable std::mutex mutex_;
  JournalState state_;
  std::map<NodeId, NodeCare> care_;
  Turns turns_;
  std::array<int, kLanes> at_work_{};
  // Unused images are dropped while no node is about to use one.
  bool tidy_due_ = true;
  bool tidying_ = false;
  SteadyTime tidy_at_{};
  SteadyTime status_at_{};
  SteadyTime status_sent_{};
  std::optional<SteadyTime> fetch_at_;
  int fetch_max_ = 1000;              // at once
  std::optional<Capacity> capacity_;  // as last measured
  std::string host_problem_;
  // Incidents up to the first number were sent at least once; those up to the second were answered.
  int64_t incidents_sent_ = 0;
  int64_t incidents_told_ = 0;
  // The control plane has said that it accepts incidents.
  bool incidents_taken_ = true;
};

}  // namespace tallyman::agent
