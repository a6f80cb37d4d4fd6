// What one decision reads: rows under its locks, or from one consistent read.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/command.h"
#include "model/host.h"
#include "model/node.h"
#include "model/request.h"

namespace tallyman {

// Sums over a host's live nodes, as the nodes' own fields say.
struct HostSums {
  Books books;
  Resources held;

  friend bool operator==(const HostSums&, const HostSums&) = default;
};

struct HostSnapshot {
  Host host;
  // Both are read only in a run that suspects drift, and in plans.
  std::optional<HostSums> sums;
  std::optional<Books> ledger_balance;  // of the newest entry; zero when there is none
};

// A config that a node may run, or may go back to.
struct KnownConfig {
  Resources resources;
  std::shared_ptr<const Image> image;  // never null
};

struct NodeSnapshot {
  Node node;
  std::string org_name;
  // Holds the error (DATA_LOSS, OLD_CONFIG_UNREADABLE) when the config is missing or broken.
  Result<NodeConfig> config;
  std::shared_ptr<const Image> image;   // of the current config; never null
  std::optional<Resources> running;     // what running_config_id asks for
  std::vector<Transition> transitions;  // pending or failed, by seq
  // Read only with LockSet::with_history: the newest settled or reverted command that gave the node
  // another config (0: none); and, among the requested configs and the running one, those that
  // commands of this node lead to.
  int64_t ended_seq = 0;
  std::map<ConfigId, KnownConfig> configs;
};

// The fields of a command by which a report finds it.
struct CommandPlace {
  NodeId node_id;
  HostId host_id;
  CommandState state = CommandState::kOpen;
};

}  // namespace tallyman
