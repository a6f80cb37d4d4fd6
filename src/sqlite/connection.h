// A connection to an SQLite database file, and the statements prepared on it.
//
// Owned by whoever opened it; used by one thread at a time. Statements given as string literals are
// prepared once and kept, found by the address of the literal. A connection stays usable after any
// failed statement; the caller rolls back.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "sqlite/query.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tallyman {

// Asked before each statement runs (ROLLBACK excepted); a result code other than 0 makes the
// statement fail with it, unrun. For tests of faults.
using StatementHook = std::function<int(std::string_view sql)>;

struct SqliteOpenOptions {
  bool create = false;
  int64_t busy_timeout_ms = 5000;
  std::string vfs;  // empty: the system's
  StatementHook hook;
};

class SqliteConnection {
 public:
  // Nothing of the file is read before the first statement. Errors: see sqlite_error.h.
  static Result<std::unique_ptr<SqliteConnection>> Open(const std::string& path,
                                                        SqliteOpenOptions options);
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  // A kept statement. REQUIRES: `literal` is one literal or constant that lives as long as the
  // connection. A statement that is in use already is prepared a second time. An error of the
  // preparation comes out of the query's Next().
  SqliteQuery Query(const char* literal);
  // A statement that is prepared for this one use.
  SqliteQuery QueryOnce(std::string_view sql);
  // Runs one or several statements; their rows are of no interest.
  Status Execute(std::string_view sql);

  // Rows that the last INSERT, UPDATE or DELETE touched.
  int64_t changes() const;
  bool in_transaction() const;
  // The file, or the way to it, does not let this connection write.
  bool is_read_only() const;
  // Leaves an open transaction, if there is one. False: the connection is of no use any more.
  bool Rollback();

  // The write-ahead log stays, with its room, when the last connection is closed.
  void KeepLog();

  // Copies the database, as it stands in this connection's transaction if one is open, into the
  // file of `target`; `progress` hears pages done and pages in all.
  Status CopyTo(SqliteConnection& target, const std::function<void(int64_t, int64_t)>& progress);

  const std::string& path() const { return path_; }
  // From then on statements are interrupted: DEADLINE_EXCEEDED. nullopt: never.
  void SetDeadline(std::optional<std::chrono::steady_clock::time_point> deadline);
  bool is_overdue() const { return deadline_ && std::chrono::steady_clock::now() >= *deadline_; }
  // The hook's answer; 0 when there is none.
  int AskHook(std::string_view sql) const { return hook_ ? hook_(sql) : 0; }
  Error LastError(std::string_view sql) const;

 private:
  struct Kept {
    sqlite3_stmt* statement = nullptr;
    bool busy = false;
  };
  SqliteConnection(std::string path, StatementHook hook)
      : path_(std::move(path)), hook_(std::move(hook)) {}
  Result<sqlite3_stmt*> Prepare(std::string_view sql, bool keep, std::string_view* rest);

  std::string path_;
  StatementHook hook_;
  sqlite3* database_ = nullptr;
  std::unordered_map<const char*, Kept> kept_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
};

}  // namespace tallyman
