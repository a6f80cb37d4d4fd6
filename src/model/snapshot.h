// What one decision reads: rows as they stand under the locks, or in one consistent read.
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
  // The error (DATA_LOSS, OLD_CONFIG_UNREADABLE) stands here when the config is missing or broken.
  Result<NodeConfig> config;
  std::shared_ptr<const Image> image;   // of the current config; never null
  std::optional<Resources> running;     // what running_config_id asks for
  std::vector<Transition> transitions;  // pending or failed, by seq
  // Read only with LockSet::with_history: the newest command of those that gave the node another
  // config and were settled or reverted (0: none); and of the configs that were asked for, and of
  // the one that runs, those that commands of this node lead to.
  int64_t ended_seq = 0;
  std::map<ConfigId, KnownConfig> configs;
};

// A command as far as a report needs it to be found.
struct CommandPlace {
  NodeId node_id;
  HostId host_id;
  CommandState state = CommandState::kOpen;
};

}  // namespace tallyman
