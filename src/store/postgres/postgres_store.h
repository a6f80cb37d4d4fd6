// The shared store: a PostgreSQL database.
//
// Two bounded connection pools, one for reads and one for writes, so that neither can starve the
// other. Writes lock their rows, hosts before nodes, each in id order, and commit under the
// database's default isolation: READ COMMITTED is enough, SERIALIZABLE is fine. A write that failed
// by a conflict (a serialization failure, a deadlock, a connection lost before its commit was sent)
// runs again from the start, with a bound and jitter; one whose connection was lost during the
// commit is in doubt and returns UNAVAILABLE COMMIT_UNKNOWN. Thread-safe. A Write() inside another
// Write() of the same thread may deadlock with it until its timeout.
#pragma once

#include <memory>
#include <string>

#include "base/random.h"
#include "store/copy.h"
#include "store/postgres/image_cache.h"
#include "store/postgres/pool.h"

namespace tallyman::store::postgres {

struct PostgresStoreOptions {
  // Opens an empty or older database, which Migrate() has to bring up before it is read or written.
  bool for_migration = false;
  // The same for an empty database only.
  bool may_be_empty = false;
  int64_t readers_max = 4;
  int64_t writers_max = 4;
  int64_t waiting_max = 64;             // for each of the two pools; further ones fail at once
  int64_t wait_timeout_ms = 5'000;      // for a connection of a pool
  int64_t connect_timeout_s = 3;        // for each host of the connection string
  int64_t peer_silence_ms_max = 5'000;  // a host whose kernel acknowledges nothing is gone
  int64_t lock_timeout_ms = 2'000;
  int64_t statement_timeout_ms = 30'000;
  int64_t read_timeout_ms = 120'000;  // of a read-only statement; an audit takes long
  // How much longer than the server's own timeouts an answer may take, because a server that hangs
  // reports nothing.
  int64_t silence_ms_max = 15'000;
  int64_t retries_max = 10;
  int64_t retry_delay_ms_max = 200;
  uint64_t jitter_seed = 1;  // of the delays between retries
};

class PostgresStore final : public Store, public StoreAdmin, public CopyableStore {
 public:
  // `dsn` has libpq's format: postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=... Errors,
  // beside those of failure.h and pool.h:
  //   INVALID_ARGUMENT INVALID_DATABASE     it is not a connection string
  //   FAILED_PRECONDITION NOT_A_DATABASE    the tables belong to another program
  //   FAILED_PRECONDITION SCHEMA_TOO_NEW    a newer program made them
  //   FAILED_PRECONDITION SCHEMA_TOO_OLD    it has to be migrated first
  static Result<std::unique_ptr<PostgresStore>> Open(const std::string& dsn,
                                                     PostgresStoreOptions options);

  Status Read(const std::function<Status(ReadTx&)>& body) override;
  Status Write(const std::function<Status(WriteTx&)>& body) override;
  Status Together(const std::function<Result<bool>(Store& within)>& body) override;
  Result<std::optional<Time>> Now() override;

  Result<SchemaState> Schema() override;
  Result<SchemaState> Migrate() override;
  // UNIMPLEMENTED BACKUP_ELSEWHERE: the message names PostgreSQL's own tools.
  Status Backup(const std::string& to,
                const std::function<void(int64_t, int64_t)>& progress) override;
  // Checks the foreign keys and CHECK constraints of all rows.
  Result<std::vector<std::string>> CheckIntegrity() override;
  Status CopyOut(const std::function<Status(CopySource&, ReadTx&)>& body) override;
  Status CopyIn(const std::function<Status(CopyTarget&, ReadTx&)>& body) override;

  // The database's name in errors, without its password.
  const std::string& shown() const { return connect_.shown; }
  const PgStats& stats() const { return stats_; }

 private:
  PostgresStore(PgConnectOptions connect, PostgresStoreOptions options);
  // A connection outside the pools, for work without a time limit.
  Result<std::unique_ptr<PgConnection>> ConnectPatiently();
  // SCHEMA_TOO_OLD until a database that was opened for migration is migrated.
  Status CheckReady() const;
  // One attempt. `again`: the transaction conflicted with another one and left no trace.
  Status TryWrite(const std::function<Status(WriteTx&)>& body, bool& again);
  Status TryTogether(const std::function<Result<bool>(Store& within)>& body, bool& again);
  Status TryRead(const std::function<Status(ReadTx&)>& body, bool& again);
  Status Retry(const std::function<Status(bool&)>& attempt);
  void WaitBefore(int64_t retry);

  const PgConnectOptions connect_;
  const PostgresStoreOptions options_;
  PgStats stats_;
  PgImageCache images_;
  SeededRandom jitter_;
  std::atomic<int64_t> schema_version_{0};
  PgPool readers_;
  PgPool writers_;
};

}  // namespace tallyman::store::postgres
