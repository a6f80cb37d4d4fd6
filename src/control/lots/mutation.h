// A mutation: what one request reads, decides and writes, as a value that the combiner can run
// together with others.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "control/lots/call.h"
#include "model/change_set.h"
#include "planner/policy.h"
#include "store/store.h"

namespace tallyman::control {

// What a decision writes. Host rows stand in `hosts`, not in `rows`: several requests of one lot
// may change the same host, and the lot writes each host once.
struct Writes {
  ChangeSet rows = {};
  std::vector<Host> hosts = {};  // as they are afterwards
  std::vector<Drift> healed = {};
  std::map<ReportedIncident, int64_t> incidents = {};  // to be counted
  std::vector<planner::Warning> warnings = {};
  // It changed something that the audit trail tells of; a heartbeat does not.
  bool leaves_trail = true;
};

template <class Answer>
struct Decided : Writes {
  Answer answer = {};
};

// Its answer is encoded; it is stored, and replayed as it is.
using Decision = Decided<std::string>;

struct Mutation {
  Call call;
  store::LockSet locks;
  // Runs alone: it names hosts or keys only once it has read.
  bool solo = false;
  // How many rows it is about; a lot is bounded by their sum.
  int64_t rows = 1;
  // Pure but for the ids it makes: it may run more than once, and only its last run is written.
  // Reads through the transaction are for rare operations; they come before anything is written.
  std::function<Result<Decision>(const store::Snapshot&, store::ReadTx&)> decide;
};

// Hears the answer, exactly once, on any thread. It must not block.
using Done = std::function<void(Result<std::string>)>;

// Turns an operation's answer into the bytes that are stored and handed on.
template <class Answer>
using Encode = std::function<std::string(const Answer&)>;

}  // namespace tallyman::control
