// Operations on nodes. Each authorizes, resolves the names in its request, then either shows the
// plan (dry_run) or queues a mutation; `done` hears the encoded Changes.
//
// Errors that all share: PERMISSION_DENIED NOT_PERMITTED; NOT_FOUND NODE_NOT_FOUND (also for a node
// of an org that the caller does not see); INVALID_ARGUMENT that names the field; ABORTED
// PLAN_STALE; INVALID_ARGUMENT REQUEST_ID_REUSED; and those of planner and store.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/changes.h"
#include "control/control.h"
#include "model/placement.h"
#include "planner/config.h"

namespace tallyman {

struct PlanOptions {
  bool dry_run = false;
  std::string plan_token;
};

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
  PlanOptions plan;
};
void UpgradeNodes(Control& control, Call call, const UpgradeNodesRequest& request,
                  Encode<Changes> encode, Done done);

struct RetryUpgradeRequest {
  std::string node;
  int64_t expected_version = 0;
  PlanOptions plan;
};
void RetryUpgrade(Control& control, Call call, const RetryUpgradeRequest& request,
                  Encode<Changes> encode, Done done);

struct CreateNodesRequest {
  std::string image;
  std::string org;
  std::string name;         // of a single node
  std::string name_prefix;  // of several: PREFIX-1, PREFIX-2, ...
  int64_t count = 1;
  std::vector<std::pair<std::string, int64_t>> by_hosts;  // host and how many
  std::string region;                                     // used when by_hosts is empty
  PlacementStrategy strategy = PlacementStrategy::kSpread;
  ConfigEdit config;
  bool auto_upgrade = false;
  PlanOptions plan;
};
void CreateNodes(Control& control, Call call, const CreateNodesRequest& request,
                 Encode<Changes> encode, Done done);

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
void UpdateNode(Control& control, Call call, const UpdateNodeRequest& request,
                Encode<Changes> encode, Done done);

struct MoveNodesRequest {
  std::vector<std::string> nodes;
  std::string org;
  PlanOptions plan;
};
void MoveNodes(Control& control, Call call, const MoveNodesRequest& request, Encode<Changes> encode,
               Done done);

// Start, stop and restart: `kind` is kStart, kStop or kRestart.
struct NodeCommandRequest {
  std::vector<std::string> nodes;
  CommandKind kind = CommandKind::kStart;
  PlanOptions plan;
};
void CommandNodes(Control& control, Call call, const NodeCommandRequest& request,
                  Encode<Changes> encode, Done done);

struct DeleteNodesRequest {
  std::vector<std::string> nodes;
  PlanOptions plan;
};
void DeleteNodes(Control& control, Call call, const DeleteNodesRequest& request,
                 Encode<Changes> encode, Done done);

// What a host reports: `running` is the config that runs now (empty: nothing), and nothing is
// pending. Settles every transition that led there, releases a node being deleted of which nothing
// runs. Not in the API: until hosts report by themselves, this stands in for them.
struct ConfirmRunsRequest {
  NodeId node_id;
  std::optional<ConfigId> running;
};
void ConfirmRuns(Control& control, Call call, const ConfirmRunsRequest& request, Done done);

}  // namespace tallyman
