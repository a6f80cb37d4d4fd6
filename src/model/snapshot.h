// What one decision reads: rows under its locks, or from one consistent read.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/catalog.h"
#include "model/command.h"
#include "model/host.h"
#include "model/node.h"
#include "model/request.h"

namespace tallyman {

// Sums over a host's or an org's live nodes, as the nodes' own fields say.
struct HostSums {
  Books books;
  Resources held;

  // Charges and holds together. Errors as for Resources.
  Result<Books> Taken() const {
    ASSIGN_OR_RETURN(const Resources taken, Add(books.allocated, held));
    return Books{books.node_count, taken};
  }
  friend bool operator==(const HostSums&, const HostSums&) = default;
};

// An org with a quota, and what its live nodes take.
struct LimitedOrg {
  Org org;
  Books taken;
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
  bool has_quota = false;  // the org
  // Holds the error (DATA_LOSS, OLD_CONFIG_UNREADABLE) when the config is missing or broken.
  Result<NodeConfig> config;
  std::shared_ptr<const Image> image;   // of the current config; never null
  std::optional<Resources> running;     // what running_config_id asks for
  std::vector<Transition> transitions;  // pending or failed, by seq
  // Read only with LockSet::with_history: the newest settled or reverted command that gave the node
  // another config (0: none); and, among the requested configs and the running one, those that
  // commands of this node lead to and that are not forgotten.
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
