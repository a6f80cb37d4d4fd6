// What a fleet file declares and what is there, read to be compared.
#pragma once

#include <string>

#include "cli/fleet_plan.h"
#include "cli/words.h"

namespace tallyman::cli {

// Where a fleet is declared.
struct FleetSource {
  std::string file;
  std::string org;  // of nodes that name none
};

// FILE, -f and --org.
void AddFleetSource(Word verb, FleetSource& source);

// The file, and the files of values that it names. Errors of ReadFleet() and ReadInput().
Result<Fleet> ReadDeclared(Context& context, const FleetSource& source);

// Orgs, regions, protocols and images, hosts and nodes; nodes without their configs.
Result<FleetState> ReadState(Context& context);

// What would have to be done; it reads as much as it needs for that. Errors of PlanFleet().
Result<FleetPlan> CompareFleet(Context& context, const FleetSource& source, Fleet& fleet);

}  // namespace tallyman::cli
