#include "control/reads/overview.h"

#include <fmt/core.h>

#include <chrono>

#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

// An open command that is older waits for longer than a host that is well lets it wait.
constexpr std::chrono::minutes kLateAfter(10);

std::string Said(int64_t count, std::string_view one, std::string_view many) {
  return count == 1 ? fmt::format("1 {}", one) : fmt::format("{} {}", count, many);
}

}  // namespace

std::vector<Concern> ConcernsOf(const FleetOverview& overview, bool any_host_heard) {
  std::vector<Concern> concerns;
  const auto add = [&](std::string_view reason, int64_t count, std::string_view one,
                       std::string_view many) {
    if (count > 0) concerns.push_back({reason, count, Said(count, one, many)});
  };
  const HostCounts& hosts = overview.hosts;
  const CommandCounts& commands = overview.commands;
  add("BOOKS_DRIFTED", hosts.drifted, "host has counters that are not the sums over its nodes",
      "hosts have counters that are not the sums over their nodes");
  add("HOSTS_SILENT", hosts.silent, "host is silent", "hosts are silent");
  if (any_host_heard) {
    add("HOSTS_NEVER_HEARD", hosts.never_heard, "host was never heard", "hosts were never heard");
  }
  add("HOSTS_WITH_PROBLEMS", hosts.with_problems, "host reports a problem",
      "hosts report a problem");
  add("HOSTS_OVER_CAPACITY", hosts.over_capacity, "host carries more than its capacity",
      "hosts carry more than their capacity");
  add("NODES_FAILED", overview.nodes[static_cast<size_t>(NodeState::kFailed)], "node has failed",
      "nodes have failed");
  add("NODES_UNHEALTHY", overview.unhealthy_nodes, "node is unhealthy", "nodes are unhealthy");
  add("NODES_WITH_PROBLEMS", overview.nodes_with_problems, "node has a problem",
      "nodes have a problem");
  add("COMMANDS_UNKNOWN", commands.unknown, "command is in doubt", "commands are in doubt");
  if (any_host_heard) {
    add("COMMANDS_LATE", commands.late, "command was not taken for more than 10 minutes",
        "commands were not taken for more than 10 minutes");
  }
  return concerns;
}

Result<OverviewAnswer> GetOverview(const Authorized& by, store::ReadTx& tx,
                                   const std::string& org) {
  OverviewAnswer answer{.read_at = by.control().clock().Now()};
  store::OverviewQuery query{.org_id = by.actor().org_id,
                             .late_before = answer.read_at - kLateAfter};
  if (!org.empty()) {
    ASSIGN_OR_RETURN(const Org found, ResolveOrg(tx, by.actor(), org));
    query.org_id = found.id;
  }
  ASSIGN_OR_RETURN(answer.overview, tx.ReadOverview(query));
  ASSIGN_OR_RETURN(const bool any_host_heard, tx.WasAnyHostHeard());
  answer.concerns = ConcernsOf(answer.overview, any_host_heard);
  return answer;
}

}  // namespace tallyman::control
