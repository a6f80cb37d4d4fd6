// The difference between a declared fleet and the one that is there, as steps to take. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/fleet_file.h"
#include "tallyman/v1/fleet.pb.h"

namespace tallyman::cli {

// What is there, as far as the declaration is about it.
struct FleetState {
  std::set<std::string> orgs;
  std::set<std::string> regions;
  std::map<std::string, v1::Host> hosts;
  std::map<std::string, v1::Protocol> protocols;
  std::vector<v1::Image> images;
  // By name; the declared ones with their config.
  std::map<std::string, v1::Node> nodes;
};

struct FleetChange {
  bool is_new = false;  // else it changes what is there
  std::string kind;     // "org", "host", ...
  std::string name;
  std::string text;  // what it becomes, or before -> after
};

// A step of ApplyFleet, and what it changes.
struct FleetStep {
  v1::FleetStep request;
  // Where what it is about is declared: one place, or one for each index of a batch.
  std::vector<FilePosition> positions;
  std::vector<FleetChange> changes;
};

struct FleetPlan {
  std::vector<FleetStep> steps;
  int64_t unchanged_count = 0;
};

// Orgs, regions, protocols, images, new hosts, changed hosts, moves, upgrades, updates, new nodes:
// in this order, so that each finds what it needs. New nodes that differ only in name and place are
// one step. What the file does not mention stays as it is.
// `org` owns new nodes whose entry names none; it may be empty when there are none of those.
//
// Errors carry the place: INVALID_ARGUMENT, reason FLEET_CONFLICT, for what cannot be changed (a
// host's region, a published image, the host of a node); INVALID_ARGUMENT, reason INVALID_FLEET,
// for a name that is neither declared nor there.
Result<FleetPlan> PlanFleet(std::string_view file, const Fleet& fleet, const FleetState& state,
                            const std::string& org);

}  // namespace tallyman::cli
