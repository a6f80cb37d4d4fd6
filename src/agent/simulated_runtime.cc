#include "agent/simulated_runtime.h"

#include <fmt/format.h>

namespace tallyman {

void SimulatedRuntime::SetHook(Hook hook) {
  std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void SimulatedRuntime::SetListHook(std::function<void()> hook) {
  std::lock_guard lock(mutex_);
  list_hook_ = std::move(hook);
}

void SimulatedRuntime::SetBlockingJob(const NodeId& node_id, std::optional<BlockingJob> job) {
  std::lock_guard lock(mutex_);
  nodes_[node_id].job = std::move(job);
}

void SimulatedRuntime::SetDataBytes(const NodeId& node_id, int64_t bytes) {
  std::lock_guard lock(mutex_);
  nodes_[node_id].data_bytes = bytes;
}

void SimulatedRuntime::Crash(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  nodes_[node_id].running = false;
}

Status SimulatedRuntime::Ask(RuntimeStep step, const NodeSpec& spec) {
  Hook hook;
  {
    std::lock_guard lock(mutex_);
    hook = hook_;
  }
  return hook ? hook(step, spec) : Status();
}

NodeSpec SimulatedRuntime::InstalledOf(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  NodeSpec spec;
  auto found = nodes_.find(node_id);
  if (found != nodes_.end()) spec = found->second.installed;
  spec.node_id = node_id;
  return spec;
}

Status SimulatedRuntime::CheckFits(const NodeSpec& spec) {
  auto found = nodes_.find(spec.node_id);
  if (found == nodes_.end() || found->second.data_bytes <= spec.resources.disk_bytes) return {};
  return Fail(FailedPrecondition("DISK_DATA_DOES_NOT_FIT",
                                 fmt::format("the node's data need {} bytes and do not fit a disk "
                                             "of {}",
                                             found->second.data_bytes, spec.resources.disk_bytes)));
}

Status SimulatedRuntime::Prepare(const NodeSpec& spec) {
  RETURN_IF_ERROR(Ask(RuntimeStep::kPrepare, spec));
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckFits(spec));
  images_.insert(spec.image_id);
  return {};
}

Status SimulatedRuntime::Install(const NodeSpec& spec) {
  RETURN_IF_ERROR(Ask(RuntimeStep::kInstall, spec));
  std::lock_guard lock(mutex_);
  if (!images_.contains(spec.image_id))
    return Fail(NotFound("FILE_MISSING", "the image was not prepared"));
  RETURN_IF_ERROR(CheckFits(spec));
  SimulatedNode& node = nodes_[spec.node_id];
  if (node.running) return Fail(FailedPrecondition("NODE_RUNS", "the node runs; stop it first"));
  node.installed = spec;
  return {};
}

Status SimulatedRuntime::Start(const NodeId& node_id) {
  RETURN_IF_ERROR(Ask(RuntimeStep::kStart, InstalledOf(node_id)));
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end() || found->second.installed.config_id.is_nil())
    return Fail(NotFound("FILE_MISSING", "nothing of the node is installed"));
  found->second.running = true;
  return {};
}

Status SimulatedRuntime::Stop(const NodeId& node_id) {
  RETURN_IF_ERROR(Ask(RuntimeStep::kStop, InstalledOf(node_id)));
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end()) return {};
  found->second.running = false;
  found->second.job.reset();
  return {};
}

Status SimulatedRuntime::Remove(const NodeId& node_id) {
  RETURN_IF_ERROR(Ask(RuntimeStep::kRemove, InstalledOf(node_id)));
  std::lock_guard lock(mutex_);
  nodes_.erase(node_id);
  return {};
}

Status SimulatedRuntime::DropLeftovers(const NodeId&) { return {}; }

Status SimulatedRuntime::DropImagesExcept(const std::set<ImageId>& kept) {
  std::lock_guard lock(mutex_);
  std::erase_if(images_, [&](const ImageId& id) { return !kept.contains(id); });
  return {};
}

Result<NodeHealth> SimulatedRuntime::CheckHealth(const NodeId& node_id) {
  RETURN_IF_ERROR(Ask(RuntimeStep::kHealth, InstalledOf(node_id)));
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  bool running = found != nodes_.end() && found->second.running;
  return running ? NodeHealth::kHealthy : NodeHealth::kNotRunning;
}

Result<std::optional<BlockingJob>> SimulatedRuntime::FindBlockingJob(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  return found == nodes_.end() ? std::nullopt : found->second.job;
}

Result<std::vector<ObservedNode>> SimulatedRuntime::List() {
  std::vector<ObservedNode> nodes;
  std::unique_lock lock(mutex_);
  std::function<void()> hook = list_hook_;
  for (const auto& [id, node] : nodes_) {
    ObservedNode& seen = nodes.emplace_back();
    seen.node_id = id;
    if (node.installed.config_id.is_nil()) continue;
    seen.config_id = node.installed.config_id;
    seen.image_id = node.installed.image_id;
    seen.image_uri = node.installed.image_uri;
    seen.container_id = id.ToString();
    seen.running = node.running;
    if (node.running) seen.limits = node.installed.resources;
  }
  lock.unlock();
  if (hook) hook();
  return nodes;
}

}  // namespace tallyman
