// What is there, as a fleet file that declares it. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "cli/fleet_plan.h"

namespace tallyman::cli {

struct FleetDocument {
  // A map that ReadFleet() reads, with its entries in a fixed order: equal for equal fleets. What
  // has its default is left out.
  boost::json::value document;
  // Values that nodes have and their images do not know: a new node cannot be given them.
  std::vector<std::string> left_out;  // "n-1: key"
};

// REQUIRES: the nodes have their configs.
FleetDocument DocumentOf(const FleetState& state);

// As ParseAmount() reads it, exactly: "16GB", "1536MiB".
std::string ExactAmount(int64_t bytes);

}  // namespace tallyman::cli
