#include "tests/model/host_side.h"

#include <algorithm>

namespace tallyman::model {

bool MayFetch(const ModelCommand& command) {
  if (command.handed == 0) return false;
  if (command.at_host == AtHost::kUnseen) return true;
  return command.at_host == AtHost::kDone && command.handed > command.host_attempt;
}

void Fetch(ModelCommand& command) {
  command.at_host = AtHost::kFetched;
  command.host_attempt = command.handed;
  command.reply = Reply::kNone;
  command.outcome = Telling::kNothing;
  command.result_number = 0;
  command.after = 0;
}

bool MayLearn(const ModelCommand& command) {
  return command.at_host == AtHost::kFetched && command.reply != Reply::kNone;
}

void Learn(ModelCommand& command) {
  command.at_host = command.reply == Reply::kAccepted ? AtHost::kAccepted : AtHost::kDropped;
  command.reply = Reply::kNone;
}

bool MayBegin(const State& state, int command) {
  if (state.begun > 0 || state.commands[command].at_host != AtHost::kAccepted) return false;
  return std::none_of(state.commands.begin(), state.commands.begin() + command, IsPendingAtHost);
}

void Begin(State& state, int command) {
  state.commands[command].at_host = AtHost::kBegun;
  state.begun = static_cast<uint8_t>(command + 1);
  state.step = Step::kBegun;
  state.in_place_before = state.in_place > 0 ? state.in_place : state.may_come_back;
  state.may_come_back = 0;
}

void Finish(State& state, OutcomeResult result, uint8_t in_place) {
  ModelCommand& command = state.commands[state.begun - 1];
  state.in_place = in_place;
  command.at_host = AtHost::kDone;
  command.result_number = static_cast<uint8_t>(result);
  command.after = in_place;
  command.outcome = Telling::kToTell;
  const bool well = result == OutcomeResult::kOk;
  if (command.kind() == CommandKind::kDelete && well) state.known = 0;
  const bool comes_back = in_place == 0 && !well && ChangesConfig(command.kind());
  state.may_come_back = comes_back ? state.in_place_before : uint8_t{0};
  state.begun = 0;
  state.step = Step::kNone;
  state.in_place_before = 0;
}

bool MayPutBack(const State& state) { return state.may_come_back > 0 && state.begun == 0; }

void PutBack(State& state) {
  state.in_place = state.may_come_back;
  state.may_come_back = 0;
}

bool MayRemoveWhatIsLeft(const State& state) {
  const ModelCommand& create = state.commands[0];
  return state.known && state.in_place == 0 && state.begun == 0 &&
         create.kind() == CommandKind::kCreate && create.at_host == AtHost::kDone &&
         create.result() == OutcomeResult::kFailure &&
         std::none_of(state.commands.begin() + 1, state.commands.end(),
                      [](const ModelCommand& other) { return other.at_host == AtHost::kDone; });
}

bool MayTell(const State& state, int command) {
  if (state.commands[command].outcome != Telling::kToTell) return false;
  return std::none_of(
      state.commands.begin(), state.commands.begin() + command,
      [](const ModelCommand& earlier) { return earlier.outcome == Telling::kToTell; });
}

Message OutcomeOf(const State& state, int command) {
  const ModelCommand& ended = state.commands[command];
  return {.kind = MessageKind::kOutcome,
          .number = 0,
          .command = static_cast<uint8_t>(command),
          .attempt = ended.host_attempt,
          .result_number = ended.result_number,
          .config = ended.after,
          .pending = 0,
          .remains = static_cast<uint8_t>(state.known && ended.after == 0 ? 1 : 0),
          .outcomes = 0};
}

Message StatusOf(const State& state) {
  uint8_t outcomes = 0;
  for (int i = 0; i < state.count; ++i) {
    if (state.commands[i].outcome == Telling::kToTell)
      outcomes = static_cast<uint8_t>(outcomes | (1 << i));
  }
  const bool pending =
      std::any_of(state.commands.begin(), state.commands.begin() + state.count, IsPendingAtHost);
  return {.kind = MessageKind::kStatus,
          .number = 0,
          .command = 0,
          .attempt = 0,
          .result_number = 0,
          .config = state.in_place,
          .pending = static_cast<uint8_t>(pending ? 1 : 0),
          .remains = static_cast<uint8_t>(state.known && state.in_place == 0 ? 1 : 0),
          .outcomes = outcomes};
}

}  // namespace tallyman::model
