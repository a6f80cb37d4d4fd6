// The control plane of the model: what it keeps is in the state, what it decides about a report is
// decided by planner/lifecycle itself. Requests of people are made here as control/nodes makes
// them.
#pragma once

#include <functional>
#include <string>

#include "planner/lifecycle.h"
#include "tests/model/state.h"

namespace tallyman::model {

// A promise that was broken, in words; empty: none.
using Broken = std::string;

Broken Acknowledge(State& state, int command, int attempt);
Broken TakeOutcome(State& state, const Message& message);
Broken TakeStatus(State& state, const Message& message);
Broken Expire(State& state, int command);
Broken PassBy(State& state, int command);
// The promises about books and rows that hold at every moment.
Broken CheckBooks(const State& state);

// A retry is another upgrade, to a config of its own.
bool MayUpgrade(const State& state, int commands_max);
void Upgrade(State& state);
bool MayDelete(const State& state, int commands_max);
void Delete(State& state);
// Of a command that no host has taken; changes nothing where that is refused.
Broken Withdraw(State& state, int command);

}  // namespace tallyman::model
