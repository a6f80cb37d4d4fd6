// What a drain remembers of the nodes of its host, and what a host that is drained waits for.
#pragma once

#include <optional>
#include <string>

#include "model/command.h"

namespace tallyman {

// A node that a drain stopped, and by which command. Goes with the claim of the drain.
struct DrainNode {
  HostId host_id;
  std::string owner;  // of the claim
  NodeId node_id;
  CommandId command_id;

  friend bool operator==(const DrainNode&, const DrainNode&) = default;
};

// The newest start, stop or restart of a live node that nobody withdrew: whether it is to run.
struct RunOrder {
  NodeId node_id;
  CommandId command_id;
  CommandKind kind = CommandKind::kStart;
  CommandState state = CommandState::kOpen;

  friend bool operator==(const RunOrder&, const RunOrder&) = default;
};

// Why a host is not at rest: a command that has not ended, or what its last status said.
struct DrainWait {
  NodeId node_id;
  std::string node;                    // "": none of this host's
  std::optional<OrgId> org_id;         // likewise
  std::optional<CommandKind> command;  // of a live node
  std::optional<CommandState> state;   // with `command`
  bool runs = false;                   // the host says so

  friend bool operator==(const DrainWait&, const DrainWait&) = default;
};

}  // namespace tallyman
