// Requests that are made of others: their steps are run in one transaction, each on what those
// before it left, and all of them are kept or none.
//
// A dry run is the same with nothing kept: the steps are really carried out, so it fails for what
// the request itself would fail for, and the database is written and rolled back.
#pragma once

#include <functional>
#include <string>

#include "control/operation.h"

namespace tallyman::control {

struct StepsAnswer {
  // Digest of all that the steps showed, without ids and times that were made for them.
  std::string plan_token;
  std::string encoded;
};

// Carries the steps out, on a control of their own (Control::ForSteps). May be run again from the
// start.
using Steps = std::function<Result<StepsAnswer>(Control& steps, const Call& call)>;

// Does for the whole request what Run() does for an operation, on the caller's thread: authorizes,
// begins, takes it within the rate of its caller, compares the plan token, records it in the audit
// trail with its answer, under which it is replayed. Each step is authorized by itself.
Result<std::string> RunSteps(Control& control, Call call, const PlanOptions& plan,
                             const Steps& steps);

}  // namespace tallyman::control
