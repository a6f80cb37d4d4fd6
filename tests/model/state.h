// One node, its commands, its host and the network between host and control plane, as small
// numbers: a state of which millions fit into memory. The control plane's part is what the database
// keeps of it; planner/lifecycle decides on it (server.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>

#include "model/command.h"
#include "model/node.h"
#include "model/report.h"

namespace tallyman::model {

inline constexpr int kCommandsMax = 5;
inline constexpr int kMessagesMax = 3;

// Configs are numbered from 1; 0 is none. This is what each asks for in every dimension: one after
// the other, more or less of it than the first.
inline constexpr uint8_t kSizes[][8] = {{0, 1, 3, 2, 1, 2, 3, 1}, {0, 3, 1, 2, 3, 1, 2, 3}};

// How far a host has come with a command.
enum class AtHost : uint8_t {
  kUnseen,
  kFetched,   // not to be begun before its acknowledgement is accepted
  kAccepted,  // to be begun
  kBegun,
  kDone,
  kDropped,  // its acknowledgement was refused
};
enum class Reply : uint8_t { kNone, kAccepted, kRefused };
enum class Telling : uint8_t { kNothing, kToTell, kTold };

struct ModelCommand {
  CommandKind kind() const { return static_cast<CommandKind>(kind_number); }
  CommandState state() const { return static_cast<CommandState>(state_number); }
  OutcomeResult result() const { return static_cast<OutcomeResult>(result_number); }

  uint8_t kind_number;
  uint8_t state_number;
  uint8_t from;
  uint8_t to;
  uint8_t attempt;  // from 1
  uint8_t taken;    // its place among the acknowledgements that were accepted; 0: none was
  uint8_t handed;   // the attempt that was handed out last; 0: none was
  uint8_t late;     // the time in which it might begin is over
  // At the host:
  AtHost at_host;
  uint8_t host_attempt;
  Reply reply;
  uint8_t result_number;
  uint8_t after;  // the config in place after it
  Telling outcome;

  friend bool operator==(const ModelCommand&, const ModelCommand&) = default;
};

// A status comes with all outcomes that are to be told, which count first.
enum class MessageKind : uint8_t { kAck, kOutcome, kStatus };

struct Message {
  MessageKind kind;
  uint8_t number;   // of the report, among those under way
  uint8_t command;  // of an acknowledgement or outcome
  uint8_t attempt;
  uint8_t result_number;
  uint8_t config;    // in place
  uint8_t pending;   // of a status
  uint8_t remains;   // something of the node is there, though nothing is in place
  uint8_t outcomes;  // those that come with a status: a bit for each command

  friend auto operator<=>(const Message&, const Message&) = default;
};

// How far the command that a host has begun has come.
enum class Step : uint8_t { kNone, kBegun, kOldStopped, kNewStarted };

struct State {
  NodeState node_state() const { return static_cast<NodeState>(node_state_number); }
  bool waits_for(NextState state) const {
    return next_state_number == static_cast<uint8_t>(state) + 1;
  }
  bool is_deleting() const {
    return waits_for(NextState::kDeleting) || node_state() == NodeState::kDeleting;
  }

  uint8_t size_of(uint8_t which) const { return kSizes[sizes][which]; }

  uint8_t sizes;  // which of kSizes
  // What the control plane has.
  uint8_t config;
  uint8_t running;
  uint8_t node_state_number;
  uint8_t next_state_number;  // plus 1; 0: none
  uint8_t charged;
  uint8_t held;
  uint8_t released;
  uint8_t configs;                                  // made so far
  uint8_t count;                                    // of commands
  std::array<ModelCommand, kCommandsMax> commands;  // by seq, which is the index and 1
  // What the host has.
  uint8_t in_place;
  uint8_t known;  // something of the node may be there
  uint8_t begun;  // the index and 1 of the command; 0: none
  Step step;
  uint8_t in_place_before;
  uint8_t may_come_back;  // the config that a command has failed to put back, which is still tried
  // What is under way from the host.
  uint8_t under_way;
  std::array<Message, kMessagesMax> messages;

  friend bool operator==(const State&, const State&) = default;
};
static_assert(std::has_unique_object_representations_v<State>);

inline bool IsPendingAtHost(const ModelCommand& command) {
  return command.at_host == AtHost::kFetched || command.at_host == AtHost::kAccepted ||
         command.at_host == AtHost::kBegun;
}

std::string Describe(const State& state);

}  // namespace tallyman::model
