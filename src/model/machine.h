// What an audit compares: a host's last report, and its nodes in the books. Values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/node.h"
#include "model/report.h"

namespace tallyman {

// A live node of the host.
struct BookedNode {
  NodeId id;
  std::string name;
  OrgId org_id;
  ConfigId config_id;
  std::string image_uri;
  Resources resources;
  NodeState node_state = NodeState::kStarting;
  bool in_motion = false;  // a command of it is open, taken or unknown
  Time updated_at;
};

// What the host reported about a node.
struct SeenNode {
  NodeReport report;
  std::string name;                // "": no such node ever existed
  std::optional<Time> updated_at;  // of the node
};

struct MachineAudit {
  HostReport host;  // with a status
  std::string host_name;
  std::vector<BookedNode> booked;  // by id
  std::vector<SeenNode> seen;      // by id
};

enum class MachineKind { kImage, kConfig, kLimit, kGhost, kOrphan };

template <>
struct EnumText<MachineKind> {
  static constexpr std::array<std::string_view, 5> kWords = {"image", "config", "limit", "ghost",
                                                             "orphan"};
};

// A difference between a machine and the books.
struct MachineFinding {
  MachineKind kind = MachineKind::kImage;
  HostId host_id;
  std::string host_name;
  NodeId node_id;
  std::string node_name;        // "" where there never was such a node
  std::optional<OrgId> org_id;  // of a node in the books
  std::string dimension;        // of a limit
  std::string booked;
  std::string found;
  std::string mend;  // the command that fixes it, or advice

  friend bool operator==(const MachineFinding&, const MachineFinding&) = default;
};

}  // namespace tallyman
