// What really ran on the machines of a simulation, and since when.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/simulated_runtime.h"
#include "base/clock.h"

namespace tallyman {

class MachineLog {
 public:
  // REQUIRES: called after each thing that happens to the machine.
  void See(agent::SimulatedRuntime& machine, Time now);
  // Whether the node ran this config all the time, and was not started anew in between.
  bool Ran(const NodeId& node, const ConfigId& config, Time from, Time until) const;
  // For people.
  std::string Describe(const NodeId& node) const;

 private:
  struct Run {
    ConfigId config;
    int64_t starts = 0;  // of the node, as its own log counts them
    Time from;
    Time until;
    bool goes_on = true;
  };
  std::map<NodeId, std::vector<Run>> runs_;
};

}  // namespace tallyman
