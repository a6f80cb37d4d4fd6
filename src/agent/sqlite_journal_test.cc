#include "agent/sqlite_journal.h"

#include <gtest/gtest.h>

#include "base/system.h"
#include "tests/support/temp_dir.h"

namespace tallyman {
namespace {

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
  ASSERT_TRUE(journal
                  ->Save({.put_commands = {command},
                          .erased_commands = {},
                          .put_nodes = {node},
                          .erased_nodes = {},
                          .next_sequence = 41})
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

TEST_F(SqliteJournalTest, RefusesAJournalOfANewerAgent) {
  Open();
  auto connection = SqliteConnection::Open(path(), {.vfs = {}, .hook = {}});
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
}  // namespace tallyman
