// The journal as an SQLite database with synchronous commits.
//
// Its disk space can be reserved, so that it works when the file system is full: both of its files
// are preallocated, the second one is kept when the journal is closed, and there is no third one
// (only one process uses it). Its content is bounded by what an agent accepts: commands, nodes and
// incidents, with truncated texts.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "agent/journal.h"
#include "sqlite/connection.h"

namespace tallyman::agent {

// The number of bytes allocated for each file. 0: none.
struct JournalRoom {
  int64_t database_bytes = 0;
  int64_t log_bytes = 0;
};

// Enough for 10,000 commands and as many nodes, and for the largest change that an agent makes.
inline constexpr JournalRoom kJournalRoom{.database_bytes = 64 << 20, .log_bytes = 32 << 20};

// Thread-safe: one writer at a time. FAILED_PRECONDITION JOURNAL_TOO_NEW for a journal of a newer
// version.
class SqliteJournal final : public Journal {
 public:
  // Creates the file when it is not there. `hook`: for tests of faults.
  static Result<std::unique_ptr<SqliteJournal>> Open(const std::string& path,
                                                     sqlite::StatementHook hook = {},
                                                     const JournalRoom& room = {});

  Result<JournalState> Load() override;
  Status Save(const JournalChange& change) override;

  // Small facts about the agent itself, such as the host's id; "" if there is none.
  Result<std::string> Fact(const std::string& name);
  Status SetFact(const std::string& name, const std::string& value);

  // Why its space is not reserved, such as a full disk; empty: it is reserved.
  const std::string& room_problem() const { return room_problem_; }

 private:
  explicit SqliteJournal(std::unique_ptr<sqlite::SqliteConnection> connection)
      : connection_(std::move(connection)) {}
  Status Prepare();
  Status Migrate(int64_t version);
  Status LoadNumber(std::string_view name, int64_t& number);
  Status LoadIncidents(JournalState& state);
  Status Write(const JournalChange& change);
  Status WriteNodes(const JournalChange& change);
  Status WriteIncidents(const JournalChange& change);

  std::mutex mutex_;
  std::unique_ptr<sqlite::SqliteConnection> connection_;
  std::string room_problem_;
};

}  // namespace tallyman::agent
