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

namespace tallyman {

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
  void SetDiskProblem(const NodeId& node_id, std::string problem);
  // The container crashes. Does nothing when none runs.
  void Crash(const NodeId& node_id, ContainerEnd end = {.exit_code = 1, .at = {}, .output = {}});
  // The node becomes unreadable, until it is installed again or removed.
  void Break(const NodeId& node_id);
  // The container's files are gone; its data remain.
  void LoseContainer(const NodeId& node_id);
  // The machine loses power: nothing runs, no call is in progress, and only the images for which
  // `keeps` returns true remain.
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
    std::string unhealthy;
    std::chrono::milliseconds start_period{0};
    std::string disk_problem;
    std::optional<BlockingJob> job;
    std::optional<ContainerEnd> end;
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
  std::set<ImageId> images_;
  std::map<NodeId, SimulatedNode> nodes_;
  std::map<NodeId, Job> jobs_;
};

}  // namespace tallyman
