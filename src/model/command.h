// A command: an instruction to a host. Its payload never changes; its row is the record of the
// transition from one config of a node to another.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/config.h"
#include "model/host.h"
#include "model/node.h"

namespace tallyman {

enum class CommandKind { kCreate, kUpgrade, kUpdate, kDelete, kStart, kStop, kRestart };
enum class CommandState {
  kOpen,
  kTaken,
  kSettled,
  kReverted,
  kFailed,
  kUnknown,
  kSuperseded,
  kCancelled
};

template <>
struct EnumText<CommandKind> {
  static constexpr std::array<std::string_view, 7> kWords = {
      "node_create", "node_upgrade", "node_update", "node_delete",
      "node_start",  "node_stop",    "node_restart"};
};
template <>
struct EnumText<CommandState> {
  static constexpr std::array<std::string_view, 8> kWords = {
      "open", "taken", "settled", "reverted", "failed", "unknown", "superseded", "cancelled"};
};

// The command moves a node from one config to another, or to or from nothing.
constexpr bool IsTransition(CommandKind kind) {
  return kind == CommandKind::kCreate || kind == CommandKind::kUpgrade ||
         kind == CommandKind::kUpdate || kind == CommandKind::kDelete;
}
// The node has another config afterwards, or none after a delete.
constexpr bool ChangesConfig(CommandKind kind) {
  return IsTransition(kind) && kind != CommandKind::kDelete;
}
// Not ended: a host, an operator or the deadline may still act on it.
constexpr bool IsPending(CommandState state) {
  return state == CommandState::kOpen || state == CommandState::kTaken ||
         state == CommandState::kUnknown;
}

struct Command {
  CommandId id;
  NodeId node_id;
  HostId host_id;
  CommandKind kind = CommandKind::kCreate;
  CommandState state = CommandState::kOpen;
  // The order of a node's commands: the node's version when it was made, so unique per node.
  int64_t seq = 0;
  int64_t attempt = 1;
  std::optional<ConfigId> from_config_id;
  std::optional<ConfigId> to_config_id;
  std::string payload;
  Time created_at;
  std::optional<Time> taken_at;    // when the acknowledgement of this attempt was accepted
  std::optional<Time> not_before;  // after a retry hint: not handed out before
  std::optional<Time> not_after;   // its acknowledgement is refused afterwards
  std::string outcome;             // what the host reported, when it did not settle
  std::optional<Time> ended_at;
};

// What planning needs to know about a command that still counts.
struct Transition {
  CommandId id;
  CommandKind kind = CommandKind::kCreate;
  CommandState state = CommandState::kOpen;
  int64_t seq = 0;
  std::optional<ConfigId> from_config_id;
  std::optional<ConfigId> to_config_id;
  Resources from;  // zero when there is no such config
  Resources to;
  int64_t attempt = 1;
  std::optional<Time> taken_at = {};
  std::optional<Time> not_after = {};

  friend bool operator==(const Transition&, const Transition&) = default;
};

// The full node as the host needs it, as JSON: ids, names, image, values, resources, firewall
// rules. With secrets its config has another name (kConfigWithSecrets), which an agent that does
// not know of secrets refuses: it must not start the node without them.
std::string RenderPayload(const Node& node, const NodeConfig& config, const Image& image,
                          std::string_view host_name);

inline constexpr std::string_view kConfigWithSecrets = "config_with_secrets";

// What a sealed secret is sealed for: it opens as no other secret, and for no other org.
std::string SecretContext(std::string_view org_id, std::string_view key);

// The payload with other texts in the places of its secrets; `rewrite` gets the context of each and
// its text. Errors are those of `rewrite`, and DATA_LOSS PAYLOAD_UNREADABLE.
Result<std::string> RewriteSecrets(
    std::string payload,
    const std::function<Result<std::string>(const std::string& context, const std::string& text)>&
        rewrite);

}  // namespace tallyman
