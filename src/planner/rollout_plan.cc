#include "planner/rollout_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <map>

#include "base/text.h"
#include "planner/capacity_order.h"

namespace tallyman::planner {
namespace {

using std::chrono::microseconds;

constexpr int64_t kInFlightMax = 500;
constexpr int64_t kFailuresPerCent = 100;
constexpr size_t kStagesMax = 100;
constexpr microseconds kSpanMax = std::chrono::days(30);

Error Invalid(std::string_view field, const std::string& what) {
  return InvalidArgument("INVALID_ROLLOUT", fmt::format("{} {}", field, what))
      .With("field", std::string(field));
}

Status CheckNumber(std::string_view field, const std::optional<int64_t>& number, int64_t least,
                   int64_t most) {
  if (!number || (*number >= least && *number <= most)) return {};
  return Fail(
      Invalid(field, fmt::format("is {}: give a number from {} to {}", *number, least, most)));
}

Status CheckSpan(std::string_view field, const std::optional<microseconds>& span, bool may_be_0) {
  if (!span) return {};
  const bool is_fine = *span <= kSpanMax && (may_be_0 ? span->count() >= 0 : span->count() > 0);
  if (is_fine) return {};
  return Fail(Invalid(field, fmt::format("is {} s: give {} and at most 30 days",
                                         static_cast<double>(span->count()) / 1e6,
                                         may_be_0 ? "0 or more" : "more than 0")));
}

// How many nodes are upgraded after each wave, the last one all.
Result<std::vector<int64_t>> CutStages(const RolloutRequest& request, int64_t nodes) {
  std::vector<RolloutStage> stages = request.stages;
  if (stages.empty()) stages = DefaultStages();
  if (stages.size() > kStagesMax)
    return Fail(
        Invalid("stages", fmt::format("has {} items: give at most {}", stages.size(), kStagesMax)));
  std::vector<int64_t> ends;
  for (size_t i = 0; i < stages.size(); ++i) {
    const RolloutStage& stage = stages[i];
    const std::string field = fmt::format("stages[{}]", i);
    const int64_t most = stage.is_percent ? 100 : nodes;
    if (stage.amount < 1 || stage.amount > most) {
      // Defaults have to do for any number of nodes.
      return Fail(Invalid(field, fmt::format("is {}{}: the rollout has {} node(s); give 1 to {}{}",
                                             stage.amount, stage.is_percent ? "%" : "", nodes, most,
                                             stage.is_percent ? "%" : "")));
    }
    const int64_t end = stage.is_percent ? (nodes * stage.amount + 99) / 100 : stage.amount;
    if (!ends.empty() && end < ends.back()) {
      return Fail(Invalid(field, fmt::format("means {} node(s), fewer than the {} before it: "
                                             "stages have to rise",
                                             end, ends.back())));
    }
    // Of a small rollout some stages are the same.
    if (ends.empty() || end > ends.back()) ends.push_back(end);
  }
  if (ends.back() < nodes) ends.push_back(nodes);
  return ends;
}

Status CheckPauses(const RolloutRequest& request, size_t waves) {
  for (const int64_t wave : request.pause_after) {
    if (wave >= 1 && wave <= static_cast<int64_t>(waves)) continue;
    return Fail(Invalid("pause_after", fmt::format("names wave {}: there are {}", wave, waves)));
  }
  return {};
}

Status CheckNumbers(const RolloutRequest& request, int64_t nodes) {
  RETURN_IF_ERROR(CheckNumber("max_in_flight", request.max_in_flight, 1, kInFlightMax));
  RETURN_IF_ERROR(CheckNumber("per_host", request.per_host, 1, kInFlightMax));
  RETURN_IF_ERROR(CheckNumber("max_failures", request.max_failures, 0, nodes));
  RETURN_IF_ERROR(CheckSpan("soak", request.soak, true));
  RETURN_IF_ERROR(CheckSpan("begin_within", request.begin_within, false));
  RETURN_IF_ERROR(CheckSpan("healthy_within", request.healthy_within, false));
  return CheckSpan("no_progress", request.no_progress, false);
}

RolloutSpec SpecOf(const RolloutRequest& request, int64_t nodes) {
  RolloutSpec spec;
  spec.max_in_flight =
      request.max_in_flight.value_or(std::clamp((nodes + 9) / 10, int64_t{1}, kInFlightMax));
  spec.per_host = request.per_host.value_or(spec.per_host);
  spec.soak = request.soak.value_or(spec.soak);
  spec.begin_within = request.begin_within.value_or(spec.begin_within);
  spec.healthy_within = request.healthy_within.value_or(spec.healthy_within);
  spec.no_progress = request.no_progress.value_or(spec.no_progress);
  return spec;
}

// The nodes of each host, in the order in which they fit; those that do not are last.
class Queues {
 public:
  Queues(std::span<const RolloutCandidate> candidates, std::span<const RolloutHost> hosts,
         std::vector<RolloutBlock>& blocked) {
    std::map<HostId, std::vector<CapacityMove>> moves;
    std::map<NodeId, const RolloutCandidate*> by_id;
    for (const RolloutCandidate& candidate : candidates) by_id[candidate.node] = &candidate;
    std::vector<const RolloutCandidate*> by_name;
    for (const auto& [id, candidate] : by_id) by_name.push_back(candidate);
    std::ranges::stable_sort(by_name, NaturallyBefore, &RolloutCandidate::name);
    for (const RolloutCandidate* candidate : by_name)
      moves[candidate->host].push_back({candidate->node, candidate->before, candidate->after});
    std::vector<const RolloutHost*> sorted;
    for (const RolloutHost& host : hosts) sorted.push_back(&host);
    std::ranges::stable_sort(sorted, [](const RolloutHost* a, const RolloutHost* b) {
      if (NaturallyBefore(a->name, b->name)) return true;
      return !NaturallyBefore(b->name, a->name) && a->id < b->id;
    });
    for (const RolloutHost* host : sorted) {
      const auto found = moves.find(host->id);
      if (found == moves.end()) continue;
      const CapacityOrder order = OrderByCapacity(host->free, found->second);
      std::deque<const RolloutCandidate*>& queue = queues_.emplace_back();
      for (const NodeId& node : order.order) queue.push_back(by_id.at(node));
      for (const BlockedMove& block : order.blocked) {
        queue.push_back(by_id.at(block.node));
        blocked.push_back(
            {by_id.at(block.node), std::string(ToText(block.dimension)), block.need, block.free});
      }
    }
  }

  // The next in turn. A canary is well if there is one at the head of a queue.
  const RolloutCandidate* Take(bool is_canary) {
    size_t chosen = Next([&](const RolloutCandidate& head) { return !is_canary || head.is_well; });
    if (chosen == queues_.size()) chosen = Next([](const RolloutCandidate&) { return true; });
    const RolloutCandidate* taken = queues_[chosen].front();
    queues_[chosen].pop_front();
    turn_ = (chosen + 1) % queues_.size();
    return taken;
  }

 private:
  template <class Accepts>
  size_t Next(const Accepts& accepts) const {
    for (size_t i = 0; i < queues_.size(); ++i) {
      const size_t at = (turn_ + i) % queues_.size();
      if (!queues_[at].empty() && accepts(*queues_[at].front())) return at;
    }
    return queues_.size();
  }

  std::vector<std::deque<const RolloutCandidate*>> queues_;
  size_t turn_ = 0;
};

}  // namespace

std::vector<RolloutStage> DefaultStages() { return {{1, false}, {10, true}, {100, true}}; }

Result<RolloutPlan> PlanRollout(const RolloutRequest& request,
                                std::span<const RolloutCandidate> candidates,
                                std::span<const RolloutHost> hosts) {
  const int64_t count = std::ssize(candidates);
  RETURN_IF_ERROR(CheckNumbers(request, count));
  ASSIGN_OR_RETURN(const std::vector<int64_t> ends, CutStages(request, count));
  RETURN_IF_ERROR(CheckPauses(request, ends.size()));
  RolloutPlan plan{.spec = SpecOf(request, count)};
  Queues queues(candidates, hosts, plan.blocked);
  for (size_t i = 0; i < ends.size(); ++i) {
    RolloutWave& wave = plan.waves.emplace_back();
    wave.size = ends[i] - (i == 0 ? 0 : ends[i - 1]);
    if (i > 0) wave.max_failures = request.max_failures.value_or(wave.size / kFailuresPerCent);
    wave.pause_after = std::ranges::find(request.pause_after, static_cast<int64_t>(i) + 1) !=
                       request.pause_after.end();
    for (int64_t k = 0; k < wave.size; ++k)
      plan.nodes.push_back({queues.Take(i == 0), static_cast<int64_t>(i)});
  }
  return plan;
}

}  // namespace tallyman::planner
