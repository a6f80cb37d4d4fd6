// The journal as an SQLite database, synchronous to the disk.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "agent/journal.h"
#include "sqlite/connection.h"

namespace tallyman {

// Thread-safe: one writer at a time. A journal of a newer version than its own is refused:
// FAILED_PRECONDITION JOURNAL_TOO_NEW.
class SqliteJournal final : public Journal {
 public:
  // Creates the file when it is not there. `hook`: for tests of faults.
  static Result<std::unique_ptr<SqliteJournal>> Open(const std::string& path,
                                                     StatementHook hook = {});

  Result<JournalState> Load() override;
  Status Save(const JournalChange& change) override;

  // Small facts about the agent itself, such as the host's id; "" where there is none.
  Result<std::string> Fact(const std::string& name);
  Status SetFact(const std::string& name, const std::string& value);

 private:
  explicit SqliteJournal(std::unique_ptr<SqliteConnection> connection)
      : connection_(std::move(connection)) {}
  Status Prepare();
  Status Write(const JournalChange& change);

  std::mutex mutex_;
  std::unique_ptr<SqliteConnection> connection_;
};

}  // namespace tallyman
