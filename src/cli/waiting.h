// Waiting until hosts have carried out what was asked of them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/words.h"
#include "tallyman/v1/common.pb.h"

namespace tallyman::cli {

struct Waiting {
  std::optional<std::chrono::seconds> at_most;  // empty: do not wait
};

// --wait.
void AddWait(Word verb, Waiting* waiting);

// Asks after the commands of an applied change until all of them have ended; a change without any
// is done at once. FAILED_PRECONDITION COMMANDS_FAILED names those that did not end well,
// ABORTED WAITED_TOO_LONG those that have not ended in time: they go on.
Status WaitForHosts(Context& context, const v1::Changes& changes, const Waiting& waiting);

// Asks after hosts that were drained until all of them are at rest. ABORTED WAITED_TOO_LONG names
// what they wait for, FAILED_PRECONDITION DRAIN_ENDED a host that somebody resumed meanwhile.
Status WaitUntilDrained(Context& context, const std::vector<std::string>& hosts,
                        const Waiting& waiting);

}  // namespace tallyman::cli
