#include "store/postgres/postgres_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>
#include <tuple>

#include "base/reasons.h"
#include "store/postgres/dsn.h"
#include "store/postgres/migrations.h"
#include "store/postgres/schema.h"
#include "store/postgres/transaction.h"
#include "store/refusals.h"

namespace tallyman::store::postgres {
namespace {

constexpr char kBeginAll[] = "BEGIN";
constexpr char kCommitAll[] = "COMMIT";
constexpr char kRollback[] = "ROLLBACK";
constexpr char kUndoStep[] = "ROLLBACK TO step";
constexpr char kEndUndone[] = "RELEASE step";
constexpr char kClock[] = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

int64_t NewestVersion() { return static_cast<int64_t>(PostgresMigrations().size()); }

// Leaves the connection either outside of a transaction or broken.
void EndTransaction(PgConnection& connection) {
  if (connection.broken() || !connection.in_transaction()) return;
  PgBatch batch;
  batch.Add(kRollback);
  // A connection that cannot even roll back does not return to its pool.
  std::ignore = connection.Run(batch);
}

PgConnectOptions ForReading(PgConnectOptions options, const PostgresStoreOptions& store) {
  options.statement_timeout_ms = store.read_timeout_ms;
  options.batch_timeout_ms = store.read_timeout_ms + store.silence_ms_max;
  return options;
}

PgConnectOptions ForWriting(PgConnectOptions options) {
  options.by_key = true;
  return options;
}

// The transaction conflicted with another one, or never reached its commit: it left no trace.
bool LeftNoTrace(const PgTransaction& transaction) {
  const auto& failure = transaction.failure();
  if (!failure || transaction.outcome_is_unknown()) return false;
  return IsConflict(*failure) || failure->lost;
}

Error PlacementRaced(const std::string& database) {
  return Error(Code::kUnavailable, "DATABASE_CONFLICT",
               fmt::format("database {}: other requests repeatedly filled the hosts that were "
                           "found: try again",
                           database))
      .About(fmt::format("database {}", database));
}

Error CommitUnknown(const std::string& database, const Error& why) {
  return Error(
             Code::kUnavailable, kCommitUnknown,
             fmt::format("the connection to database {} was lost during the commit, so its outcome "
                         "is unknown: send the request again with the same request id ({})",
                         database, why.message))
      .About(fmt::format("database {}", database));
}

// A transaction that is open, as a store. Its images are its own, as they may never be committed.
class OpenTransaction final : public Store {
 public:
  explicit OpenTransaction(PgConnection& connection) : connection_(connection) {}

  Status Read(const std::function<Status(ReadTx&)>& body) override {
    RETURN_IF_ERROR(failed_);
    PgTransaction transaction(connection_, images_, PgAccess::kWithin);
    Status status = body(transaction);
    if (transaction.failure()) {
      failed_ = Fail(ErrorOf(*transaction.failure(), connection_.shown()));
      again_ = LeftNoTrace(transaction);
      if (status) return failed_;
    }
    return status;
  }
  Status Write(const std::function<Status(WriteTx&)>& body) override {
    RETURN_IF_ERROR(failed_);
    PgTransaction transaction(connection_, images_, PgAccess::kStep);
    Status status = body(transaction);
    if (status && transaction.lost_a_race()) status = Fail(PlacementRaced(connection_.shown()));
    if (status) status = transaction.Finish();
    if (status) return status;
    again_ = transaction.lost_a_race() || LeftNoTrace(transaction);
    if (again_ || connection_.broken()) {
      failed_ = status;
    } else if (transaction.begun()) {
      failed_ = Undo();
    }
    return status;
  }
  Status Together(const std::function<Result<bool>(Store& within)>&) override {
    return Fail(TogetherWithin());
  }
  Result<std::optional<Time>> Now() override { return std::nullopt; }

  // Why the transaction cannot go on, and whether it may from the start.
  const Status& failed() const { return failed_; }
  bool again() const { return again_; }

 private:
  Status Undo() {
    PgBatch batch;
    batch.Add(kUndoStep);
    batch.Add(kEndUndone);
    auto results = connection_.Run(batch);
    return results ? Status() : Fail(std::move(results).error());
  }

  PgConnection& connection_;
  PgImageCache images_;
  Status failed_;
  bool again_ = false;
};

}  // namespace

PostgresStore::PostgresStore(PgConnectOptions connect, PostgresStoreOptions options)
    : connect_(std::move(connect)),
      options_(options),
      jitter_(options.jitter_seed),
      readers_(ForReading(connect_, options_),
               {options_.readers_max, options_.waiting_max, options_.wait_timeout_ms}, stats_),
      writers_(ForWriting(connect_),
               {options_.writers_max, options_.waiting_max, options_.wait_timeout_ms}, stats_) {}

Result<std::unique_ptr<PostgresStore>> PostgresStore::Open(const std::string& dsn,
                                                           PostgresStoreOptions options) {
  ASSIGN_OR_RETURN(std::string shown, ShownDsn(dsn));
  PgConnectOptions connect{
      .dsn = dsn,
      .shown = std::move(shown),
      .connect_timeout_s = options.connect_timeout_s,
      .silence_ms_max = options.peer_silence_ms_max,
      .statement_timeout_ms = options.statement_timeout_ms,
      .lock_timeout_ms = options.lock_timeout_ms,
      .batch_timeout_ms = options.statement_timeout_ms + options.silence_ms_max};
  std::unique_ptr<PostgresStore> store(new PostgresStore(std::move(connect), options));
  ASSIGN_OR_RETURN(const SchemaState schema, store->Schema());
  const bool is_new = options.may_be_empty && schema.version == 0;
  RETURN_IF_ERROR(CheckSchema(schema, store->shown(), options.for_migration || is_new));
  store->schema_version_ = schema.version;
  return store;
}

Status PostgresStore::CheckReady() const {
  if (schema_version_ == NewestVersion()) return {};
  return CheckSchema({schema_version_, NewestVersion()}, shown(), false);
}

// Full jitter, so that two transactions that conflicted do not conflict again.
void PostgresStore::WaitBefore(int64_t retry) {
  const int64_t longest =
      std::min(int64_t{4} << std::min<int64_t>(retry, 10), options_.retry_delay_ms_max);
  const auto delay = static_cast<int64_t>(jitter_.Next() % static_cast<uint64_t>(longest * 1000));
  std::this_thread::sleep_for(std::chrono::microseconds(delay));
}

Status PostgresStore::Retry(const std::function<Status(bool&)>& attempt) {
  for (int64_t retry = 0;; ++retry) {
    bool again = false;
    Status status = attempt(again);
    if (!again || retry >= options_.retries_max) return status;
    ++stats_.retries;
    WaitBefore(retry);
  }
}

Status PostgresStore::TryRead(const std::function<Status(ReadTx&)>& body, bool& again) {
  ASSIGN_OR_RETURN(PgPool::Lease lease, readers_.Take());
  PgTransaction transaction(*lease, images_, PgAccess::kRead);
  Status status = body(transaction);
  EndTransaction(*lease);
  // A body may hide a failure and still return success.
  again = LeftNoTrace(transaction);
  if (status && again) return Fail(ErrorOf(*transaction.failure(), shown()));
  return status;
}

Status PostgresStore::TryWrite(const std::function<Status(WriteTx&)>& body, bool& again) {
  ASSIGN_OR_RETURN(PgPool::Lease lease, writers_.Take());
  PgTransaction transaction(*lease, images_, PgAccess::kWrite);
  Status status = body(transaction);
  if (status && transaction.lost_a_race()) status = Fail(PlacementRaced(shown()));
  if (status) status = transaction.Finish();
  EndTransaction(*lease);
  if (transaction.outcome_is_unknown()) return Fail(CommitUnknown(shown(), status.error()));
  again = transaction.lost_a_race() || LeftNoTrace(transaction);
  return status;
}

Status PostgresStore::TryTogether(const std::function<Result<bool>(Store& within)>& body,
                                  bool& again) {
  ASSIGN_OR_RETURN(PgPool::Lease lease, writers_.Take());
  PgConnection& connection = *lease;
  // False: it did not work, and `again` is set where nothing can have been changed by it.
  const auto run = [&](const char* sql) {
    PgBatch batch;
    batch.Add(sql);
    auto results = connection.Run(batch);
    if (!results) again = IsConflict(*connection.failure());
    return results ? Status() : Fail(std::move(results).error());
  };
  if (Status begun = run(kBeginAll); !begun) {
    again = connection.broken();
    return begun;
  }
  OpenTransaction open(connection);
  const Result<bool> keep = body(open);
  Status status = keep ? open.failed() : Fail(keep.error());
  again = open.again();
  if (status && *keep) {
    status = run(kCommitAll);
    const bool is_unknown = status ? connection.warned() : connection.broken();
    if (is_unknown) {
      EndTransaction(connection);
      const Error why(Code::kUnavailable, kDatabaseUnreachable, "its reply was lost");
      return Fail(CommitUnknown(shown(), status ? why : status.error()));
    }
  }
  EndTransaction(connection);
  return status;
}

Status PostgresStore::Together(const std::function<Result<bool>(Store& within)>& body) {
  RETURN_IF_ERROR(CheckReady());
  return Retry([&](bool& again) { return TryTogether(body, again); });
}

Status PostgresStore::Read(const std::function<Status(ReadTx&)>& body) {
  RETURN_IF_ERROR(CheckReady());
  return Retry([&](bool& again) { return TryRead(body, again); });
}

Status PostgresStore::Write(const std::function<Status(WriteTx&)>& body) {
  RETURN_IF_ERROR(CheckReady());
  return Retry([&](bool& again) { return TryWrite(body, again); });
}

Result<std::optional<Time>> PostgresStore::Now() {
  Time now;
  RETURN_IF_ERROR(Retry([&](bool& again) -> Status {
    ASSIGN_OR_RETURN(PgPool::Lease lease, readers_.Take());
    PgTransaction transaction(*lease, images_, PgAccess::kRead);
    auto result = transaction.RunOne(kClock, {});
    EndTransaction(*lease);
    again = LeftNoTrace(transaction);
    if (!result) return Fail(std::move(result).error());
    return result->row(0).Read(now);
  }));
  return now;
}

}  // namespace tallyman::store::postgres
