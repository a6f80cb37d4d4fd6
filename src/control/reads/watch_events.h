// Following events: what a watcher wants, and reading on behind a cursor.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "control/operation.h"
#include "store/list.h"

namespace tallyman::control {

struct EventWatch {
  std::vector<store::Condition> conditions;  // all must hold; that of the actor's org is among them
  int64_t cursor = 0;                        // events behind it are wanted
};

struct WatchRequest {
  std::string filter;  // as of ListEvents
  std::string after;   // a cursor of an earlier answer; "" from now on
};
// INVALID_ARGUMENT INVALID_CURSOR also for one that is ahead of the newest event.
Result<EventWatch> PrepareWatch(const Authorized& by, store::ReadTx& tx,
                                const WatchRequest& request);

// Oldest first, whoever may see them.
Result<std::vector<store::EventRow>> EventsAfter(Control& control,
                                                 const std::vector<store::Condition>& conditions,
                                                 int64_t cursor, int64_t limit);

// 0 when there is none.
Result<int64_t> NewestEvent(Control& control);

// What the store says of these conditions, for a row that is here already.
bool Matches(const store::EventRow& row, std::span<const store::Condition> conditions);

}  // namespace tallyman::control
