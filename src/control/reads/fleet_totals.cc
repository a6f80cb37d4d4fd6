#include "control/reads/fleet_totals.h"

#include <algorithm>
#include <chrono>
#include <map>

namespace tallyman::control {
namespace {

constexpr int64_t kTotalsRows = 1000;
constexpr CommandState kNotEnded[] = {CommandState::kOpen, CommandState::kTaken,
                                      CommandState::kUnknown, CommandState::kFailed};
constexpr std::array<std::chrono::seconds, 4> kAges = {
    std::chrono::minutes(1), std::chrono::minutes(10), std::chrono::hours(1),
    std::chrono::hours(24)};

void Add(TotalAmounts& total, const Resources& amounts) {
  total.cpu_cores += static_cast<double>(amounts.cpu_cores);
  total.memory_bytes += static_cast<double>(amounts.memory_bytes);
  total.disk_bytes += static_cast<double>(amounts.disk_bytes);
}

Status ReadHosts(store::ReadTx& tx, FleetTotals& totals) {
  std::map<std::string, RegionTotals> regions;
  store::ListQuery query{.order_by = "name", .limit = kTotalsRows};
  while (true) {
    ASSIGN_OR_RETURN(auto rows, tx.ListHosts(query));
    for (const store::HostRow& row : rows) {
      RegionTotals& region = regions[row.region];
      ++region.hosts;
      region.silent_hosts += LivenessOf(row.host) == Liveness::kSilent ? 1 : 0;
      region.never_heard_hosts += LivenessOf(row.host) == Liveness::kNeverHeard ? 1 : 0;
      region.cordoned_hosts += row.host.cordoned ? 1 : 0;
      region.nodes += row.host.books.node_count;
      Add(region.capacity, row.host.capacity);
      Add(region.allocated, row.host.books.allocated);
      Add(region.held, row.host.held);
    }
    if (rows.size() < static_cast<size_t>(kTotalsRows)) break;
    query.after = rows.back().cursor;
  }
  for (auto& [name, region] : regions) {
    region.region = name;
    totals.regions.push_back(std::move(region));
  }
  return {};
}

Status ReadTransitions(store::ReadTx& tx, CommandState state, Time now, FleetTotals& totals) {
  OpenTransitions transitions{.state = state};
  store::ListQuery query{
      .conditions = {{"state", store::Comparison::kEqual, std::string(ToText(state))}},
      .order_by = "id",
      .limit = kTotalsRows};
  while (true) {
    ASSIGN_OR_RETURN(auto rows, tx.ListCommands(query));
    for (const store::CommandRow& row : rows) {
      auto age = now - row.command.created_at;
      auto older = std::ranges::upper_bound(kAges, age);
      ++transitions.by_age[static_cast<size_t>(older - kAges.begin())];
    }
    if (rows.size() < static_cast<size_t>(kTotalsRows)) break;
    query.after = rows.back().cursor;
  }
  totals.transitions.push_back(transitions);
  return {};
}

Status ReadRollouts(store::ReadTx& tx, Time now, RolloutTotals& totals) {
  ASSIGN_OR_RETURN(const std::vector<RolloutId> open, tx.OpenRollouts());
  for (const RolloutId& id : open) {
    ASSIGN_OR_RETURN(const auto found, tx.FindRollout(id.ToString()));
    if (!found) continue;
    const Rollout& rollout = found->rollout;
    const bool is_paused = rollout.state == RolloutState::kPaused;
    ++totals
          .rollouts[{rollout.state, is_paused ? rollout.why.substr(0, rollout.why.find(':')) : ""}];
    ASSIGN_OR_RETURN(const auto counts, tx.CountRolloutNodes(id));
    for (const RolloutCount& count : counts) totals.nodes[count.state] += count.count;
    if (rollout.state == RolloutState::kRunning)
      totals.without_progress = std::max(totals.without_progress, now - rollout.progress_at);
  }
  return {};
}

}  // namespace

Result<FleetTotals> ReadFleetTotals(Control& control) {
  FleetTotals totals;
  const Time now = control.clock().Now();
  auto read = [&](store::ReadTx& tx) -> Status {
    totals = {};
    RETURN_IF_ERROR(ReadHosts(tx, totals));
    for (CommandState state : kNotEnded) RETURN_IF_ERROR(ReadTransitions(tx, state, now, totals));
    ASSIGN_OR_RETURN(totals.reported, tx.CountReported());
    return ReadRollouts(tx, now, totals.rollouts);
  };
  RETURN_IF_ERROR(control.store().Read(read));
  return totals;
}

}  // namespace tallyman::control
