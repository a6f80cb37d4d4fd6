// A Runtime in memory: for simulations, for trying things out, and for hosts where containers
// cannot run.
//
// Its memory is the machine: it outlives the agent that drives it when a test kills the agent. A
// hook is called before each step and may fail it, make it take longer, or throw to kill the agent
// there. Nodes crash only when a test says so. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include "agent/runtime.h"

namespace tallyman::agent {

// What a node has on its disk. A power cut takes what was not synced.
struct SimulatedData {
  int64_t disk = 0;  // which: each that is made has another number
  int64_t written = 0;
  int64_t synced = 0;
};

enum class RuntimeStep { kPrepare, kInstall, kStart, kStop, kRemove, kHealth };

class SimulatedRuntime final : public Runtime {
 public:
  // Called before the step; the step fails with its error. `spec` is the spec of the step: for
  // kStart and kHealth the installed one.
  using Hook = std::function<Status(RuntimeStep step, const NodeSpec& spec)>;
  // How many calls a step takes until it is done, evaluated when it begins.
  using Slowness = std::function<int(RuntimeStep step, const NodeSpec& spec)>;

  explicit SimulatedRuntime(const Resources& capacity) { capacity_.available = capacity; }

  void SetHook(Hook hook);
  void SetSlowness(Slowness slowness);
  // Called when List() has looked at the nodes and not yet returned.
  void SetListHook(std::function<void()> hook);
  // The error of List(); nullopt: none.
  void SetListError(std::optional<Error> error);
  // How often leftovers of a node were removed.
  int64_t tidied();
  void SetCapacity(const Capacity& capacity);
  // The node says that it is busy; nullopt: it is not.
  void SetBlockingJob(const NodeId& node_id, std::optional<BlockingJob> job);
  // How much of its disk the node has used.
  void SetDataBytes(const NodeId& node_id, int64_t bytes);
  // Why its health command fails; empty: it does not. In the `start_period` after a start that does
  // not count.
  void SetUnhealthy(const NodeId& node_id, std::string message,
                    std::chrono::milliseconds start_period = {});
  // What its image says of its probes.
  void SetProbes(const NodeId& node_id, std::chrono::milliseconds interval, int64_t retries);
  // How often its health was asked for.
  int64_t CountProbes(const NodeId& node_id);
  void SetDiskProblem(const NodeId& node_id, std::string problem);
  // The container ends by itself. Nothing happens where none runs.
  void Crash(const NodeId& node_id, ReportedEnd end = {.exit_code = 1});
  // Nothing of the node can be read, until it is installed again or removed.
  void Break(const NodeId& node_id);
  // The container's files are gone; its data remain.
  void LoseContainer(const NodeId& node_id);
  // Where it runs it writes something more, and syncs all that it has written. Stopping syncs too.
  void Write(const NodeId& node_id, bool sync);
  std::map<NodeId, SimulatedData> Data();
  // The machine goes down without a word: nothing runs, nothing is under way, what was not synced
  // is lost, and of the images those are left that `keeps` says.
  void CutPower(const std::function<bool(const ImageId&)>& keeps);
  void Print(const NodeId& node_id, NodeLogLine line);

  Result<Capacity> MeasureCapacity() override;
  Result<Progress> Prepare(const NodeSpec& spec) override;
  Result<Progress> Install(const NodeSpec& spec) override;
  Result<Progress> Start(const NodeId& node_id) override;
  Result<Progress> Stop(const NodeId& node_id) override;
  Result<Progress> Remove(const NodeId& node_id) override;
  Result<Progress> DropLeftovers(const NodeId& node_id) override;
  Result<Progress> DropImagesExcept(const std::set<ImageId>& kept) override;
  Result<std::optional<HealthReport>> CheckHealth(const NodeId& node_id) override;
  Result<HealthReport> CheckRuns(const NodeId& node_id) override;
  Result<std::optional<BlockingJob>> FindBlockingJob(const NodeId& node_id) override;
  Result<std::vector<ObservedNode>> List() override;
  Result<LogPart> ReadLog(const NodeId& node_id, const LogPosition& from,
                          size_t lines_max) override;
  Result<LogPosition> FindLogTail(const NodeId& node_id, int64_t lines) override;

 private:
  struct SimulatedNode {
    NodeSpec installed;
    bool running = false;
    bool unreadable = false;
    int64_t data_bytes = 0;
    SimulatedData data;
    std::string unhealthy;
    std::chrono::milliseconds start_period{0};
    std::chrono::milliseconds probe_interval{0};
    int64_t probe_retries = 0;
    int64_t probes = 0;
    std::string disk_problem;
    std::optional<BlockingJob> job;
    std::optional<ReportedEnd> end;
    std::deque<NodeLogLine> log;
    int64_t log_begin = 0;  // number of lines that are no longer kept
  };
  // An unfinished call; another one for the node ends it.
  struct Job {
    RuntimeStep step = RuntimeStep::kPrepare;
    ConfigId config_id;
    int calls_left = 0;
  };
  // Calls the hook, and returns whether the step is done with this call.
  Result<Progress> Ask(RuntimeStep step, const NodeSpec& spec);
  // The node's present spec; if there is none, a spec with only the id.
  NodeSpec InstalledOf(const NodeId& node_id);
  Status CheckFits(const NodeSpec& spec);
  void PrintLocked(SimulatedNode& node, NodeLogLine line);

  std::mutex mutex_;
  Capacity capacity_;
  Hook hook_;
  Slowness slowness_;
  std::function<void()> list_hook_;
  std::optional<Error> list_error_;
  int64_t tidied_ = 0;
  int64_t disks_ = 0;
  std::set<ImageId> images_;
  std::map<NodeId, SimulatedNode> nodes_;
  std::map<NodeId, Job> jobs_;
};

}  // namespace tallyman::agent
