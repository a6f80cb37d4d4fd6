#include "agent/simulated_runtime.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/file.h"
#include "agent/runtime.h"

namespace tallyman::agent {
namespace {

constexpr std::chrono::milliseconds kLookAgain(200);
constexpr size_t kLogLinesMax = 1000;

Error NothingInstalled() { return NotFound(kFileMissing, "nothing of the node is installed"); }

}  // namespace

Result<Progress> SimulatedRuntime::Ask(RuntimeStep step, const NodeSpec& spec) {
  Hook hook;
  Slowness slowness;
  {
    std::lock_guard lock(mutex_);
    hook = hook_;
    slowness = slowness_;
    auto job = jobs_.find(spec.node_id);
    const bool goes_on =
        job != jobs_.end() && job->second.step == step && job->second.config_id == spec.config_id;
    if (goes_on && --job->second.calls_left > 0) return Progress::Later(kLookAgain);
    if (job != jobs_.end()) jobs_.erase(job);
    if (goes_on) slowness = nullptr;
  }
  if (const int calls = slowness ? slowness(step, spec) : 1; calls > 1) {
    std::lock_guard lock(mutex_);
    jobs_[spec.node_id] = {.step = step, .config_id = spec.config_id, .calls_left = calls - 1};
    return Progress::Later(kLookAgain);
  }
  if (hook) RETURN_IF_ERROR(hook(step, spec));
  return Progress::Done();
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
  return Fail(FailedPrecondition(kDiskDataDoesNotFit,
                                 fmt::format("the node's data need {} bytes and do not fit a disk "
                                             "of {}",
                                             found->second.data_bytes, spec.resources.disk_bytes)));
}

Result<Capacity> SimulatedRuntime::MeasureCapacity() {
  std::lock_guard lock(mutex_);
  return capacity_;
}

Result<Progress> SimulatedRuntime::Prepare(const NodeSpec& spec) {
  ASSIGN_OR_RETURN(const Progress asked, Ask(RuntimeStep::kPrepare, spec));
  if (!asked.done) return asked;
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckFits(spec));
  images_.insert(spec.image_id);
  return Progress::Done();
}

Result<Progress> SimulatedRuntime::Install(const NodeSpec& spec) {
  ASSIGN_OR_RETURN(const Progress asked, Ask(RuntimeStep::kInstall, spec));
  if (!asked.done) return asked;
  std::lock_guard lock(mutex_);
  if (!images_.contains(spec.image_id))
    return Fail(NotFound(kFileMissing, "the image was not prepared"));
  RETURN_IF_ERROR(CheckFits(spec));
  SimulatedNode& node = nodes_[spec.node_id];
  if (node.running) return Fail(FailedPrecondition("NODE_RUNS", "the node runs; stop it first"));
  if (node.data.disk == 0) node.data.disk = ++disks_;
  node.installed = spec;
  node.unreadable = false;
  node.unhealthy.clear();
  return Progress::Done();
}

Result<Progress> SimulatedRuntime::Start(const NodeId& node_id) {
  ASSIGN_OR_RETURN(const Progress asked, Ask(RuntimeStep::kStart, InstalledOf(node_id)));
  if (!asked.done) return asked;
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end() || found->second.installed.config_id.is_nil())
    return Fail(NothingInstalled());
  SimulatedNode& node = found->second;
  if (node.unreadable) return Fail(DataLoss("NODE_UNREADABLE", "its state is empty"));
  if (!std::exchange(node.running, true))
    PrintLocked(node, {.at = {}, .text = "started with " + node.installed.image_uri});
  node.end.reset();
  return Progress::Done();
}

Result<Progress> SimulatedRuntime::Stop(const NodeId& node_id) {
  ASSIGN_OR_RETURN(const Progress asked, Ask(RuntimeStep::kStop, InstalledOf(node_id)));
  if (!asked.done) return asked;
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end()) return Progress::Done();
  SimulatedNode& node = found->second;
  if (std::exchange(node.running, false)) PrintLocked(node, {.at = {}, .text = "stopped"});
  node.data.synced = node.data.written;
  node.job.reset();
  return Progress::Done();
}

Result<Progress> SimulatedRuntime::Remove(const NodeId& node_id) {
  ASSIGN_OR_RETURN(const Progress asked, Ask(RuntimeStep::kRemove, InstalledOf(node_id)));
  if (!asked.done) return asked;
  std::lock_guard lock(mutex_);
  nodes_.erase(node_id);
  return Progress::Done();
}

Result<Progress> SimulatedRuntime::DropLeftovers(const NodeId&) {
  std::lock_guard lock(mutex_);
  ++tidied_;
  return Progress::Done();
}

Result<Progress> SimulatedRuntime::DropImagesExcept(const std::set<ImageId>& kept) {
  std::lock_guard lock(mutex_);
  std::erase_if(images_, [&](const ImageId& id) { return !kept.contains(id); });
  return Progress::Done();
}

Result<std::optional<HealthReport>> SimulatedRuntime::CheckHealth(const NodeId& node_id) {
  const NodeSpec spec = InstalledOf(node_id);
  Hook hook;
  {
    std::lock_guard lock(mutex_);
    hook = hook_;
  }
  if (hook) RETURN_IF_ERROR(hook(RuntimeStep::kHealth, spec));
  ASSIGN_OR_RETURN(HealthReport report, CheckRuns(node_id));
  if (report.health == NodeHealth::kNotRunning) return report;
  std::lock_guard lock(mutex_);
  SimulatedNode& node = nodes_[node_id];
  ++node.probes;
  report.start_period = node.start_period;
  report.interval = node.probe_interval;
  report.retries = node.probe_retries;
  if (!node.unhealthy.empty()) report.health = NodeHealth::kUnhealthy;
  report.message = node.unhealthy;
  return report;
}

Result<HealthReport> SimulatedRuntime::CheckRuns(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  HealthReport report;
  if (found != nodes_.end() && found->second.unreadable)
    return Fail(DataLoss("NODE_UNREADABLE", "its state is empty"));
  if (found != nodes_.end() && found->second.running) return report;
  report.health = NodeHealth::kNotRunning;
  if (found != nodes_.end()) report.end = found->second.end;
  return report;
}

Result<std::optional<BlockingJob>> SimulatedRuntime::FindBlockingJob(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  return found == nodes_.end() ? std::nullopt : found->second.job;
}

Result<std::vector<ObservedNode>> SimulatedRuntime::List() {
  std::vector<ObservedNode> nodes;
  std::unique_lock lock(mutex_);
  if (list_error_) return Fail(*list_error_);
  std::function<void()> hook = list_hook_;
  for (const auto& [id, node] : nodes_) {
    ObservedNode& seen = nodes.emplace_back();
    seen.node_id = id;
    if (node.unreadable) {
      seen.unreadable = "its state is empty";
      continue;
    }
    seen.disk_problem = node.disk_problem;
    seen.disk_used_bytes = node.data_bytes;
    if (node.installed.config_id.is_nil()) continue;
    seen.config_id = node.installed.config_id;
    seen.image_id = node.installed.image_id;
    seen.image_uri = node.installed.image_uri;
    seen.container_id = id.ToString();
    seen.running = node.running;
    if (node.running) seen.limits = node.installed.resources;
    if (!node.running) seen.end = node.end;
  }
  lock.unlock();
  if (hook) hook();
  return nodes;
}

Result<LogPart> SimulatedRuntime::ReadLog(const NodeId& node_id, const LogPosition& from,
                                          size_t lines_max) {
  std::lock_guard lock(mutex_);
  LogPart part{.next = from};
  auto found = nodes_.find(node_id);
  if (found == nodes_.end()) return part;
  const SimulatedNode& node = found->second;
  const int64_t begin = std::max(from.offset, node.log_begin);
  const int64_t end = node.log_begin + std::ssize(node.log);
  part.gap = begin != from.offset;
  part.next.offset = begin;
  while (part.next.offset < end && part.lines.size() < lines_max)
    part.lines.push_back(node.log[static_cast<size_t>(part.next.offset++ - node.log_begin)]);
  return part;
}

Result<LogPosition> SimulatedRuntime::FindLogTail(const NodeId& node_id, int64_t lines) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end()) return LogPosition{};
  const SimulatedNode& node = found->second;
  const int64_t end = node.log_begin + std::ssize(node.log);
  return LogPosition{std::max(node.log_begin, end - lines)};
}

void SimulatedRuntime::PrintLocked(SimulatedNode& node, NodeLogLine line) {
  node.log.push_back(std::move(line));
  if (node.log.size() <= kLogLinesMax) return;
  node.log.pop_front();
  ++node.log_begin;
}

void SimulatedRuntime::Print(const NodeId& node_id, NodeLogLine line) {
  std::lock_guard lock(mutex_);
  PrintLocked(nodes_[node_id], std::move(line));
}

void SimulatedRuntime::SetHook(Hook hook) {
  std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void SimulatedRuntime::SetSlowness(Slowness slowness) {
  std::lock_guard lock(mutex_);
  slowness_ = std::move(slowness);
}

void SimulatedRuntime::SetListHook(std::function<void()> hook) {
  std::lock_guard lock(mutex_);
  list_hook_ = std::move(hook);
}

void SimulatedRuntime::SetListError(std::optional<Error> error) {
  std::lock_guard lock(mutex_);
  list_error_ = std::move(error);
}

int64_t SimulatedRuntime::tidied() {
  std::lock_guard lock(mutex_);
  return tidied_;
}

void SimulatedRuntime::SetCapacity(const Capacity& capacity) {
  std::lock_guard lock(mutex_);
  capacity_ = capacity;
}

void SimulatedRuntime::SetBlockingJob(const NodeId& node_id, std::optional<BlockingJob> job) {
  std::lock_guard lock(mutex_);
  nodes_[node_id].job = std::move(job);
}

void SimulatedRuntime::SetDataBytes(const NodeId& node_id, int64_t bytes) {
  std::lock_guard lock(mutex_);
  nodes_[node_id].data_bytes = bytes;
}

void SimulatedRuntime::SetUnhealthy(const NodeId& node_id, std::string message,
                                    std::chrono::milliseconds start_period) {
  std::lock_guard lock(mutex_);
  nodes_[node_id].unhealthy = std::move(message);
  nodes_[node_id].start_period = start_period;
}

void SimulatedRuntime::SetProbes(const NodeId& node_id, std::chrono::milliseconds interval,
                                 int64_t retries) {
  std::lock_guard lock(mutex_);
  nodes_[node_id].probe_interval = interval;
  nodes_[node_id].probe_retries = retries;
}

int64_t SimulatedRuntime::CountProbes(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  return nodes_[node_id].probes;
}

void SimulatedRuntime::SetDiskProblem(const NodeId& node_id, std::string problem) {
  std::lock_guard lock(mutex_);
  nodes_[node_id].disk_problem = std::move(problem);
}

void SimulatedRuntime::Crash(const NodeId& node_id, ReportedEnd end) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end() || !std::exchange(found->second.running, false)) return;
  found->second.end = std::move(end);
}

void SimulatedRuntime::Break(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end()) return;
  found->second.running = false;
  found->second.unreadable = true;
}

void SimulatedRuntime::LoseContainer(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end()) return;
  found->second.running = false;
  found->second.installed = {};
}

void SimulatedRuntime::CutPower(const std::function<bool(const ImageId&)>& keeps) {
  std::lock_guard lock(mutex_);
  jobs_.clear();
  std::erase_if(images_, [&](const ImageId& id) { return !keeps(id); });
  for (auto& [id, node] : nodes_) {
    node.running = false;
    node.end.reset();
    node.job.reset();
    node.data.written = node.data.synced;
  }
}

void SimulatedRuntime::Write(const NodeId& node_id, bool sync) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end() || !found->second.running) return;
  SimulatedData& data = found->second.data;
  ++data.written;
  if (sync) data.synced = data.written;
}

std::map<NodeId, SimulatedData> SimulatedRuntime::Data() {
  std::lock_guard lock(mutex_);
  std::map<NodeId, SimulatedData> all;
  for (const auto& [id, node] : nodes_) all[id] = node.data;
  return all;
}

}  // namespace tallyman::agent
