// A connection to PostgreSQL, used one batch at a time.
//
// A batch is any number of statements that are sent together in libpq's pipeline mode, and answered
// together: one round trip. Statements are prepared when a connection first meets them, in the same
// round trip. The first failure of a batch skips the rest of it. Every wait has a deadline of its
// own, whatever the server's timeouts are.
//
// Belongs to one thread at a time. Once broken() it is to be thrown away.
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

namespace tallyman {

struct PgConnectOptions {
  std::string dsn;                // as libpq reads it: TLS, several hosts and all
  std::string shown;              // what errors call it; see ShownDsn()
  int64_t connect_timeout_s = 5;  // for each host; the string's own counts more
  int64_t statement_timeout_ms = 30'000;
  int64_t lock_timeout_ms = 2'000;
  // How long a batch may take from sending to its last answer; longer than the server's timeouts.
  int64_t batch_timeout_ms = 45'000;
  // Every statement finds its rows by their keys, and is to be planned so whatever the statistics
  // say: a plan that reads a table which was small when it was made would be kept while it grows.
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
  // A statement that is prepared once a connection and kept. REQUIRES: `sql` lives for ever.
  void Add(const char* sql, PgParams params = {}) {
    statements_.push_back({sql, {}, std::move(params), false});
  }
  // A statement that is made for this one time.
  void AddOnce(std::string sql, PgParams params = {}) {
    statements_.push_back({nullptr, std::move(sql), std::move(params), false});
  }
  // Ends what the server takes for one transaction where none was begun; no round trip of its own.
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
    bool sync = false;  // a synchronisation point stands behind it
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

  // Sends the batch and waits for all its answers: one result a statement.
  Result<std::vector<PgResult>> Run(const PgBatch& batch);
  // Runs several statements as one text and outside of pipeline mode: for migrations.
  Status Execute(const std::string& sql);
  // Why the last Run() or Execute() failed; empty when it did not.
  const std::optional<PgFailure>& failure() const { return failure_; }
  // The server warned while it answered the last batch; see Commit in transaction.cc.
  bool warned() const { return warned_; }

  // A transaction is open, or was left open by a failure.
  bool in_transaction() const;
  bool broken() const { return broken_; }
  // Looks, without asking the server, whether it has hung up or has said that it will.
  bool IsAlive();
  const std::string& shown() const { return options_.shown; }
  int64_t statement_timeout_ms() const { return options_.statement_timeout_ms; }

 private:
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  using Deadline = std::chrono::steady_clock::time_point;

  PgConnection(PgConnectOptions options, PgStats& stats)
      : options_(std::move(options)), stats_(stats) {}
  Status Connect();
  Status SetUpSession();
  bool Queue(const PgBatch::Statement& statement, std::vector<std::string_view>& prepared);
  // The next result; null: none is left of this statement. Sets failure_ when the wait fails.
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

}  // namespace tallyman
