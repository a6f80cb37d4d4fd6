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

// Looks for an answer without a lock; nullopt: none was given. For a request that fails before it
// is queued: its names may be gone because it was carried out. (A queued one is looked up under the
// lock.)
std::optional<Result<std::string>> Recall(store::Store& store, const Call& call, Time now);

}  // namespace tallyman::control
