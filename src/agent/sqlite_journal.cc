#include "agent/sqlite_journal.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container_end.h"
#include "agent/file.h"
#include "agent/system_error.h"

namespace tallyman::agent {
namespace {

constexpr int64_t kVersion = 2;

constexpr std::string_view kSchema = R"(
CREATE TABLE commands (
  id BLOB PRIMARY KEY, node_id BLOB NOT NULL, seq INTEGER NOT NULL, attempt INTEGER NOT NULL,
  kind TEXT NOT NULL, payload TEXT NOT NULL, stage TEXT NOT NULL, failure TEXT NOT NULL,
  undo_incomplete INTEGER NOT NULL, result TEXT NOT NULL, config_id BLOB, run_state TEXT NOT NULL,
  retry_after_seconds INTEGER NOT NULL, message TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE nodes (
  node_id BLOB PRIMARY KEY, payload TEXT NOT NULL, should_run INTEGER NOT NULL,
  failed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO facts VALUES ('next_sequence', '1');
PRAGMA user_version = 1;
)";

// The additions of version 2.
constexpr std::string_view kFromVersion1 = R"(
ALTER TABLE nodes ADD COLUMN mending TEXT NOT NULL DEFAULT 'nothing';
ALTER TABLE nodes ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN last_end BLOB;
CREATE TABLE incidents (
  number INTEGER PRIMARY KEY, kind TEXT NOT NULL, node_id BLOB, at INTEGER NOT NULL,
  count INTEGER NOT NULL, message TEXT NOT NULL, container_end BLOB
) STRICT;
INSERT INTO facts VALUES ('next_incident', '1');
PRAGMA user_version = 2;
)";

// An end is kept in the form in which it is told.
std::optional<std::string> ToBlob(const std::optional<ReportedEnd>& end) {
  if (!end) return std::nullopt;
  return EndToBytes(*end);
}

std::optional<sqlite::SqliteBlob> AsBlob(const std::optional<std::string>& bytes) {
  if (!bytes) return std::nullopt;
  return sqlite::SqliteBlob{*bytes};
}

// Allocates space, also beyond the end of the file. Returns why it cannot; empty: it could.
std::string Allocate(const std::string& path, int64_t bytes) {
  if (bytes == 0) return {};
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.is_open() && ::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, 0, bytes) == 0) return {};
  const std::string problem = SystemError("ROOM_NOT_KEPT", path).message;
  // Free what was allocated, or the database itself would find no space.
  struct stat info{};
  const bool known = file.is_open() && ::fstat(file.get(), &info) == 0;
  if (known && ::ftruncate(file.get(), info.st_size) != 0)
    return problem + ", and its space could not be freed";
  return problem;
}

// Rolls back the transaction unless it is committed.
class Transaction {
 public:
  explicit Transaction(sqlite::SqliteConnection& connection) : connection_(connection) {}
  ~Transaction() {
    if (connection_.in_transaction()) connection_.Rollback();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Status Begin() { return connection_.Execute("BEGIN IMMEDIATE"); }
  Status Commit() { return connection_.Execute("COMMIT"); }

 private:
  sqlite::SqliteConnection& connection_;
};

}  // namespace

Result<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(const std::string& path,
                                                           sqlite::StatementHook hook,
                                                           const JournalRoom& room) {
  // Before the database is open, because closing a descriptor releases the process's other locks on
  // the file.
  std::string problem = Allocate(path, room.database_bytes);
  ASSIGN_OR_RETURN(auto connection,
                   sqlite::SqliteConnection::Open(path, {.create = true, .hook = std::move(hook)}));
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(std::move(connection)));
  RETURN_IF_ERROR(journal->Prepare());
  // Only after the database exists: an empty database would delete a log that it finds.
  if (problem.empty()) problem = Allocate(path + "-wal", room.log_bytes);
  journal->room_problem_ = std::move(problem);
  return journal;
}

Status SqliteJournal::Prepare() {
  // Exclusive mode first, so that the index of the log is in memory instead of a file.
  RETURN_IF_ERROR(connection_->Execute(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
      "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 1000; "
      // Payloads have the secrets of nodes: what is deleted is overwritten.
      "PRAGMA secure_delete = ON;"));
  connection_->KeepLog();
  Transaction transaction(*connection_);
  RETURN_IF_ERROR(transaction.Begin());
  int64_t version = 0;
  {
    sqlite::SqliteQuery query = connection_->Query("PRAGMA user_version");
    ASSIGN_OR_RETURN(bool found, query.Next());
    if (found) RETURN_IF_ERROR(query.Read(version));
  }
  if (version > kVersion) {
    return Fail(FailedPrecondition(
        "JOURNAL_TOO_NEW",
        fmt::format("{} was written by a newer agent (version {} of the journal, "
                    "this one knows {}): run that one",
                    connection_->path(), version, kVersion)));
  }
  RETURN_IF_ERROR(Migrate(version));
  return transaction.Commit();
}

Status SqliteJournal::Migrate(int64_t version) {
  if (version == 0) RETURN_IF_ERROR(connection_->Execute(kSchema));
  if (version <= 1) RETURN_IF_ERROR(connection_->Execute(kFromVersion1));
  return {};
}

Result<JournalState> SqliteJournal::Load() {
  std::lock_guard lock(mutex_);
  JournalState state;
  sqlite::SqliteQuery commands = connection_->Query(
      "SELECT id, node_id, seq, attempt, kind, payload, stage, failure, undo_incomplete, result, "
      "config_id, run_state, retry_after_seconds, message FROM commands");
  while (true) {
    ASSIGN_OR_RETURN(bool found, commands.Next());
    if (!found) break;
    JournalCommand command;
    RETURN_IF_ERROR(commands.Read(command.id, command.node_id, command.seq, command.attempt,
                                  command.kind, command.payload, command.stage, command.failure,
                                  command.undo_incomplete, command.outcome.result,
                                  command.outcome.config_id, command.outcome.run_state,
                                  command.outcome.retry_after_seconds, command.outcome.message));
    state.commands[command.id] = std::move(command);
  }
  sqlite::SqliteQuery nodes = connection_->Query(
      "SELECT node_id, payload, should_run, failed, mending, restarts, last_end FROM nodes");
  while (true) {
    ASSIGN_OR_RETURN(bool found, nodes.Next());
    if (!found) break;
    JournalNode node;
    std::optional<std::string> end;
    RETURN_IF_ERROR(nodes.Read(node.node_id, node.payload, node.should_run, node.failed,
                               node.mending, node.restarts));
    if (!nodes.NextIsNull()) node.last_end = EndFromBytes(nodes.TakeBlob());
    state.nodes[node.node_id] = std::move(node);
  }
  RETURN_IF_ERROR(LoadIncidents(state));
  RETURN_IF_ERROR(LoadNumber("next_sequence", state.next_sequence));
  RETURN_IF_ERROR(LoadNumber("next_incident", state.next_incident));
  return state;
}

Status SqliteJournal::LoadNumber(std::string_view name, int64_t& number) {
  sqlite::SqliteQuery query =
      connection_->Query("SELECT CAST(value AS INTEGER) FROM facts WHERE name = ?");
  query.Bind(name);
  ASSIGN_OR_RETURN(bool found, query.Next());
  return found ? query.Read(number) : Status();
}

Status SqliteJournal::LoadIncidents(JournalState& state) {
  sqlite::SqliteQuery query = connection_->Query(
      "SELECT number, kind, node_id, at, count, message, container_end FROM incidents");
  while (true) {
    ASSIGN_OR_RETURN(bool found, query.Next());
    if (!found) return {};
    JournalIncident one;
    RETURN_IF_ERROR(query.Read(one.number, one.kind, one.node_id, one.at, one.count, one.message));
    if (!query.NextIsNull()) one.end = EndFromBytes(query.TakeBlob());
    state.incidents[one.number] = std::move(one);
  }
}

Status SqliteJournal::Save(const JournalChange& change) {
  std::lock_guard lock(mutex_);
  Transaction transaction(*connection_);
  RETURN_IF_ERROR(transaction.Begin());
  RETURN_IF_ERROR(Write(change));
  return transaction.Commit();
}

Status SqliteJournal::Write(const JournalChange& change) {
  for (const JournalCommand& command : change.put_commands) {
    sqlite::SqliteQuery query = connection_->Query(
        "INSERT OR REPLACE INTO commands VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    query.Bind(command.id, command.node_id, command.seq, command.attempt, command.kind,
               command.payload, command.stage, command.failure, command.undo_incomplete,
               command.outcome.result, command.outcome.config_id, command.outcome.run_state,
               command.outcome.retry_after_seconds, command.outcome.message);
    RETURN_IF_ERROR(query.Run());
  }
  for (const CommandId& id : change.erased_commands) {
    sqlite::SqliteQuery query = connection_->Query("DELETE FROM commands WHERE id = ?");
    query.Bind(id);
    RETURN_IF_ERROR(query.Run());
  }
  RETURN_IF_ERROR(WriteNodes(change));
  RETURN_IF_ERROR(WriteIncidents(change));
  auto put_number = [&](std::string_view name, const std::optional<int64_t>& number) -> Status {
    if (!number) return {};
    sqlite::SqliteQuery query = connection_->Query("INSERT OR REPLACE INTO facts VALUES (?, ?)");
    query.Bind(name, std::to_string(*number));
    return query.Run();
  };
  RETURN_IF_ERROR(put_number("next_sequence", change.next_sequence));
  return put_number("next_incident", change.next_incident);
}

Status SqliteJournal::WriteNodes(const JournalChange& change) {
  for (const JournalNode& node : change.put_nodes) {
    sqlite::SqliteQuery query = connection_->Query(
        "INSERT OR REPLACE INTO nodes (node_id, payload, should_run, failed, mending, restarts, "
        "last_end) VALUES (?, ?, ?, ?, ?, ?, ?)");
    const std::optional<std::string> end = ToBlob(node.last_end);
    query.Bind(node.node_id, node.payload, node.should_run, node.failed, node.mending,
               node.restarts, AsBlob(end));
    RETURN_IF_ERROR(query.Run());
  }
  for (const NodeId& id : change.erased_nodes) {
    sqlite::SqliteQuery query = connection_->Query("DELETE FROM nodes WHERE node_id = ?");
    query.Bind(id);
    RETURN_IF_ERROR(query.Run());
  }
  return {};
}

Status SqliteJournal::WriteIncidents(const JournalChange& change) {
  for (int64_t number : change.erased_incidents) {
    sqlite::SqliteQuery query = connection_->Query("DELETE FROM incidents WHERE number = ?");
    query.Bind(number);
    RETURN_IF_ERROR(query.Run());
  }
  for (const JournalIncident& one : change.put_incidents) {
    sqlite::SqliteQuery query =
        connection_->Query("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?)");
    const std::optional<std::string> end = ToBlob(one.end);
    query.Bind(one.number, one.kind, one.node_id, one.at, one.count, one.message, AsBlob(end));
    RETURN_IF_ERROR(query.Run());
  }
  return {};
}

Result<std::string> SqliteJournal::Fact(const std::string& name) {
  std::lock_guard lock(mutex_);
  sqlite::SqliteQuery query = connection_->Query("SELECT value FROM facts WHERE name = ?");
  query.Bind(name);
  std::string value;
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(value));
  return value;
}

Status SqliteJournal::SetFact(const std::string& name, const std::string& value) {
  std::lock_guard lock(mutex_);
  sqlite::SqliteQuery query = connection_->Query("INSERT OR REPLACE INTO facts VALUES (?, ?)");
  query.Bind(name, value);
  return query.Run();
}

}  // namespace tallyman::agent
