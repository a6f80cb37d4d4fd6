// Every state that can be reached from a beginning, breadth first, and the shortest way to one that
// breaks a promise.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/model/state.h"

namespace tallyman::model {

struct Bounds {
  bool begins_running = true;     // else with a create that nobody has seen
  bool first_is_largest = false;  // the config that it begins with
  int commands = 3;               // of the node, at most kCommandsMax
  int messages = 1;               // under way from the host at once, at most kMessagesMax
  bool late = false;              // upgrades may begin only for a while
  size_t states = 100'000'000;    // ends the exploration
};

struct Explored {
  size_t states = 0;
  bool complete = false;
  std::string broken;              // the promise; empty: none
  std::vector<std::string> trace;  // what happened, and the state at the end
};

Explored Explore(const Bounds& bounds);

}  // namespace tallyman::model
