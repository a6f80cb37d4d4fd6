#include "tests/model/explore.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "tests/model/host_side.h"
#include "tests/model/server.h"

namespace tallyman::model {
namespace {

struct Next {
  State state;
  Broken broken;
  std::string what;  // only when names are wanted
};

void Remove(State& state, int message) {
  for (int i = message; i + 1 < state.under_way; ++i) state.messages[i] = state.messages[i + 1];
  state.messages[--state.under_way] = {};
}

// Reports that arrive after a later one change nothing, so they need not be kept.
void ForgetUntil(State& state, uint8_t number) {
  for (int i = state.under_way - 1; i >= 0; --i)
    if (state.messages[i].number <= number) Remove(state, i);
}

// Two states that differ in nothing that matters become the same.
void Normalize(State& state) {
  uint8_t next = 0;
  for (uint8_t number = 1; next < state.under_way && number < 255; ++number) {
    bool found = false;
    for (int i = 0; i < state.under_way; ++i) {
      if (state.messages[i].number != number) continue;
      if (!found) ++next;
      found = true;
      state.messages[i].number = next;
    }
  }
  std::sort(state.messages.begin(), state.messages.begin() + state.under_way);
  std::array<uint8_t, kCommandsMax> taken{};
  for (int i = 0; i < state.count; ++i) {
    const uint8_t mine = state.commands[i].taken;
    taken[i] = mine == 0 ? uint8_t{0} : uint8_t{1};
    for (int j = 0; mine > 0 && j < state.count; ++j)
      if (state.commands[j].taken > 0 && state.commands[j].taken < mine) ++taken[i];
  }
  for (int i = 0; i < state.count; ++i) {
    state.commands[i].taken = taken[i];
    if (state.commands[i].state() != CommandState::kOpen) state.commands[i].late = 0;
  }
}

bool MayHandOut(const State& state, int command) {
  const ModelCommand& open = state.commands[command];
  if (open.state() != CommandState::kOpen || open.handed == open.attempt || open.late) return false;
  return std::none_of(
      state.commands.begin(), state.commands.begin() + command,
      [](const ModelCommand& earlier) { return earlier.state() == CommandState::kOpen; });
}

Broken CheckBeginning(const State& state, int command) {
  const ModelCommand& begun = state.commands[command];
  const bool allowed =
      begun.state() == CommandState::kTaken || begun.state() == CommandState::kUnknown;
  if (allowed || (!state.known && begun.kind() != CommandKind::kCreate)) return {};
  return fmt::format("command {} begins, which is {}", command, ToText(begun.state()));
}

Broken Deliver(State& state, int at) {
  const Message message = state.messages[at];
  ForgetUntil(state, message.number);
  switch (message.kind) {
    case MessageKind::kAck:
      return Acknowledge(state, message.command, message.attempt);
    case MessageKind::kOutcome:
      return TakeOutcome(state, message);
    case MessageKind::kStatus:
      break;
  }
  Broken broken;
  for (int i = 0; i < state.count; ++i) {
    if ((message.outcomes >> i & 1) == 0 || state.commands[i].at_host != AtHost::kDone) continue;
    if (broken.empty()) broken = TakeOutcome(state, OutcomeOf(state, i));
  }
  return broken.empty() ? TakeStatus(state, message) : broken;
}

// The host gets the answer to a report.
void Answer(State& state, const Message& message) {
  for (int i = 0; i < state.count; ++i) {
    ModelCommand& command = state.commands[i];
    const bool told = message.kind == MessageKind::kStatus
                          ? (message.outcomes >> i & 1) != 0
                          : message.command == i && message.attempt == command.host_attempt;
    if (told && command.at_host == AtHost::kDone && command.outcome == Telling::kToTell)
      command.outcome = Telling::kTold;
  }
}

class Steps {
 public:
  Steps(const State& from, const Bounds& bounds, bool names, std::vector<Next>& to)
      : from_(from), bounds_(bounds), names_(names), to_(to) {}

  void All() {
    People();
    for (int i = 0; i < from_.count; ++i) Command(i);
    if (from_.under_way < bounds_.messages) SendStatus();
    for (int i = 0; i < from_.under_way; ++i) Network(i);
    if (MayPutBack(from_)) Add("host: puts back what it could not", -1, PutBack);
    if (from_.begun > 0) Work();
  }

 private:
  template <class Change>
  void Add(std::string_view what, int command, const Change& change) {
    State state = from_;
    Broken broken;
    if constexpr (std::is_void_v<std::invoke_result_t<Change, State&>>) {
      change(state);
    } else {
      broken = change(state);
    }
    Normalize(state);
    if (broken.empty()) broken = CheckBooks(state);
    std::string name;
    if (names_) name = command < 0 ? std::string(what) : fmt::format("{} {}", what, command);
    to_.push_back({state, std::move(broken), std::move(name)});
  }

  void People() {
    if (MayUpgrade(from_, bounds_.commands)) Add("somebody: upgrade", from_.count, Upgrade);
    if (MayDelete(from_, bounds_.commands)) Add("somebody: delete", from_.count, Delete);
  }

  void Command(int i) {
    const ModelCommand& command = from_.commands[i];
    if (MayHandOut(from_, i)) {
      Add("control plane: hands out", i,
          [i](State& s) { s.commands[i].handed = s.commands[i].attempt; });
    }
    if (command.kind() == CommandKind::kUpgrade && command.state() == CommandState::kOpen)
      Add("somebody: withdraws", i, [i](State& s) { return Withdraw(s, i); });
    if (bounds_.late && command.kind() == CommandKind::kUpgrade && !command.late &&
        command.state() == CommandState::kOpen)
      Add("time: it is late for", i, [i](State& s) { s.commands[i].late = 1; });
    if (command.late && command.state() == CommandState::kOpen)
      Add("control plane: passes by", i, [i](State& s) { return PassBy(s, i); });
    if (MayFetch(command)) Add("host: fetches", i, [i](State& s) { Fetch(s.commands[i]); });
    if (command.at_host == AtHost::kFetched && from_.under_way < bounds_.messages) {
      Add("host: acknowledges", i, [i](State& s) {
        s.commands[i].reply = Reply::kNone;
        Send(s, {.kind = MessageKind::kAck,
                 .number = 0,
                 .command = static_cast<uint8_t>(i),
                 .attempt = s.commands[i].host_attempt,
                 .result_number = 0,
                 .config = 0,
                 .pending = 0,
                 .remains = 0,
                 .outcomes = 0});
      });
    }
    if (MayLearn(command)) Add("host: learns about", i, [i](State& s) { Learn(s.commands[i]); });
    if (MayBegin(from_, i)) {
      Add("host: begins", i, [i](State& s) {
        Broken broken = CheckBeginning(s, i);
        Begin(s, i);
        return broken;
      });
    }
    if (MayTell(from_, i) && from_.under_way < bounds_.messages)
      Add("host: tells how it ended", i, [i](State& s) { Send(s, OutcomeOf(s, i)); });
    if (command.state() == CommandState::kTaken)
      Add("control plane: deadline of", i, [i](State& s) { return Expire(s, i); });
  }

  static void Send(State& state, Message message) {
    uint8_t last = 0;
    for (int i = 0; i < state.under_way; ++i) last = std::max(last, state.messages[i].number);
    message.number = static_cast<uint8_t>(last + 1);
    state.messages[state.under_way++] = message;
  }

  void SendStatus() {
    Add("host: tells its status", -1, [](State& s) { Send(s, StatusOf(s)); });
    if (MayRemoveWhatIsLeft(from_))
      Add("host: removes what is left", -1, [](State& s) { s.known = 0; });
  }

  void Network(int i) {
    const Message message = from_.messages[i];
    static constexpr std::string_view kNames[] = {"acknowledgement of", "outcome of", "status"};
    const std::string_view kind = kNames[static_cast<size_t>(message.kind)];
    const int command = message.kind == MessageKind::kStatus ? -1 : message.command;
    auto name = [&](std::string_view what) {
      return names_ ? fmt::format("{} {}", what, kind) : std::string();
    };
    Add(name("control plane: takes the"), command, [i](State& s) { return Deliver(s, i); });
    Add(name("network: loses the"), command, [i](State& s) { Remove(s, i); });
    if (message.kind == MessageKind::kAck || (command < 0 && message.outcomes == 0)) return;
    Add(name("control plane: takes, and the host gets the answer to, the"), command, [&](State& s) {
      Broken broken = Deliver(s, i);
      Answer(s, message);
      return broken;
    });
  }

  void End(std::string_view what, OutcomeResult result, uint8_t in_place) {
    Add(what, from_.begun - 1, [=](State& s) { Finish(s, result, in_place); });
  }

  void Work() {
    const ModelCommand& command = from_.commands[from_.begun - 1];
    const CommandKind kind = command.kind();
    const uint8_t now = from_.in_place;
    const uint8_t before = from_.in_place_before;
    if (from_.step == Step::kBegun && kind != CommandKind::kCreate && !from_.known)
      return End("host: knows no such node, for", OutcomeResult::kNodeNotFound, now);
    if (from_.step == Step::kBegun && kind == CommandKind::kDelete) {
      End("host: deleted by", OutcomeResult::kOk, 0);
      End("host: could not delete by", OutcomeResult::kFailure, now);
      End("host: deleted a part by", OutcomeResult::kFailure, 0);
      End("host: cannot say of", OutcomeResult::kInternalError, now);
      return End("host: cannot say, half way, of", OutcomeResult::kInternalError, 0);
    }
    if (from_.step == Step::kBegun) {
      Add("host: stops the old for", from_.begun - 1, [](State& s) {
        s.step = Step::kOldStopped;
        s.in_place = 0;
        s.known = 1;
      });
      End("host: cannot say of", OutcomeResult::kInternalError, now);
      if (kind == CommandKind::kCreate)
        return End("host: failed, leaves nothing of", OutcomeResult::kFailure, 0);
      if (command.host_attempt < 2)
        End("host: is busy for", OutcomeResult::kBlockingJobRunning, now);
      End("host: could not prepare",
          before > 0 ? OutcomeResult::kRollback : OutcomeResult::kFailure, now);
      return End("host: does not support", OutcomeResult::kNotSupported, now);
    }
    if (from_.step == Step::kOldStopped) {
      Add("host: starts the new of", from_.begun - 1, [](State& s) {
        s.step = Step::kNewStarted;
        s.in_place = s.commands[s.begun - 1].to;
      });
    } else {
      End("host: well ended", OutcomeResult::kOk, now);
    }
    if (before > 0) End("host: put back the old of", OutcomeResult::kRollback, before);
    End("host: failed with", OutcomeResult::kFailure, now);
    End("host: cannot say of", OutcomeResult::kInternalError, now);
  }

  const State& from_;
  const Bounds& bounds_;
  const bool names_;
  std::vector<Next>& to_;
};

// From here on nothing is lost, the host does what it is told, and it succeeds.
class Calm {
 public:
  explicit Calm(State& state) : state_(state) {
    state_.messages = {};
    state_.under_way = 0;
  }

  Broken Run() {
    constexpr int kRounds = 2 * kCommandsMax + 2;
    for (int round = 0; round < kRounds && broken_.empty(); ++round) {
      const State before = state_;
      for (int i = 0; i < state_.count; ++i) Is(PassBy(state_, i));
      HandOut();
      Carry();
      Tell();
      Is(TakeStatus(state_, StatusOf(state_)));
      for (int i = 0; i < state_.count; ++i)
        if (state_.commands[i].state() == CommandState::kTaken) Is(Expire(state_, i));
      Is(TakeStatus(state_, StatusOf(state_)));
      Normalize(state_);
      if (state_ == before) break;
    }
    return broken_;
  }

 private:
  void Is(Broken broken) {
    if (broken_.empty()) broken_ = std::move(broken);
    if (broken_.empty()) broken_ = CheckBooks(state_);
  }

  void HandOut() {
    for (int i = 0; i < state_.count; ++i) {
      ModelCommand& command = state_.commands[i];
      if (MayHandOut(state_, i)) command.handed = command.attempt;
      if (MayFetch(command)) Fetch(command);
      if (command.at_host != AtHost::kFetched) continue;
      Is(Acknowledge(state_, i, command.host_attempt));
      if (MayLearn(command)) Learn(command);
    }
  }

  void Carry() {
    for (int i = 0; i < state_.count || state_.begun > 0; ++i) {
      if (state_.begun == 0 && MayBegin(state_, i)) Begin(state_, i);
      if (state_.begun == 0) continue;
      const ModelCommand& command = state_.commands[state_.begun - 1];
      if (command.kind() != CommandKind::kCreate && !state_.known) {
        Finish(state_, OutcomeResult::kNodeNotFound, state_.in_place);
      } else {
        const bool removes = command.kind() == CommandKind::kDelete;
        if (!removes) state_.known = 1;
        Finish(state_, OutcomeResult::kOk, removes ? uint8_t{0} : command.to);
      }
      Is({});
    }
  }

  void Tell() {
    for (int i = 0; i < state_.count; ++i) {
      if (!MayTell(state_, i)) continue;
      Is(TakeOutcome(state_, OutcomeOf(state_, i)));
      state_.commands[i].outcome = Telling::kTold;
    }
  }

  State& state_;
  Broken broken_;
};

bool HasFailed(const State& state) {
  for (int i = state.count - 1; i >= 0; --i) {
    const ModelCommand& command = state.commands[i];
    const CommandState ended = command.state();
    if (ended == CommandState::kCancelled || ended == CommandState::kSuperseded) continue;
    if (command.kind() == CommandKind::kDelete && ended == CommandState::kReverted) continue;
    return ended == CommandState::kFailed;
  }
  return false;
}

// What must be true when nothing is under way any more.
Broken CheckAtRest(const State& state) {
  for (int i = 0; i < state.count; ++i)
    if (IsPending(state.commands[i].state()))
      return fmt::format("command {} is {} for ever", i, ToText(state.commands[i].state()));
  if (state.released) return {};
  if (state.is_deleting()) return "the node is being deleted for ever";
  if (state.node_state() == NodeState::kUpgrading || state.node_state() == NodeState::kStarting)
    return fmt::format("the node is {} for ever", ToText(state.node_state()));
  if (state.next_state_number > 0) return "the node waits for something for ever";
  if (state.running != state.in_place) return "running_config_id is not what runs";
  if (HasFailed(state)) return {};
  if (state.node_state() == NodeState::kFailed && state.in_place > 0)
    return "the node is failed for ever, and none of its commands has failed";
  if (state.in_place == 0) return "nothing runs, and none of its commands has failed";
  if (state.config != state.in_place) return "what runs is not the node's config";
  return state.held > 0 ? "something is held for ever" : "";
}

// Whatever happened: everything ends, and the next request is carried out.
Broken CheckThatItEnds(State state) {
  Broken broken = Calm(state).Run();
  if (broken.empty()) broken = CheckAtRest(state);
  if (!broken.empty()) return broken + ", when all goes well from here";
  if (state.released || state.count == kCommandsMax || !state.known) return {};
  State upgraded = state;
  Upgrade(upgraded);
  broken = Calm(upgraded).Run();
  if (!broken.empty()) return broken + ", in the next upgrade";
  const ModelCommand& last = upgraded.commands[upgraded.count - 1];
  if (last.state() != CommandState::kSettled || upgraded.in_place != upgraded.config ||
      upgraded.held > 0 || upgraded.node_state() != NodeState::kRunning)
    return "the next upgrade does not succeed";
  Delete(state);
  broken = Calm(state).Run();
  if (!broken.empty()) return broken + ", in the next delete";
  return state.released ? "" : "the next delete does not succeed";
}

State Beginning(const Bounds& bounds) {
  State state{};
  state.config = state.configs = state.count = 1;
  state.sizes = bounds.first_is_largest ? 1 : 0;
  state.charged = state.size_of(1);
  ModelCommand& create = state.commands[0];
  create.to = create.attempt = 1;
  if (!bounds.begins_running) return state;
  create.state_number = static_cast<uint8_t>(CommandState::kSettled);
  create.handed = create.host_attempt = create.after = 1;
  create.at_host = AtHost::kDone;
  create.outcome = Telling::kTold;
  state.running = state.in_place = state.known = 1;
  state.node_state_number = static_cast<uint8_t>(NodeState::kRunning);
  return state;
}

// The states that were found, in order, each once.
class Found {
 public:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  Found() : seen_(1 << 16, Hash{this}, Equal{this}) {}
  Found(const Found&) = delete;
  Found& operator=(const Found&) = delete;
  ~Found() = default;

  // False: it was there.
  bool Add(const State& state, uint32_t from) {
    states_.push_back(state);
    const bool is_new = seen_.insert(static_cast<uint32_t>(states_.size() - 1)).second;
    if (is_new) {
      from_.push_back(from);
    } else {
      states_.pop_back();
    }
    return is_new;
  }
  size_t size() const { return states_.size(); }
  State at(uint32_t i) const { return states_[i]; }
  uint32_t from(uint32_t i) const { return from_[i]; }

 private:
  struct Hash {
    size_t operator()(uint32_t i) const {
      return std::hash<std::string_view>()(
          {reinterpret_cast<const char*>(&found->states_[i]), sizeof(State)});
    }
    const Found* found;
  };
  struct Equal {
    bool operator()(uint32_t a, uint32_t b) const { return found->states_[a] == found->states_[b]; }
    const Found* found;
  };

  std::vector<State> states_;
  std::vector<uint32_t> from_;
  std::unordered_set<uint32_t, Hash, Equal> seen_;
};

std::vector<std::string> TraceOf(const Found& found, uint32_t end, const Bounds& bounds) {
  std::vector<uint32_t> way;
  for (uint32_t i = end; i != Found::kNone; i = found.from(i)) way.push_back(i);
  std::reverse(way.begin(), way.end());
  std::vector<std::string> trace;
  for (size_t i = 0; i + 1 < way.size(); ++i) {
    std::vector<Next> steps;
    const State from = found.at(way[i]);
    Steps(from, bounds, true, steps).All();
    const auto taken = std::ranges::find(steps, found.at(way[i + 1]), &Next::state);
    trace.push_back(taken->what);
  }
  return trace;
}

}  // namespace

std::string Describe(const State& state) {
  std::string text;
  for (int i = 0; i < state.count; ++i) {
    const ModelCommand& command = state.commands[i];
    text += fmt::format("[{} {}->{} {} attempt {}, at the host {}] ", ToText(command.kind()),
                        command.from, command.to, ToText(command.state()), command.attempt,
                        static_cast<int>(command.at_host));
  }
  return text + fmt::format(
                    "config {} running {} state {} next {} charged {} held {} released {}; "
                    "in place {} known {} step {}",
                    state.config, state.running, ToText(state.node_state()),
                    state.next_state_number, state.charged, state.held, state.released,
                    state.in_place, state.known, static_cast<int>(state.step));
}

Explored Explore(const Bounds& bounds) {
  Found found;
  Found still;  // how all goes on where nothing is under way, which is the same for many states
  found.Add(Beginning(bounds), Found::kNone);
  Explored explored;
  std::vector<Next> steps;
  auto broken = [&](Broken promise, uint32_t at, const Next* last) {
    explored.broken = std::move(promise);
    explored.trace = TraceOf(found, at, bounds);
    if (last != nullptr) {
      std::vector<Next> named;
      const State from = found.at(at);
      Steps(from, bounds, true, named).All();
      explored.trace.push_back(named[static_cast<size_t>(last - steps.data())].what);
    }
    explored.trace.push_back(Describe(last == nullptr ? found.at(at) : last->state));
  };
  for (uint32_t at = 0; at < found.size() && explored.broken.empty(); ++at) {
    explored.states = found.size();
    if (found.size() >= bounds.states) return explored;
    const State state = found.at(at);
    State arrived = state;
    arrived.messages = {};
    arrived.under_way = 0;
    Broken promise = still.Add(arrived, Found::kNone) ? CheckThatItEnds(arrived) : Broken();
    if (!promise.empty()) {
      broken(std::move(promise), at, nullptr);
      break;
    }
    steps.clear();
    Steps(state, bounds, false, steps).All();
    for (const Next& next : steps) {
      if (!next.broken.empty()) {
        broken(next.broken, at, &next);
        break;
      }
      found.Add(next.state, at);
    }
  }
  explored.states = found.size();
  explored.complete = explored.broken.empty();
  return explored;
}

}  // namespace tallyman::model
