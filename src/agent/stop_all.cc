#include "agent/stop_all.h"

#include <fmt/format.h>

#include <atomic>
#include <thread>

namespace tallyman {
namespace {

// Logs what came of it; whether the node has ended.
bool StopOne(Runtime& runtime, const NodeId& node_id, Log& log) {
  const std::string id = node_id.ToString();
  log.Write({LogLevel::kInfo, "stopping_node", fmt::format("node {} is told to end", id), {}});
  if (const Status stopped = runtime.Stop(node_id); !stopped) {
    log.Write({LogLevel::kError,
               "node_not_stopped",
               fmt::format("node {} is not stopped: {}", id, stopped.error().message),
               {{"node_id", id}, {"reason", stopped.error().reason}}});
    return false;
  }
  log.Write({LogLevel::kInfo, "node_stopped", fmt::format("node {} has ended", id), {}});
  return true;
}

}  // namespace

Status StopAllNodes(Runtime& runtime, Log& log) {
  ASSIGN_OR_RETURN(const std::vector<ObservedNode> nodes, runtime.List());
  std::atomic<size_t> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (const ObservedNode& node : nodes) {
      threads.emplace_back([&runtime, &log, &failed, id = node.node_id] {
        if (!StopOne(runtime, id, log)) ++failed;
      });
    }
  }
  if (failed == 0) return {};
  return Fail(Internal("NODES_NOT_STOPPED",
                       fmt::format("{} of {} nodes could not be stopped; the log says which and "
                                   "why, and the kernel ends them with the machine",
                                   failed.load(), nodes.size())));
}

}  // namespace tallyman
