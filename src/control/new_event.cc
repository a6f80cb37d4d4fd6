#include "control/new_event.h"

#include "base/json_text.h"

namespace tallyman::control {

Event NewEvent(const planner::Cause& cause, EventKind kind, std::string detail) {
  Event event;
  event.kind = kind;
  event.actor_id = cause.actor_id;
  event.request_id = cause.request_id;
  event.detail = std::move(detail);
  event.created_at = cause.now;
  return event;
}

std::string Detail(std::initializer_list<std::pair<std::string_view, std::string_view>> facts) {
  std::string out = "{";
  for (const auto& [key, value] : facts) {
    if (out.size() > 1) out += ',';
    AppendJsonKey(out, key);
    AppendJsonString(out, value);
  }
  return out + "}";
}

}  // namespace tallyman::control
