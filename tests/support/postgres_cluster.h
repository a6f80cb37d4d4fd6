// PostgreSQL for tests: clusters of their own in temporary directories, and fresh databases in one
// that a whole test run shares.
//
// A cluster listens on a unix socket and on 127.0.0.1 at a free port, trusts everybody who can
// reach it, and runs as user `postgres` when the test runs as root (PostgreSQL does not run as
// root), else as the user of the test. It never outlives the process (strictly: the thread) that
// started it: the kernel stops it when that ends in any way.
//
//   PostgresCluster cluster;                        // fsync on, as in production
//   auto store = PostgresStore::Open(cluster.Dsn("postgres", PostgresCluster::kTcp), {});
//   cluster.Kill();                                 // kill -9 of the postmaster
//   cluster.Start();                                // recovers from its log
//
// Not thread-safe, but for Dsn() and port().
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

struct pg_conn;  // of libpq

namespace tallyman {

struct PostgresClusterOptions {
  // fsync and synchronous commits; off is for tests of answers, which need no disk to be sure.
  bool durable = true;
  // Lines of postgresql.conf, stronger than those of the cluster itself.
  std::vector<std::pair<std::string, std::string>> settings;
};

class PostgresCluster {
 public:
  enum Via { kSocket, kTcp };

  // Makes and starts it. Throws std::runtime_error with the server's log when that fails.
  explicit PostgresCluster(PostgresClusterOptions options = {});
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;
  // Stops it and removes its directory.
  ~PostgresCluster();

  // Starts a stopped or killed cluster and waits until it answers; at the same port.
  void Start();
  // A fast shutdown: ends all connections and waits until everything is written.
  void Stop();
  // kill -9 of the postmaster, and waits until its processes are gone.
  void Kill();
  bool is_running() const { return postmaster_ > 0; }

  // For any database of the cluster; the user is the superuser `postgres`.
  std::string Dsn(const std::string& database = "postgres", Via via = kSocket) const;
  int port() const { return port_; }
  const std::filesystem::path& directory() const { return directory_; }  // of the socket, too
  // The postmaster, to send signals to; 0 while it does not run.
  pid_t postmaster() const { return postmaster_; }
  std::string Log() const;

 private:
  void WriteSettings(const PostgresClusterOptions& options);

  std::filesystem::path directory_;
  int port_ = 0;
  pid_t postmaster_ = 0;
};

// Runs SQL as the superuser, one text of any number of statements. Returns the first column of the
// last statement's rows. Throws std::runtime_error with the server's message.
std::vector<std::string> RunSql(const std::string& dsn, const std::string& sql);

// A connection that stays open: to hold locks and transactions. Throws as RunSql() does.
class SqlSession {
 public:
  explicit SqlSession(const std::string& dsn);
  SqlSession(const SqlSession&) = delete;
  SqlSession& operator=(const SqlSession&) = delete;
  ~SqlSession();
  std::vector<std::string> Run(const std::string& sql);

 private:
  ::pg_conn* connection_;
};

// The cluster that databases of tests live in: the one that TALLYMAN_TEST_POSTGRES announces (ctest
// starts it once for all tests), else one of this process. Not durable.
std::string SharedClusterDsn(const std::string& database);

// An empty database at the newest schema in the shared cluster, of this object alone. When a test
// has left nothing but rows in it, a later test of the process gets it again, without them.
class PostgresDatabase {
 public:
  // `settings`: of ALTER DATABASE, such as {"default_transaction_isolation", "serializable"}.
  using Settings = std::vector<std::pair<std::string, std::string>>;
  explicit PostgresDatabase(const Settings& settings = {}, bool migrated = true);
  PostgresDatabase(const PostgresDatabase&) = delete;
  PostgresDatabase& operator=(const PostgresDatabase&) = delete;
  ~PostgresDatabase();

  const std::string& dsn() const { return dsn_; }
  std::vector<std::string> Sql(const std::string& sql) const { return RunSql(dsn_, sql); }
  // Runs SQL past the schema's rules: without foreign keys and CHECKs (which are then valid for new
  // rows only).
  void Damage(const std::string& sql) const;

 private:
  std::string name_;
  std::string dsn_;
  Settings settings_;
  std::string schema_;  // a digest of what it was made as; empty: it is not used again
};

}  // namespace tallyman
