#include "planner/capacity_order.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

namespace tallyman::planner {
namespace {

// Free amounts sum up what many nodes give back, which may be beyond 64 bits.
using Wide = __int128;
using Amounts = std::array<Wide, kDimensions.size()>;

enum class Stage { kShrinks, kMixed, kGrows };

struct Step {
  NodeId node;
  Stage stage;
  std::array<int64_t, kDimensions.size()> growth;  // negative: it shrinks
};

Step StepOf(const CapacityMove& move) {
  Step step{move.node, Stage::kShrinks, {}};
  bool grows = false, shrinks = false;
  for (size_t i = 0; i < kDimensions.size(); ++i) {
    step.growth[i] = move.after.get(kDimensions[i]) - move.before.get(kDimensions[i]);
    grows |= step.growth[i] > 0;
    shrinks |= step.growth[i] < 0;
  }
  if (grows) step.stage = shrinks ? Stage::kMixed : Stage::kGrows;
  return step;
}

// The first dimension without room for the step.
std::optional<size_t> Lacks(const Step& step, const Amounts& free) {
  for (size_t i = 0; i < free.size(); ++i) {
    if (step.growth[i] > 0 && step.growth[i] > free[i]) return i;
  }
  return std::nullopt;
}

}  // namespace

CapacityOrder OrderByCapacity(const Resources& free, std::span<const CapacityMove> moves) {
  std::vector<Step> waiting;
  for (const CapacityMove& move : moves) waiting.push_back(StepOf(move));
  std::ranges::sort(
      waiting, {}, [](const Step& step) { return std::tuple(step.stage, step.growth, step.node); });
  Amounts left;
  for (size_t i = 0; i < left.size(); ++i) left[i] = free.get(kDimensions[i]);

  CapacityOrder out;
  for (auto next = waiting.begin(); next != waiting.end();) {
    if (Lacks(*next, left)) {
      ++next;
      continue;
    }
    for (size_t i = 0; i < left.size(); ++i) left[i] -= next->growth[i];
    out.order.push_back(next->node);
    // What it gave back may be what an earlier one lacked.
    const bool gave = next->stage == Stage::kMixed;
    next = waiting.erase(next);
    if (gave) next = waiting.begin();
  }
  for (const Step& step : waiting) {
    const size_t lacks = Lacks(step, left).value();
    out.blocked.push_back(
        {step.node, kDimensions[lacks], step.growth[lacks], static_cast<int64_t>(left[lacks])});
  }
  return out;
}

}  // namespace tallyman::planner
