// Comparing what a host last reported with its nodes in the books. Pure.
#pragma once

#include <vector>

#include "model/machine.h"

namespace tallyman {

struct MachineComparison {
  std::vector<MachineFinding> findings;  // by node, then kind and dimension
  int64_t compared = 0;                  // nodes
  // Nodes that changed since the report was made, or of which something is in motion.
  int64_t unsettled = 0;
};

//   image, config  another one is in place than the node is charged for
//   limit          the limit in force is not what the node is charged for
//   ghost          the node is charged, and nothing of it is in place
//   orphan         something is in place, or remains, that no node is charged for
MachineComparison CompareMachine(const MachineAudit& audit);

}  // namespace tallyman
