// Operations on nodes, for Run(): each resolves the names in its request and proposes what to do.
//
// Errors that all share: NOT_FOUND NODE_NOT_FOUND (also for a node of an org that the caller does
// not see); INVALID_ARGUMENT that names the field; those of Run(), and those of planner and store.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/nodes/changes.h"
#include "control/operation.h"
#include "model/placement.h"
#include "planner/config.h"

namespace tallyman::control {

// Which nodes an upgrade means when it names none: all that match, but for those that have the
// image already or are being deleted.
struct NodeSelector {
  std::string protocol;
  std::string variant;
  std::string semantic_version;  // "" any
  std::string region;            // "" any
  std::string org;               // "" any
};

struct UpgradeNodesRequest {
  std::vector<std::string> nodes;
  std::optional<NodeSelector> selector;
  std::string image;
  // Of each host, from now on: what it has not begun by then is withdrawn. Empty: it may wait.
  std::optional<std::chrono::microseconds> begin_within;
  PlanOptions plan;
};
// INVALID_ARGUMENT INVALID_BEGIN_WITHIN: not above 0, or longer than 30 days.
Result<Proposal<Changes>> UpgradeNodes(const Authorized& by, const UpgradeNodesRequest& request);

struct RetryUpgradeRequest {
  std::string node;
  int64_t expected_version = 0;
  PlanOptions plan;
};
Result<Proposal<Changes>> RetryUpgrade(const Authorized& by, const RetryUpgradeRequest& request);

struct CreateNodesRequest {
  std::string image;
  std::string org;
  std::string name;                // of a single node
  std::string name_prefix;         // of several: PREFIX-1, PREFIX-2, ...
  std::vector<std::string> names;  // of all of them; neither of the others is set then
  int64_t count = 1;
  std::vector<std::pair<std::string, int64_t>> by_hosts;  // host and how many
  std::string region;                                     // used when by_hosts is empty
  PlacementStrategy strategy = PlacementStrategy::kSpread;
  planner::ConfigEdit config;
  bool auto_upgrade = false;
  PlanOptions plan;
};
Result<Proposal<Changes>> CreateNodes(const Authorized& by, const CreateNodesRequest& request);

struct UpdateNodeRequest {
  std::string node;
  std::map<std::string, std::string> set_values;
  std::vector<std::string> reset_values;
  std::vector<FirewallRule> set_firewall_rules;
  std::vector<std::string> reset_firewall_rules;
  std::optional<bool> auto_upgrade;
  int64_t expected_version = 0;
  PlanOptions plan;
};
Result<Proposal<Changes>> UpdateNode(const Authorized& by, const UpdateNodeRequest& request);

struct MoveNodesRequest {
  std::vector<std::string> nodes;
  std::string org;
  PlanOptions plan;
};
Result<Proposal<Changes>> MoveNodes(const Authorized& by, const MoveNodesRequest& request);

// Start, stop and restart: `kind` is kStart, kStop or kRestart.
struct NodeCommandRequest {
  std::vector<std::string> nodes;
  CommandKind kind = CommandKind::kStart;
  PlanOptions plan;
};
Result<Proposal<Changes>> CommandNodes(const Authorized& by, const NodeCommandRequest& request);

// A command that no host has taken is withdrawn, and its node goes back (planner/lifecycle.h).
// FAILED_PRECONDITION COMMAND_TAKEN, COMMAND_ENDED, COMMAND_NOT_CANCELLABLE (a create or a delete),
// NOTHING_TO_GO_BACK_TO. Beside them errors of GetCommand().
struct CancelCommandRequest {
  std::string command_id;
  PlanOptions plan;
};
Result<Proposal<Changes>> CancelCommand(const Authorized& by, const CancelCommandRequest& request);

struct DeleteNodesRequest {
  std::vector<std::string> nodes;
  PlanOptions plan;
};
Result<Proposal<Changes>> DeleteNodes(const Authorized& by, const DeleteNodesRequest& request);

}  // namespace tallyman::control
