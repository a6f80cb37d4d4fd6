#include "agent/stop_all.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace tallyman::agent {
namespace {

constexpr std::chrono::milliseconds kLookMin(10);
constexpr std::chrono::milliseconds kLookMax(500);

// How often a stop may fail with a transient error, such as a busy device.
constexpr int kAttemptsMax = 20;

struct Waiting {
  NodeId node_id;
  Result<Progress> stopped = Progress::Later(kLookMin);
  int attempts_left = kAttemptsMax;

  bool goes_on() const {
    if (stopped) return !stopped->done;
    const bool may_pass = stopped.error().code == Code::kUnavailable ||
                          stopped.error().code == Code::kResourceExhausted;
    return may_pass && attempts_left > 0;
  }
};

void LogEnd(const Waiting& node, Log& log) {
  const std::string id = node.node_id.ToString();
  if (node.stopped) {
    log.Write({LogLevel::kInfo, "node_stopped", fmt::format("node {} has ended", id), {}});
    return;
  }
  const Error& error = node.stopped.error();
  log.Write({LogLevel::kError,
             "node_not_stopped",
             fmt::format("node {} is not stopped: {}", id, error.message),
             {{"node_id", id}, {"reason", error.reason}}});
}

}  // namespace

void SleepFor(std::chrono::milliseconds pause) { std::this_thread::sleep_for(pause); }

Status StopAllNodes(Runtime& runtime, Log& log,
                    const std::function<void(std::chrono::milliseconds)>& wait) {
  ASSIGN_OR_RETURN(const std::vector<ObservedNode> nodes, runtime.List());
  std::vector<Waiting> waiting;
  for (const ObservedNode& node : nodes) {
    waiting.push_back({.node_id = node.node_id});
    log.Write({LogLevel::kInfo,
               "stopping_node",
               fmt::format("node {} is asked to stop", node.node_id.ToString()),
               {}});
  }
  size_t failed = 0;
  while (!waiting.empty()) {
    auto pause = kLookMax;
    for (Waiting& node : waiting) {
      node.stopped = runtime.Stop(node.node_id);
      if (!node.stopped) --node.attempts_left;
      if (node.goes_on() && node.stopped)
        pause = std::min(pause, std::max(node.stopped->look_again, kLookMin));
      if (node.goes_on()) continue;
      LogEnd(node, log);
      if (!node.stopped) ++failed;
    }
    std::erase_if(waiting, [](const Waiting& node) { return !node.goes_on(); });
    if (!waiting.empty()) wait(pause);
  }
  if (failed == 0) return {};
  return Fail(Internal("NODES_NOT_STOPPED",
                       fmt::format("{} of {} nodes could not be stopped; the log says which and "
                                   "why; the kernel kills them when the machine goes down",
                                   failed, nodes.size())));
}

}  // namespace tallyman::agent
