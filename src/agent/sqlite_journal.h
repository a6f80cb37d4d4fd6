// The journal as an SQLite database, synchronous to the disk.
//
// Its room on the disk can be kept for it, so that it goes on when the file system is full: both of
// its files are allocated beforehand, the second one is kept when the journal is closed, and there
// is no third one (only one process works with it). What is in it is bounded by what an agent
// takes: commands, nodes and incidents, with texts that are cut.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "agent/journal.h"
#include "sqlite/connection.h"

namespace tallyman {

// How much is allocated for each file. 0: nothing is.
struct JournalRoom {
  int64_t database_bytes = 0;
  int64_t log_bytes = 0;
};

// For 10,000 commands and as many nodes, and for the largest change that an agent makes.
inline constexpr JournalRoom kJournalRoom{.database_bytes = 64 << 20, .log_bytes = 32 << 20};

// Thread-safe: one writer at a time. A journal of a newer version than its own is refused:
// FAILED_PRECONDITION JOURNAL_TOO_NEW.
class SqliteJournal final : public Journal {
 public:
  // Creates the file when it is not there. `hook`: for tests of faults.
  static Result<std::unique_ptr<SqliteJournal>> Open(const std::string& path,
                                                     StatementHook hook = {},
                                                     const JournalRoom& room = {});

  Result<JournalState> Load() override;
  Status Save(const JournalChange& change) override;

  // Small facts about the agent itself, such as the host's id; "" where there is none.
  Result<std::string> Fact(const std::string& name);
  Status SetFact(const std::string& name, const std::string& value);

  // Why its room is not kept for it, such as that there is none; empty: it is.
  const std::string& room_problem() const { return room_problem_; }

 private:
  explicit SqliteJournal(std::unique_ptr<SqliteConnection> connection)
      : connection_(std::move(connection)) {}
  Status Prepare();
  Status Migrate(int64_t version);
  Status LoadNumber(std::string_view name, int64_t& number);
  Status LoadIncidents(JournalState& state);
  Status Write(const JournalChange& change);
  Status WriteNodes(const JournalChange& change);
  Status WriteIncidents(const JournalChange& change);

  std::mutex mutex_;
  std::unique_ptr<SqliteConnection> connection_;
  std::string room_problem_;
};

}  // namespace tallyman
