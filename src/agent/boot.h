// Whether the machine went down under the agent: kept as facts in its journal.
#pragma once

#include <string>

#include "agent/sqlite_journal.h"

namespace tallyman {

// What names this boot of the machine; "": it is not known.
std::string BootId();

// An agent begins. True: the one before did not end, and the machine was started anew since: a
// power cut, a crash, or an agent that was killed before a reboot.
Result<bool> BeginRun(SqliteJournal& journal, const std::string& boot_id);
// It ends as it should.
Status EndRun(SqliteJournal& journal);

}  // namespace tallyman
