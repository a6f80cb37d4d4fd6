// Compares what a host last reported with its nodes in the books. Pure.
#pragma once

#include <vector>

#include "model/machine.h"

namespace tallyman::planner {

struct MachineComparison {
  std::vector<MachineFinding> findings;  // by node, then kind and dimension
  int64_t compared = 0;                  // nodes
  // Nodes that changed since the report was made, or that have a pending command.
  int64_t unsettled = 0;
};

//   image, config  not the one that the node is charged for
//   limit          the limit in force differs from what the node is charged for
//   ghost          the node is charged, but nothing of it is in place
//   orphan         something is in place, or remains, for which no node is charged
MachineComparison CompareMachine(const MachineAudit& audit);

}  // namespace tallyman::planner
