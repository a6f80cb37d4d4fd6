// Detects that the machine went down while the agent ran; kept as facts in the journal.
#pragma once

#include <string>

#include "agent/sqlite_journal.h"

namespace tallyman::agent {

// The id of this boot of the machine; "": unknown.
std::string BootId();

// Records the start of an agent. True: the previous one did not end cleanly and the machine has
// restarted since: a power cut, a crash, or an agent that was killed before a reboot.
Result<bool> BeginRun(SqliteJournal& journal, const std::string& boot_id);
// Records a clean end.
Status EndRun(SqliteJournal& journal);

}  // namespace tallyman::agent
