// What an audit compares machines with: a host's last report beside its nodes in the books. Values.
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

// What the host said of a node.
struct SeenNode {
  NodeReport report;
  std::string name;                // "": there never was such a node
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

// Something on a machine that is not what the books say.
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
  std::string mend;  // what to do about it, as it is typed

  friend bool operator==(const MachineFinding&, const MachineFinding&) = default;
};

}  // namespace tallyman
