// A node: one image running on one host for one org, charged to the host's books.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "model/ids.h"
#include "model/resources.h"

namespace tallyman {

enum class NodeState { kStarting, kRunning, kStopped, kUpgrading, kDeleting, kDeleted, kFailed };
enum class NextState { kStarting, kStopping, kRestarting, kUpgrading, kDeleting };

template <>
struct EnumText<NodeState> {
  static constexpr std::array<std::string_view, 7> kWords = {
      "starting", "running", "stopped", "upgrading", "deleting", "deleted", "failed"};
};
template <>
struct EnumText<NextState> {
  static constexpr std::array<std::string_view, 5> kWords = {"starting", "stopping", "restarting",
                                                             "upgrading", "deleting"};
};

// Invariants: `host_id` never changes; a live node's `resources` equal its config's; `held` is what
// its host reserves for it beyond `resources` while a transition is open.
struct Node {
  NodeId id;
  std::string name;  // unique among the nodes that are not deleted; never changes
  OrgId org_id;
  HostId host_id;
  ImageId image_id;
  ConfigId config_id;
  ProtocolId protocol_id;
  ProtocolVersionId protocol_version_id;
  std::string semantic_version;
  bool auto_upgrade = false;
  NodeState node_state = NodeState::kStarting;
  std::optional<NextState> next_state;
  Resources resources;
  Resources held;
  std::optional<ConfigId> running_config_id;  // what the host last said runs; empty: nothing
  bool handed_out = false;  // a command of this node was handed out to its host at least once
  int64_t version = 1;
  Time created_at;
  Time updated_at;
  std::optional<Time> released_at;  // when its resources were released, once
  std::optional<Time> deleted_at;

  bool IsLive() const { return !released_at && !deleted_at; }
  bool IsBeingDeleted() const {
    return next_state == NextState::kDeleting || node_state == NodeState::kDeleting;
  }
  friend bool operator==(const Node&, const Node&) = default;
};

}  // namespace tallyman
