#include "agent/sqlite_journal.h"

#include <fmt/format.h>

namespace tallyman {
namespace {

constexpr int64_t kVersion = 1;

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

// Leaves the transaction when it is not committed.
class Transaction {
 public:
  explicit Transaction(SqliteConnection& connection) : connection_(connection) {}
  ~Transaction() {
    if (connection_.in_transaction()) connection_.Rollback();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Status Begin() { return connection_.Execute("BEGIN IMMEDIATE"); }
  Status Commit() { return connection_.Execute("COMMIT"); }

 private:
  SqliteConnection& connection_;
};

}  // namespace

Result<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(const std::string& path,
                                                           StatementHook hook) {
  ASSIGN_OR_RETURN(
      auto connection,
      SqliteConnection::Open(path, {.create = true, .vfs = {}, .hook = std::move(hook)}));
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(std::move(connection)));
  RETURN_IF_ERROR(journal->Prepare());
  return journal;
}

Status SqliteJournal::Prepare() {
  RETURN_IF_ERROR(connection_->Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"));
  Transaction transaction(*connection_);
  RETURN_IF_ERROR(transaction.Begin());
  int64_t version = 0;
  {
    SqliteQuery query = connection_->Query("PRAGMA user_version");
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
  if (version == 0) RETURN_IF_ERROR(connection_->Execute(kSchema));
  return transaction.Commit();
}

Result<JournalState> SqliteJournal::Load() {
  std::lock_guard lock(mutex_);
  JournalState state;
  SqliteQuery commands = connection_->Query(
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
  SqliteQuery nodes = connection_->Query("SELECT node_id, payload, should_run, failed FROM nodes");
  while (true) {
    ASSIGN_OR_RETURN(bool found, nodes.Next());
    if (!found) break;
    JournalNode node;
    RETURN_IF_ERROR(nodes.Read(node.node_id, node.payload, node.should_run, node.failed));
    state.nodes[node.node_id] = std::move(node);
  }
  SqliteQuery sequence =
      connection_->Query("SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'next_sequence'");
  ASSIGN_OR_RETURN(bool found, sequence.Next());
  if (found) RETURN_IF_ERROR(sequence.Read(state.next_sequence));
  return state;
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
    SqliteQuery query = connection_->Query(
        "INSERT OR REPLACE INTO commands VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    query.Bind(command.id, command.node_id, command.seq, command.attempt, command.kind,
               command.payload, command.stage, command.failure, command.undo_incomplete,
               command.outcome.result, command.outcome.config_id, command.outcome.run_state,
               command.outcome.retry_after_seconds, command.outcome.message);
    RETURN_IF_ERROR(query.Run());
  }
  for (const CommandId& id : change.erased_commands) {
    SqliteQuery query = connection_->Query("DELETE FROM commands WHERE id = ?");
    query.Bind(id);
    RETURN_IF_ERROR(query.Run());
  }
  for (const JournalNode& node : change.put_nodes) {
    SqliteQuery query = connection_->Query("INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?)");
    query.Bind(node.node_id, node.payload, node.should_run, node.failed);
    RETURN_IF_ERROR(query.Run());
  }
  for (const NodeId& id : change.erased_nodes) {
    SqliteQuery query = connection_->Query("DELETE FROM nodes WHERE node_id = ?");
    query.Bind(id);
    RETURN_IF_ERROR(query.Run());
  }
  if (change.next_sequence) {
    SqliteQuery query =
        connection_->Query("INSERT OR REPLACE INTO facts VALUES ('next_sequence', ?)");
    query.Bind(std::to_string(*change.next_sequence));
    RETURN_IF_ERROR(query.Run());
  }
  return {};
}

Result<std::string> SqliteJournal::Fact(const std::string& name) {
  std::lock_guard lock(mutex_);
  SqliteQuery query = connection_->Query("SELECT value FROM facts WHERE name = ?");
  query.Bind(name);
  std::string value;
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(value));
  return value;
}

Status SqliteJournal::SetFact(const std::string& name, const std::string& value) {
  std::lock_guard lock(mutex_);
  SqliteQuery query = connection_->Query("INSERT OR REPLACE INTO facts VALUES (?, ?)");
  query.Bind(name, value);
  return query.Run();
}

}  // namespace tallyman
