// The command line: reads what was typed, calls methods through a Client, prints what came of it.
//
// Everything that belongs to the machine or to another room (terminal, environment, clock, ids, the
// database) is handed in by main, so that a test can run any command in its own process.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "client/client.h"
#include "client/retry.h"

namespace tallyman::cli {

// A server to call, and how.
struct ServerTarget {
  std::string url;
  std::string token;    // "": none
  std::string ca_file;  // "": the system's certificates
  bool insecure = false;
};

struct ConnectOptions {
  // Of a call to a server, all attempts together; of a database, how long an outage is waited for.
  std::chrono::milliseconds timeout{30'000};
  // Called before each new attempt.
  client::OnWait on_wait = {};
  // Set: calls go over the network, and nothing below matters.
  std::optional<ServerTarget> server = {};
  // Such as sqlite:/var/lib/tallyman/fleet.db or postgres://tallyman@db.example/fleet.
  std::string dsn;
  // Who the changes are made by; never empty.
  std::string actor;
  // The command fills a database, so one that is not there is made by its first call.
  bool may_create = false;
};

struct MigrateReport {
  int64_t from_version = 0;  // 0: there was no database
  int64_t to_version = 0;
};

struct CheckReport {
  int64_t schema_version = 0;
  // What the database itself finds wrong (structure, foreign keys); empty when it is sound.
  std::vector<std::string> problems;
};

// What came of copying one database into another.
struct CopiedReport {
  int64_t tables = 0;
  int64_t rows = 0;
  int64_t hosts = 0;
  int64_t nodes = 0;
  int64_t ledger_entries = 0;
  int64_t drifted = 0;  // hosts and nodes whose books were wrong, and are so in the copy
};

// What came of putting a backup in the place of a database.
struct RestoreReport {
  int64_t schema_version = 0;
  // Where the database that was there is now; empty: there was none.
  std::string kept_as;
};

// What is done to a database as a whole, beside the API. main implements it for each kind of store.
class DatabaseTool {
 public:
  virtual ~DatabaseTool() = default;

  // Creates the database or brings it to this program's schema. A newer schema is refused.
  virtual Result<MigrateReport> Migrate(const std::string& dsn) = 0;
  // Copies a database that may be in use into the new file `to`; `progress` gets pages done and
  // pages in all, and may be called often.
  virtual Status Backup(const std::string& dsn, const std::string& to,
                        const std::function<void(int64_t done, int64_t total)>& progress) = 0;
  // Puts the backup in the file `from` in the place of a database that nobody uses; progress as
  // above.
  virtual Result<RestoreReport> Restore(
      const std::string& from, const std::string& dsn,
      const std::function<void(int64_t done, int64_t total)>& progress) = 0;
  // Reads the whole database and changes nothing.
  virtual Result<CheckReport> Check(const std::string& dsn) = 0;
  // Copies everything into a database that is empty or not there, of whatever kind, and compares
  // the books; `progress` gets the rows done.
  virtual Result<CopiedReport> Copy(const std::string& from, const std::string& to,
                                    const std::function<void(int64_t done)>& progress) = 0;
  // The database's name for people: without a password.
  virtual std::string Shown(const std::string& dsn) = 0;
};

// A command that main adds as a whole, such as a server: it gets all that stands after its name.
struct ExtraCommand {
  std::string name;
  std::string description;
  std::function<int(const std::vector<std::string>& arguments)> run;
};

// Not thread-safe; what it refers to outlives RunCli.
struct CliEnvironment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  // Standard input or output was closed when the program began, so that nothing can be read or
  // shown.
  bool in_is_closed = false;
  bool out_is_closed = false;
  // Whether nobody can read any more what `out` was given, as when `head` has seen enough. May be
  // empty.
  std::function<bool()> reader_is_gone = {};
  // Whether `out` and `err` are terminals, and how many columns that of `out` has.
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  int width = 80;
  // Whether NO_COLOR and TERM leave colour allowed; it is used on a terminal only.
  bool colour_allowed = false;
  // The value of an environment variable; nullopt when it is not set.
  std::function<std::optional<std::string>(std::string_view name)> variable;
  Clock& clock;
  // Sleeps for half to the whole of that.
  std::function<void(std::chrono::milliseconds longest)> pause;
  // A fresh UUID in text form, for a mutation that was given no --request-id.
  std::function<std::string()> new_request_id;
  std::function<Result<std::unique_ptr<client::Client>>(const ConnectOptions&)> connect;
  DatabaseTool& database;
  // What --version prints.
  std::string version;
  std::vector<ExtraCommand> extra_commands;
};

// Runs one command and gives the exit status of the process: 0 success; 1 any other failure; 2
// invalid argument; 3 an audit or a ledger found drift; 141 where the reader of the output has gone
// and nothing was changed, as if SIGPIPE had ended it; otherwise the exit status of the error's
// code (base/error.h). Throws nothing.
int RunCli(int argc, const char* const* argv, CliEnvironment& environment);

}  // namespace tallyman::cli
