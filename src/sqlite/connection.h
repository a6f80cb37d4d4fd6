// A connection to an SQLite database file, and the statements prepared on it.
//
// The opener owns it; one thread at a time uses it. Statements given as string literals are
// prepared once and cached by the address of the literal. A connection stays usable after any
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

namespace tallyman::sqlite {

// Called before each statement runs (except ROLLBACK); a result code other than 0 fails the
// statement with that code, without running it. For tests of faults.
using StatementHook = std::function<int(std::string_view sql)>;

struct SqliteOpenOptions {
  bool create = false;
  bool read_only = false;
  // Read without locks and without what lies beside the file, as if nobody else ever changed it.
  bool immutable = false;
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

  // A cached statement. REQUIRES: `literal` is one literal or constant that lives as long as the
  // connection. A statement that is already in use is prepared a second time. The query's Next()
  // returns an error of the preparation.
  SqliteQuery Query(const char* literal);
  // A statement prepared for this use only.
  SqliteQuery QueryOnce(std::string_view sql);
  // Runs one or several statements and ignores their rows.
  Status Execute(std::string_view sql);

  // Rows that the last INSERT, UPDATE or DELETE touched.
  int64_t changes() const;
  bool in_transaction() const;
  // True if the file or its directory does not permit this connection to write.
  bool is_read_only() const;
  // What the file says of itself, also where a log lies beside it: that a write-ahead log goes with
  // it, or that it is complete. False of an empty file.
  bool is_complete_by_itself() const;
  // Rolls back an open transaction, if there is one. False: the connection is no longer usable.
  bool Rollback();

  // Keeps the write-ahead log and its allocated space when the last connection is closed.
  void KeepLog();

  // Copies the database, as it stands in this connection's transaction if one is open, into the
  // file of `target`; `progress` receives pages done and pages in total.
  Status CopyTo(SqliteConnection& target, const std::function<void(int64_t, int64_t)>& progress);

  const std::string& path() const { return path_; }
  // The deadline of statements: they are interrupted then with DEADLINE_EXCEEDED. nullopt: none.
  void SetDeadline(std::optional<std::chrono::steady_clock::time_point> deadline);
  bool is_overdue() const { return deadline_ && std::chrono::steady_clock::now() >= *deadline_; }
  // The hook's answer; 0 without a hook.
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

}  // namespace tallyman::sqlite
