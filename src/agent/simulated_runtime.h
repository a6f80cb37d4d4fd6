// A Runtime that only remembers: for simulations, for trying things out, and for hosts where
// containers cannot run.
//
// What it remembers is the machine: it outlives the agent that drives it when a test says that the
// agent was killed. A hook is asked before each step and may fail it, or throw to end the agent
// there. Nodes never crash by themselves. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "agent/runtime.h"

namespace tallyman {

enum class RuntimeStep { kPrepare, kInstall, kStart, kStop, kRemove, kHealth };

class SimulatedRuntime final : public Runtime {
 public:
  // Asked before the step; an error is what the step fails with. `spec` is what the step is about:
  // for kStart and kHealth what is installed.
  using Hook = std::function<Status(RuntimeStep step, const NodeSpec& spec)>;

  explicit SimulatedRuntime(const Resources& capacity) : capacity_(capacity) {}

  void SetHook(Hook hook);
  // Called when List() has looked at the nodes and not yet returned.
  void SetListHook(std::function<void()> hook);
  // The node says that it is busy; nullopt: it is not.
  void SetBlockingJob(const NodeId& node_id, std::optional<BlockingJob> job);
  // How much of its disk the node has used.
  void SetDataBytes(const NodeId& node_id, int64_t bytes);
  // The container ends by itself.
  void Crash(const NodeId& node_id);

  Result<Resources> MeasureCapacity() override { return capacity_; }
  Status Prepare(const NodeSpec& spec) override;
  Status Install(const NodeSpec& spec) override;
  Status Start(const NodeId& node_id) override;
  Status Stop(const NodeId& node_id) override;
  Status Remove(const NodeId& node_id) override;
  Status DropLeftovers(const NodeId& node_id) override;
  Status DropImagesExcept(const std::set<ImageId>& kept) override;
  Result<NodeHealth> CheckHealth(const NodeId& node_id) override;
  Result<std::optional<BlockingJob>> FindBlockingJob(const NodeId& node_id) override;
  Result<std::vector<ObservedNode>> List() override;

 private:
  struct SimulatedNode {
    NodeSpec installed;
    bool running = false;
    int64_t data_bytes = 0;
    std::optional<BlockingJob> job;
  };
  Status Ask(RuntimeStep step, const NodeSpec& spec);
  // The node as it is now; a spec of nothing but the id where there is none.
  NodeSpec InstalledOf(const NodeId& node_id);
  Status CheckFits(const NodeSpec& spec);

  const Resources capacity_;
  std::mutex mutex_;
  Hook hook_;
  std::function<void()> list_hook_;
  std::set<ImageId> images_;
  std::map<NodeId, SimulatedNode> nodes_;
};

}  // namespace tallyman
