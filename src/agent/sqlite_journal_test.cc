#include "agent/sqlite_journal.h"

#include <gtest/gtest.h>

#include "base/id_source.h"
#include "base/system.h"
#include "tests/support/temp_dir.h"

namespace tallyman::agent {
namespace {

using namespace tallyman::sqlite;

class SqliteJournalTest : public testing::Test {
 protected:
  std::unique_ptr<SqliteJournal> Open(StatementHook hook = {}) {
    auto opened = SqliteJournal::Open(path(), std::move(hook));
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }
  std::string path() const { return (dir_.path() / "journal.db").string(); }
  JournalCommand Command() {
    return {.id = ids_.New<CommandId>(),
            .node_id = ids_.New<NodeId>(),
            .seq = 7,
            .attempt = 3,
            .kind = CommandKind::kUpgrade,
            .payload = "{\"a\":\"\u00fc\"}",
            .stage = Stage::kUndoAwait,
            .failure = "it failed",
            .undo_incomplete = true,
            .outcome = {.result = CommandResult::kRollback,
                        .config_id = ids_.New<ConfigId>(),
                        .run_state = RunState::kStopped,
                        .retry_after_seconds = 60,
                        .message = "because"}};
  }

  TempDir dir_;
  SystemClock clock_;
  SeededRandom random_{SystemSeed()};
  IdSource ids_{clock_, random_};
};

TEST_F(SqliteJournalTest, GivesBackWhatItWasGiven) {
  JournalCommand command = Command();
  JournalNode node{
      .node_id = command.node_id, .payload = "{}", .should_run = false, .failed = true};
  auto journal = Open();
  ASSERT_TRUE(journal->Save({.put_commands = {command}, .put_nodes = {node}, .next_sequence = 41})
                  .has_value());
  journal.reset();
  journal = Open();
  auto state = journal->Load();
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->commands.at(command.id), command);
  EXPECT_EQ(state->nodes.at(node.node_id), node);
  EXPECT_EQ(state->next_sequence, 41);

  JournalChange away;
  away.erased_commands = {command.id};
  away.erased_nodes = {node.node_id};
  ASSERT_TRUE(journal->Save(away).has_value());
  journal.reset();
  state = Open()->Load();
  EXPECT_TRUE(state->commands.empty());
  EXPECT_TRUE(state->nodes.empty());
}

TEST_F(SqliteJournalTest, WritesAChangeAsAWholeOrNotAtAll) {
  for (int fail_at = 1;; ++fail_at) {
    int statements = 0;
    bool armed = false;
    auto journal =
        Open([&](std::string_view) { return armed && ++statements == fail_at ? 10 : 0; });
    auto before = journal->Load();
    JournalChange change;
    change.put_commands = {Command(), Command()};
    change.next_sequence = before->next_sequence + 1;
    armed = true;
    bool saved = journal->Save(change).has_value();
    armed = false;
    auto after = journal->Load();
    EXPECT_EQ(after->commands.size(), before->commands.size() + (saved ? 2 : 0)) << fail_at;
    EXPECT_EQ(after->next_sequence, before->next_sequence + (saved ? 1 : 0)) << fail_at;
    if (saved) break;
  }
}

// As the last release made it.
constexpr std::string_view kVersion1 = R"(
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
INSERT INTO facts VALUES ('next_sequence', '77'), ('host_id', 'h');
INSERT INTO commands VALUES (x'00000000000000000000000000000001',
  x'00000000000000000000000000000002', 5, 2, 'node_upgrade', '{}', 'undo_await', 'it failed', 1,
  'ok', NULL, 'none', 0, '');
INSERT INTO nodes VALUES (x'00000000000000000000000000000002', '{"a":1}', 0, 1);
PRAGMA user_version = 1;
)";

TEST_F(SqliteJournalTest, ReadsAndKeepsTheJournalOfTheLastRelease) {
  {
    auto connection = SqliteConnection::Open(path(), {.create = true});
    ASSERT_TRUE((*connection)->Execute("PRAGMA journal_mode = WAL").has_value());
    ASSERT_TRUE((*connection)->Execute(kVersion1).has_value());
  }
  for (int round = 0; round < 2; ++round) {
    auto journal = Open();
    auto state = journal->Load();
    ASSERT_TRUE(state.has_value()) << state.error().message;
    ASSERT_EQ(state->commands.size(), 1u);
    const JournalCommand& command = state->commands.begin()->second;
    EXPECT_EQ(command.stage, Stage::kUndoAwait);
    EXPECT_EQ(command.failure, "it failed");
    EXPECT_TRUE(command.undo_incomplete);
    ASSERT_EQ(state->nodes.size(), 1u);
    const JournalNode& node = state->nodes.begin()->second;
    EXPECT_EQ(node.payload, "{\"a\":1}");
    EXPECT_FALSE(node.should_run);
    EXPECT_TRUE(node.failed);
    EXPECT_EQ(node.mending, Mending::kNothing);
    EXPECT_EQ(node.restarts, 0);
    EXPECT_EQ(state->next_sequence, 77);
    EXPECT_EQ(state->next_incident, 1);
    EXPECT_TRUE(state->incidents.empty());
    EXPECT_EQ(journal->Fact("host_id").value(), "h");
  }
}

TEST_F(SqliteJournalTest, KeepsIncidentsAndHowNodesEnded) {
  const ReportedEnd end{.exit_code = 139,
                        .signal = 11,
                        .out_of_memory = true,
                        .at = clock_.Now(),
                        .output = "last words\n"};
  const JournalNode node{.node_id = ids_.New<NodeId>(),
                         .payload = "{}",
                         .mending = Mending::kPutBack,
                         .restarts = 12,
                         .last_end = end};
  const JournalIncident crash{.number = 7,
                              .kind = ReportedIncident::kNodeOutOfMemory,
                              .node_id = node.node_id,
                              .at = clock_.Now(),
                              .count = 3,
                              .message = "it ended",
                              .end = end};
  const JournalIncident problem{.number = 8, .at = clock_.Now(), .message = "full"};
  JournalChange change;
  change.put_nodes = {node};
  change.put_incidents = {crash, problem};
  change.next_incident = 9;
  ASSERT_TRUE(Open()->Save(change).has_value());
  auto state = Open()->Load();
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->nodes.at(node.node_id), node);
  EXPECT_EQ(state->incidents.at(7), crash);
  EXPECT_EQ(state->incidents.at(8), problem);
  EXPECT_EQ(state->next_incident, 9);
  JournalChange processed;
  processed.erased_incidents = {7};
  ASSERT_TRUE(Open()->Save(processed).has_value());
  EXPECT_EQ(Open()->Load()->incidents.size(), 1u);
}

TEST_F(SqliteJournalTest, RefusesAJournalOfANewerAgent) {
  Open();
  auto connection = SqliteConnection::Open(path(), {});
  ASSERT_TRUE((*connection)->Execute("PRAGMA user_version = 3").has_value());
  connection->reset();
  auto opened = SqliteJournal::Open(path());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().reason, "JOURNAL_TOO_NEW");
}

TEST_F(SqliteJournalTest, KeepsFacts) {
  auto journal = Open();
  EXPECT_EQ(journal->Fact("host_id").value(), "");
  ASSERT_TRUE(journal->SetFact("host_id", "h").has_value());
  journal.reset();
  EXPECT_EQ(Open()->Fact("host_id").value(), "h");
}

}  // namespace
}  // namespace tallyman::agent
