#include "control/rollouts/policy_strategy.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "base/text.h"

namespace tallyman::control {
namespace {

namespace json = boost::json;
using Micros = std::chrono::microseconds;

void Put(json::object& to, std::string_view key, const std::optional<int64_t>& number) {
  if (number) to[key] = *number;
}
void Put(json::object& to, std::string_view key, const std::optional<Micros>& span) {
  if (span) to[key] = span->count();
}

// False for what is no whole number; nothing where there is none.
bool Take(const json::object& from, std::string_view key, std::optional<int64_t>& to) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr) return true;
  if (!value->is_int64()) return false;
  to = value->get_int64();
  return true;
}
bool Take(const json::object& from, std::string_view key, std::optional<Micros>& to) {
  std::optional<int64_t> count;
  if (!Take(from, key, count)) return false;
  if (count) to = Micros(*count);
  return true;
}

// The members of an array, each by `take(value)`; none where there is no array.
template <class TakeOne>
bool TakeEach(const json::object& from, std::string_view key, const TakeOne& take) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr) return true;
  if (!value->is_array()) return false;
  for (const json::value& one : value->get_array())
    if (!take(one)) return false;
  return true;
}

bool TakeStrategy(const json::object& from, planner::RolloutRequest& strategy) {
  const auto take_stage = [&](const json::value& value) {
    const json::object* stage = value.if_object();
    if (stage == nullptr) return false;
    std::optional<int64_t> nodes, percent;
    if (!Take(*stage, "nodes", nodes) || !Take(*stage, "percent", percent)) return false;
    if (nodes.has_value() == percent.has_value()) return false;
    strategy.stages.push_back(
        {.amount = percent ? *percent : *nodes, .is_percent = percent.has_value()});
    return true;
  };
  const auto take_pause = [&](const json::value& value) {
    if (!value.is_int64()) return false;
    strategy.pause_after.push_back(value.get_int64());
    return true;
  };
  return TakeEach(from, "stages", take_stage) && TakeEach(from, "pause_after", take_pause) &&
         Take(from, "max_failures", strategy.max_failures) &&
         Take(from, "max_in_flight", strategy.max_in_flight) &&
         Take(from, "per_host", strategy.per_host) && Take(from, "soak_us", strategy.soak) &&
         Take(from, "begin_within_us", strategy.begin_within) &&
         Take(from, "healthy_within_us", strategy.healthy_within) &&
         Take(from, "no_progress_us", strategy.no_progress);
}

}  // namespace

std::string StrategyToJson(const planner::RolloutRequest& strategy) {
  json::object object;
  if (!strategy.stages.empty()) {
    json::array stages;
    for (const planner::RolloutStage& stage : strategy.stages)
      stages.push_back(json::object{{stage.is_percent ? "percent" : "nodes", stage.amount}});
    object["stages"] = std::move(stages);
  }
  if (!strategy.pause_after.empty())
    object["pause_after"] = json::array(strategy.pause_after.begin(), strategy.pause_after.end());
  Put(object, "max_failures", strategy.max_failures);
  Put(object, "max_in_flight", strategy.max_in_flight);
  Put(object, "per_host", strategy.per_host);
  Put(object, "soak_us", strategy.soak);
  Put(object, "begin_within_us", strategy.begin_within);
  Put(object, "healthy_within_us", strategy.healthy_within);
  Put(object, "no_progress_us", strategy.no_progress);
  return json::serialize(object);
}

Result<planner::RolloutRequest> StrategyFromJson(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  planner::RolloutRequest strategy;
  if (!error && value.is_object() && TakeStrategy(value.get_object(), strategy)) return strategy;
  return Fail(DataLoss("POLICY_UNREADABLE",
                       fmt::format("the numbers of an upgrade policy are not readable: their "
                                   "stored form is {}; set the policy again",
                                   Quote(text))));
}

}  // namespace tallyman::control
