#include "tests/model/server.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"
#include "planner/hold.h"

namespace tallyman::model {
namespace {

using planner::NodeLifecycle;

template <class IdType>
IdType IdOf(int number) {
  IdType id;
  id.uuid.bytes[15] = static_cast<uint8_t>(number);
  return id;
}
template <class IdType>
uint8_t NumberOf(const IdType& id) {
  return id.uuid.bytes[15];
}
std::optional<ConfigId> ConfigOf(uint8_t number) {
  if (number == 0) return std::nullopt;
  return IdOf<ConfigId>(number);
}

Resources SizeOf(const State& state, uint8_t config) {
  const int64_t size = state.size_of(config);
  return {size, size, size};
}

KnownConfig Known(const State& state, uint8_t config) {
  static const auto images = [] {
    std::array<std::shared_ptr<const Image>, std::size(kSizes[0])> made;
    for (size_t i = 0; i < made.size(); ++i) {
      auto image = std::make_shared<Image>();
      image->id = IdOf<ImageId>(static_cast<int>(i));
      made[i] = std::move(image);
    }
    return made;
  }();
  return {SizeOf(state, config), images[config]};
}

std::vector<Transition> TransitionsOf(const State& state, int64_t ended_seq) {
  std::vector<Transition> transitions;
  for (int i = 0; i < state.count; ++i) {
    const ModelCommand& command = state.commands[i];
    const bool failed = command.state() == CommandState::kFailed && i + 1 > ended_seq;
    if (!IsPending(command.state()) && !failed) continue;
    Transition& transition = transitions.emplace_back();
    transition.id = IdOf<CommandId>(i + 1);
    transition.kind = command.kind();
    transition.state = command.state();
    transition.seq = i + 1;
    transition.from_config_id = ConfigOf(command.from);
    transition.to_config_id = ConfigOf(command.to);
    transition.from = SizeOf(state, command.from);
    transition.to = SizeOf(state, command.to);
    transition.attempt = command.attempt;
    if (command.taken > 0) transition.taken_at = FromMicros(command.taken);
    if (command.late) transition.not_after = Time();
  }
  return transitions;
}

int64_t EndedSeqOf(const State& state) {
  for (int i = state.count - 1; i >= 0; --i) {
    const ModelCommand& command = state.commands[i];
    if (!ChangesConfig(command.kind())) continue;
    if (command.state() == CommandState::kSettled || command.state() == CommandState::kReverted)
      return i + 1;
  }
  return 0;
}

// As a store reads it with LockSet::with_history.
NodeSnapshot SnapshotOf(const State& state) {
  NodeSnapshot node;
  node.node.config_id = IdOf<ConfigId>(state.config);
  node.node.running_config_id = ConfigOf(state.running);
  node.node.node_state = state.node_state();
  if (state.next_state_number > 0)
    node.node.next_state = static_cast<NextState>(state.next_state_number - 1);
  node.node.resources = SizeOf(state, state.config);
  if (state.released) node.node.released_at = Time();
  NodeConfig config;
  config.resources = node.node.resources;
  node.config = std::move(config);
  node.image = Known(state, state.config).image;
  if (state.running > 0) node.running = SizeOf(state, state.running);
  node.ended_seq = EndedSeqOf(state);
  node.transitions = TransitionsOf(state, node.ended_seq);
  for (int i = 0; i < state.count; ++i)
    if (const uint8_t to = state.commands[i].to; to > 0)
      node.configs.emplace(IdOf<ConfigId>(to), Known(state, to));
  return node;
}

// What a command's new state says of the host must be true.
Broken CheckEnd(const State& state, int at, CommandState after) {
  const ModelCommand& command = state.commands[at];
  const bool good = after == CommandState::kSettled;
  if (!good && after != CommandState::kReverted) return {};
  if (command.at_host == AtHost::kAccepted || command.at_host == AtHost::kBegun)
    return fmt::format("command {} is {} while its host still has it to do", at, ToText(after));
  const bool later_began =
      std::any_of(state.commands.begin() + at + 1, state.commands.begin() + state.count,
                  [](const ModelCommand& later) {
                    return later.at_host == AtHost::kBegun || later.at_host == AtHost::kDone;
                  });
  if (!good && ChangesConfig(command.kind()) && command.at_host == AtHost::kDone &&
      command.result() == OutcomeResult::kOk && !later_began && state.in_place == command.to)
    return fmt::format("command {} is reverted, and what it led to runs", at);
  return {};
}

// Takes over what was decided, as control/hosts/node_step writes it.
Broken Write(State& state, const NodeLifecycle& life) {
  Broken broken;
  if (life.released() && !state.released && state.in_place > 0)
    broken = "the node is released while it runs";
  for (const CommandUpdate& update : life.updates()) {
    const int at = NumberOf(update.id) - 1;
    ModelCommand& command = state.commands[at];
    if (broken.empty() && update.state != command.state())
      broken = CheckEnd(state, at, update.state);
    command.state_number = static_cast<uint8_t>(update.state);
    if (update.attempt) command.attempt = static_cast<uint8_t>(*update.attempt);
    if (update.taken_at) command.taken = static_cast<uint8_t>(ToMicros(*update.taken_at));
    if (update.from_config_id) command.from = NumberOf(*update.from_config_id);
  }
  const Node& node = life.node();
  state.config = NumberOf(node.config_id);
  state.running = node.running_config_id ? NumberOf(*node.running_config_id) : uint8_t{0};
  state.node_state_number = static_cast<uint8_t>(node.node_state);
  state.next_state_number =
      node.next_state ? static_cast<uint8_t>(static_cast<int>(*node.next_state) + 1) : uint8_t{0};
  state.released = life.released() ? 1 : 0;
  state.charged = static_cast<uint8_t>(life.charged().cpu_cores);
  state.held = static_cast<uint8_t>(life.held().cpu_cores);
  return broken;
}

Time NowOf(const State& state) {
  uint8_t last = 0;
  for (int i = 0; i < state.count; ++i) last = std::max(last, state.commands[i].taken);
  return FromMicros(last + 1);
}

template <class Apply>
Broken Decide(State& state, const Apply& apply) {
  const NodeSnapshot before = SnapshotOf(state);
  NodeLifecycle life(before, NowOf(state));
  apply(life);
  return life.changed() ? Write(state, life) : Broken();
}

void Charge(State& state, uint8_t config) {
  state.config = config;
  state.charged = state.size_of(config);
  const std::vector<Transition> transitions = TransitionsOf(state, EndedSeqOf(state));
  std::optional<Resources> running;
  if (state.running > 0) running = SizeOf(state, state.running);
  state.held =
      static_cast<uint8_t>(planner::HoldFor(SizeOf(state, config), running, transitions).cpu_cores);
}

ModelCommand& AddCommand(State& state, CommandKind kind, uint8_t from, uint8_t to) {
  ModelCommand& command = state.commands[state.count++];
  command.kind_number = static_cast<uint8_t>(kind);
  command.state_number = static_cast<uint8_t>(CommandState::kOpen);
  command.from = from;
  command.to = to;
  command.attempt = 1;
  return command;
}

void End(State& state, CommandState after, bool (*which)(const ModelCommand&)) {
  for (int i = 0; i < state.count; ++i)
    if (which(state.commands[i])) state.commands[i].state_number = static_cast<uint8_t>(after);
}

}  // namespace

Broken Acknowledge(State& state, int command, int attempt) {
  bool refused = false;
  Broken broken = Decide(state, [&](NodeLifecycle& life) {
    refused = !life.Ack(IdOf<CommandId>(command + 1), attempt).empty();
  });
  ModelCommand& acknowledged = state.commands[command];
  if (acknowledged.at_host == AtHost::kFetched && acknowledged.host_attempt == attempt)
    acknowledged.reply = refused ? Reply::kRefused : Reply::kAccepted;
  return broken;
}

Broken TakeOutcome(State& state, const Message& message) {
  HostOutcome outcome;
  outcome.result = static_cast<OutcomeResult>(message.result_number);
  outcome.config_id = ConfigOf(message.config);
  if (message.config > 0) {
    outcome.run_state = ReportedRun::kRunning;
  } else if (message.remains) {
    outcome.run_state = ReportedRun::kFailed;
  }
  return Decide(state, [&](NodeLifecycle& life) {
    life.Outcome(IdOf<CommandId>(message.command + 1), message.attempt, outcome);
  });
}

Broken TakeStatus(State& state, const Message& message) {
  NodeReport report;
  report.config_id = ConfigOf(message.config);
  report.pending = message.pending != 0;
  report.remains = message.remains != 0;
  if (message.config > 0) {
    report.run_state = ReportedRun::kRunning;
  } else if (report.remains) {
    report.run_state = ReportedRun::kFailed;
  }
  return Decide(state, [&](NodeLifecycle& life) { life.Status(report); });
}

Broken Expire(State& state, int command) {
  return Decide(state, [&](NodeLifecycle& life) { life.Expire(IdOf<CommandId>(command + 1)); });
}

Broken PassBy(State& state, int command) {
  return Decide(state, [&](NodeLifecycle& life) { life.PassBy(IdOf<CommandId>(command + 1)); });
}

Broken CheckBooks(const State& state) {
  if (state.charged != (state.released ? 0 : state.size_of(state.config)))
    return "the charge is not that of the config";
  if (state.released && state.held > 0) return "something is held for a released node";
  if (state.released && state.in_place > 0) return "a released node runs";
  if (state.released && state.known) return "a part of a released node is still on its host";
  if (!state.released && state.size_of(state.in_place) > state.charged + state.held) {
    return fmt::format("what runs takes {}, charged are {} and held {}",
                       state.size_of(state.in_place), state.charged, state.held);
  }
  int open = 0;
  for (int i = 0; i < state.count; ++i) {
    const ModelCommand& command = state.commands[i];
    if (command.kind() == CommandKind::kUpgrade && command.state() == CommandState::kOpen) ++open;
  }
  return open > 1 ? "two upgrades are open" : "";
}

bool MayUpgrade(const State& state, int commands_max) {
  return !state.released && !state.is_deleting() && state.count < commands_max;
}

void Upgrade(State& state) {
  End(state, CommandState::kSuperseded, [](const ModelCommand& command) {
    return command.kind() == CommandKind::kUpgrade && command.state() == CommandState::kOpen;
  });
  const uint8_t to = ++state.configs;
  AddCommand(state, CommandKind::kUpgrade, state.config, to);
  state.next_state_number = static_cast<uint8_t>(NextState::kUpgrading) + 1;
  Charge(state, to);
}

bool MayDelete(const State& state, int commands_max) {
  return !state.released && !state.is_deleting() && state.count < commands_max;
}

void Delete(State& state) {
  bool handed_out = false;
  for (int i = 0; i < state.count; ++i) handed_out |= state.commands[i].handed > 0;
  End(state, CommandState::kCancelled,
      [](const ModelCommand& command) { return command.state() == CommandState::kOpen; });
  if (handed_out) {
    Charge(state, state.config);
    AddCommand(state, CommandKind::kDelete, 0, 0);
    state.next_state_number = static_cast<uint8_t>(NextState::kDeleting) + 1;
    return;
  }
  End(state, CommandState::kCancelled,
      [](const ModelCommand& command) { return IsPending(command.state()); });
  state.released = 1;
  state.charged = state.held = state.running = state.next_state_number = 0;
  state.node_state_number = static_cast<uint8_t>(NodeState::kDeleted);
}

Broken Withdraw(State& state, int command) {
  return Decide(state, [&](NodeLifecycle& life) { life.Withdraw(IdOf<CommandId>(command + 1)); });
}

}  // namespace tallyman::model
