#include "model/rollout.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <limits>

#include "base/text.h"
#include "base/time.h"

namespace tallyman {
namespace {

namespace json = boost::json;

void PutTime(json::object& to, std::string_view key, const std::optional<Time>& time) {
  if (time) to[key] = ToMicros(*time);
}

bool TakeNumber(const json::object& from, std::string_view key, int64_t& to) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return false;
  to = value->get_int64();
  return true;
}

bool TakeMicros(const json::object& from, std::string_view key, std::chrono::microseconds& to) {
  int64_t micros = 0;
  if (!TakeNumber(from, key, micros)) return false;
  to = std::chrono::microseconds(micros);
  return true;
}

bool TakeTime(const json::object& from, std::string_view key, std::optional<Time>& to) {
  if (!from.contains(key)) return true;
  int64_t micros = 0;
  if (!TakeNumber(from, key, micros)) return false;
  to = FromMicros(micros);
  return true;
}

bool TakeWave(const json::value& value, RolloutWave& wave) {
  const json::object* object = value.if_object();
  if (object == nullptr) return false;
  const json::value* pause = object->if_contains("pause_after");
  if (pause == nullptr || !pause->is_bool()) return false;
  wave.pause_after = pause->get_bool();
  return TakeNumber(*object, "size", wave.size) &&
         TakeNumber(*object, "max_failures", wave.max_failures) &&
         TakeNumber(*object, "accepted_failures", wave.accepted_failures) &&
         TakeTime(*object, "started_at", wave.started_at) &&
         TakeTime(*object, "passed_at", wave.passed_at);
}

bool TakePlan(const json::value& value, Rollout& rollout) {
  const json::object* object = value.if_object();
  if (object == nullptr) return false;
  const json::value* waves = object->if_contains("waves");
  if (waves == nullptr || !waves->is_array()) return false;
  rollout.waves.clear();
  for (const json::value& wave : waves->get_array())
    if (!TakeWave(wave, rollout.waves.emplace_back())) return false;
  rollout.reverts.clear();
  if (const json::value* reverts = object->if_contains("reverts")) {
    if (!reverts->is_string()) return false;
    rollout.reverts = reverts->get_string();
  }
  RolloutSpec& spec = rollout.spec;
  return TakeNumber(*object, "max_in_flight", spec.max_in_flight) &&
         TakeNumber(*object, "per_host", spec.per_host) &&
         TakeMicros(*object, "soak_us", spec.soak) &&
         TakeMicros(*object, "begin_within_us", spec.begin_within) &&
         TakeMicros(*object, "healthy_within_us", spec.healthy_within) &&
         TakeMicros(*object, "no_progress_us", spec.no_progress);
}

}  // namespace

std::string PlanToJson(const Rollout& rollout) {
  const RolloutSpec& spec = rollout.spec;
  json::object plan = {{"max_in_flight", spec.max_in_flight},
                       {"per_host", spec.per_host},
                       {"soak_us", spec.soak.count()},
                       {"begin_within_us", spec.begin_within.count()},
                       {"healthy_within_us", spec.healthy_within.count()},
                       {"no_progress_us", spec.no_progress.count()}};
  if (!rollout.reverts.empty()) plan["reverts"] = rollout.reverts;
  json::array waves;
  for (const RolloutWave& wave : rollout.waves) {
    json::object object = {{"size", wave.size},
                           {"max_failures", wave.max_failures},
                           {"accepted_failures", wave.accepted_failures},
                           {"pause_after", wave.pause_after}};
    PutTime(object, "started_at", wave.started_at);
    PutTime(object, "passed_at", wave.passed_at);
    waves.push_back(std::move(object));
  }
  plan["waves"] = std::move(waves);
  return json::serialize(plan);
}

Status PlanFromJson(std::string_view text, Rollout& rollout) {
  boost::system::error_code error;
  const json::value plan = json::parse(json::string_view(text.data(), text.size()), error);
  const bool is_readable = !error && TakePlan(plan, rollout) && rollout.wave >= 0 &&
                           rollout.wave < static_cast<int64_t>(rollout.waves.size());
  if (is_readable) return {};
  return Fail(DataLoss("ROLLOUT_UNREADABLE", fmt::format("the plan of rollout {} is not readable: "
                                                         "its stored form is {}",
                                                         rollout.name, Quote(text)))
                  .With("rollout_id", rollout.id.ToString()));
}

}  // namespace tallyman
