// Events as operations write them: with their cause, and what they tell beside it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "model/event.h"
#include "planner/books_plan.h"

namespace tallyman::control {

// About nothing in particular yet: whose it is and what it is about is for the caller to say.
Event NewEvent(const planner::Cause& cause, EventKind kind, std::string detail);

// {"key":"value",...}: an event's detail.
std::string Detail(std::initializer_list<std::pair<std::string_view, std::string_view>> facts);

}  // namespace tallyman::control
