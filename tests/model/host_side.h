// The host of the model, as agents behave: it fetches, asks before it begins, works off a node's
// commands in order, and tells how they ended, in order.
#pragma once

#include "tests/model/state.h"

namespace tallyman::model {

bool MayFetch(const ModelCommand& command);
void Fetch(ModelCommand& command);
// It learns what was answered to its acknowledgement.
bool MayLearn(const ModelCommand& command);
void Learn(ModelCommand& command);
bool MayBegin(const State& state, int command);
void Begin(State& state, int command);
// The command that was begun ends.
void Finish(State& state, OutcomeResult result, uint8_t in_place);
// What it could not put back it puts back after all, without a command.
bool MayPutBack(const State& state);
void PutBack(State& state);
// It removes what a failed create has left, unless it has begun something else.
bool MayRemoveWhatIsLeft(const State& state);
bool MayTell(const State& state, int command);
Message OutcomeOf(const State& state, int command);
Message StatusOf(const State& state);

}  // namespace tallyman::model
