// Answers that were given before: a request that is sent again under its id gets them, whatever has
// become of the world since.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "control/lots/call.h"
#include "store/store.h"

namespace tallyman::control {

// How long answers are kept; the record itself stays longer, as the audit trail.
inline constexpr std::chrono::hours kAnswersKept{7 * 24};

// The stored answer. INVALID_ARGUMENT REQUEST_ID_REUSED when the record is of another request or of
// another token that had the same name, REQUEST_ID_EXPIRED when its answer is no longer kept: it
// happened, and does not happen again.
Result<std::string> AnswerFrom(const RequestRecord& record, const Call& call, Time now);

// For a request that fails before it is queued, while it only reads: what it is answered instead;
// nullopt: `failure` holds. Its names may be gone because it was carried out, and then its answer
// is that of before. Where the failure says how things are ("there is no such node"), it is told
// only when it is as durable as a write; if that is not certain, the answer is UNAVAILABLE
// COMMIT_UNKNOWN. (What is queued is looked up, and waits, in its lot.)
std::optional<Result<std::string>> Recall(store::Store& store, const Call& call,
                                          const Error& failure, Time now);

}  // namespace tallyman::control
