// A connection to PostgreSQL, used one batch at a time.
//
// A batch is any number of statements that are sent together in libpq's pipeline mode, and answered
// together: one round trip. Statements are prepared when a connection first meets them, in the same
// round trip. The first failure of a batch skips the rest of it. Every wait has its own deadline,
// independent of the server's timeouts; a peer that has gone without a word is noticed earlier, by
// the kernels of both sides.
//
// Belongs to one thread at a time. Once broken(), it must be discarded.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "store/postgres/failure.h"
#include "store/postgres/values.h"

namespace tallyman::store::postgres {

struct PgConnectOptions {
  std::string dsn;                // in libpq's format, with TLS, several hosts and so on
  std::string shown;              // its name in errors; see ShownDsn()
  int64_t connect_timeout_s = 3;  // for each host; a value in the string overrides it
  // How long a peer's kernel may acknowledge nothing; values in the string override it.
  int64_t silence_ms_max = 5'000;
  int64_t statement_timeout_ms = 30'000;
  int64_t lock_timeout_ms = 2'000;
  // How long a batch may take from sending to its last answer; longer than the server's timeouts.
  int64_t batch_timeout_ms = 45'000;
  // Every statement finds its rows by keys and must be planned so, independent of statistics: a
  // plan that scans a table while it is small would be kept when it has grown.
  bool by_key = false;
};

// Counted over all connections of a store. Thread-safe.
struct PgStats {
  std::atomic<int64_t> connects{0};
  std::atomic<int64_t> round_trips{0};  // batches sent
  std::atomic<int64_t> retries{0};      // transactions run again from the start
};

class PgBatch {
 public:
  // A statement that each connection prepares once and keeps. REQUIRES: `sql` has static lifetime.
  void Add(const char* sql, PgParams params = {}) {
    statements_.push_back({sql, {}, std::move(params), false});
  }
  // A statement for this use only.
  void AddOnce(std::string sql, PgParams params = {}) {
    statements_.push_back({nullptr, std::move(sql), std::move(params), false});
  }
  // A synchronisation point: ends the implicit transaction if none was begun; costs no round trip.
  void EndImplicitTransaction() { statements_.back().sync = true; }
  void Append(PgBatch&& other) {
    for (Statement& statement : other.statements_) statements_.push_back(std::move(statement));
  }
  size_t size() const { return statements_.size(); }

 private:
  friend class PgConnection;
  struct Statement {
    const char* kept;
    std::string once;
    PgParams params;
    bool sync = false;  // a synchronisation point follows it
  };
  std::vector<Statement> statements_;
};

class PgConnection {
 public:
  // `stats` outlives the connection.
  static Result<std::unique_ptr<PgConnection>> Open(const PgConnectOptions& options,
                                                    PgStats& stats);
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  using Deadline = std::chrono::steady_clock::time_point;

  // Sends the batch and waits for all its answers: one result per statement. A wait that lasts
  // until `until`, or as long as a batch may take, ends the connection.
  Result<std::vector<PgResult>> Run(const PgBatch& batch, Deadline until = Deadline::max());
  // Runs several statements as one text, outside of pipeline mode: for migrations.
  Status Execute(const std::string& sql);
  // Runs a COPY ... FROM STDIN and sends it these rows, outside of pipeline mode as well.
  Status CopyIn(const std::string& sql, const PgCopyRows& rows);
  // Why the last Run() or Execute() failed; empty when it did not.
  const std::optional<PgFailure>& failure() const { return failure_; }
  // The server sent a warning with the answers to the last batch; see Commit in transaction.cc.
  bool warned() const { return warned_; }

  // A transaction is open, or was left open by a failure.
  bool in_transaction() const;
  bool broken() const { return broken_; }
  // Checks, without a round trip, whether the server has closed the connection or announced that it
  // will.
  bool IsAlive();
  const std::string& shown() const { return options_.shown; }
  int64_t statement_timeout_ms() const { return options_.statement_timeout_ms; }

 private:
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  PgConnection(PgConnectOptions options, PgStats& stats)
      : options_(std::move(options)), stats_(stats) {}
  Status Connect();
  Status SetUpSession();
  std::string KeepalivesIdle() const;  // in seconds
  bool Queue(const PgBatch::Statement& statement, std::vector<std::string_view>& prepared);
  // Sends the text outside of pipeline mode, and `rows` when the server asks for them.
  Status RunText(const std::string& sql, const PgCopyRows* rows);
  // The next result; null: this statement has no more. Sets failure_ when the wait fails.
  PGresult* Await(Deadline deadline);
  std::optional<PgResult> TakeResult(size_t statement, Deadline deadline);
  void Note(PgFailure failure);
  void Lose(std::string message);
  Deadline DeadlineFromNow() const;
  static void OnNotice(void* self, const PGresult* notice);

  const PgConnectOptions options_;
  PgStats& stats_;
  std::unique_ptr<PGconn, Close> connection_;
  std::unordered_map<std::string_view, std::string> names_;  // of prepared statements
  int64_t last_name_ = 0;
  std::optional<PgFailure> failure_;
  bool warned_ = false;
  bool broken_ = false;
};

}  // namespace tallyman::store::postgres
