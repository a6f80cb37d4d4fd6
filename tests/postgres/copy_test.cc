// A whole database from SQLite to PostgreSQL and back: the same rows, the same books.
#include "store/copy.h"

#include <thread>

#include "tests/contract/backends.h"
#include "tests/postgres/postgres_test.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

class CopyTest : public testing::Test {
 protected:
  // Rows of every table, NULLs, quotes, bytes, large numbers, deleted nodes among them.
  void Fill(StoreBackend& backend) {
    Store& store = backend.store();
    ASSERT_OK(Apply(store, fleet.Catalogue()));
    ASSERT_OK(Apply(store, fleet.CreateHost("rack-1", {64, INT64_MAX, 9'000'000})));
    ASSERT_OK(Apply(store, fleet.CreateHost("rack-2")));
    for (int i = 0; i < 30; ++i) {
      const HostId host = fleet.host_ids.at(i % 2 == 0 ? "rack-1" : "rack-2");
      ChangeSet create = fleet.CreateNode("eth-" + std::to_string(i), host, fleet.small);
      create.requests = {fleet.Request("r-" + std::to_string(i))};
      create.events.front().detail = R"({"said":"it's \"fine\"","tab":"\t"})";
      nodes.push_back(create.new_nodes.front());
      command = create.new_commands.front().id;
      ASSERT_OK(Apply(store, create));
    }
    ASSERT_OK(Apply(store, fleet.Upgrade(nodes[0], fleet.big)));
    ASSERT_OK(Apply(store, fleet.Delete(nodes[1])));
    ChangeSet drain;
    const HostId drained = nodes.back().host_id;
    drain.new_claims = {{drained, "alice", ClaimKind::kDrain, "why", "bob", fleet.Tick()}};
    drain.drain_nodes = {{drained, "alice", nodes.back().id, command}};
    ASSERT_OK(Apply(store, drain));
    ChangeSet token;
    token.new_tokens = {fleet.MakeToken("ci")};
    ASSERT_OK(Apply(store, token));
  }
  static Result<CopyReport> Copy(StoreBackend& from, StoreBackend& to) {
    return CopyEverything(dynamic_cast<CopyableStore&>(from.store()),
                          dynamic_cast<CopyableStore&>(to.store()), {});
  }

  void CopyWhileOthersWrite(const BackendParameter& kind) {
    auto from = kind.make(), to = PostgresBackend().make();
    Fill(*from);
    std::atomic<bool> done = false;
    std::thread writer([&] {
      Node now = nodes[4];
      for (int i = 0; !done; ++i) {
        ChangeSet changes = fleet.Upgrade(now, i % 2 == 0 ? fleet.big : fleet.small);
        changes.new_commands.clear();
        now = changes.node_updates[0].after;
        Status status = Apply(from->store(), changes);
        EXPECT_TRUE(status.has_value()) << status.error().message;
      }
    });
    auto copied = Copy(*from, *to);
    done = true;
    writer.join();
    ASSERT_OK(copied);
    EXPECT_EQ(copied->drifted, 0);
  }

  Fleet fleet;
  std::vector<Node> nodes;
  CommandId command;  // of the last of them
};

TEST_F(CopyTest, FromSqliteToPostgresAndBackEveryRowIsTheSame) {
  auto first = SqliteBackend().make(), second = PostgresBackend().make(),
       third = SqliteBackend().make();
  Fill(*first);
  auto there = Copy(*first, *second);
  ASSERT_OK(there);
  EXPECT_EQ(there->hosts, 2);
  EXPECT_EQ(there->nodes, 29);
  EXPECT_EQ(there->ledger_entries, 32);
  EXPECT_EQ(there->drifted, 0);
  EXPECT_TRUE(second->admin().CheckIntegrity()->empty());
  auto back = Copy(*second, *third);
  ASSERT_OK(back);
  EXPECT_EQ(back->rows, there->rows);
  EXPECT_EQ(back->tables, there->tables);
  EXPECT_EQ(third->Dump(), first->Dump());
}

TEST_F(CopyTest, MoreRowsThanTravelAtOnceArrive) {
  auto from = SqliteBackend().make(), to = PostgresBackend().make(), back = SqliteBackend().make();
  Fill(*from);
  ChangeSet many;
  for (int i = 0; i < 2'500; ++i) many.requests.push_back(fleet.Request(std::to_string(i)));
  ASSERT_OK(Apply(from->store(), many));
  ASSERT_OK(Copy(*from, *to));
  ASSERT_OK(Copy(*to, *back));
  EXPECT_EQ(back->Dump(), from->Dump());
}

// The server's refusal arrives while rows are still being sent.
TEST_F(CopyTest, ARefusedCopyLeavesTheServerToGoOnWith) {
  auto from = SqliteBackend().make(), to = PostgresBackend().make();
  Fill(*from);
  from->Corrupt("UPDATE hosts SET name = name || char(0)");
  const auto copied = Copy(*from, *to);
  ASSERT_FALSE(copied.has_value());
  EXPECT_NE(copied.error().code, Code::kUnavailable) << copied.error().message;
  from->Corrupt("UPDATE hosts SET name = substr(name, 1, 6)");
  ASSERT_OK(Copy(*from, *to));
}

TEST_F(CopyTest, TheCopyIsGoneOnWith) {
  auto from = SqliteBackend().make(), to = PostgresBackend().make();
  Fill(*from);
  ASSERT_OK(Copy(*from, *to));
  // Events go on behind the newest cursor, books from where they were.
  ASSERT_OK(Apply(to->store(), fleet.Upgrade(nodes[2], fleet.big)));
  ASSERT_OK(to->store().Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto events, tx.ListEvents({}));
    EXPECT_EQ(events.size(), 33u);
    EXPECT_EQ(events.back().event.cursor, 33);
    return {};
  }));
}

TEST_F(CopyTest, ADatabaseThatHoldsSomethingIsNotWrittenOver) {
  auto from = SqliteBackend().make();
  Fill(*from);
  for (const BackendParameter& kind : {SqliteBackend(), PostgresBackend()}) {
    auto to = kind.make();
    ChangeSet one;
    one.new_orgs = {{fleet.ids.New<OrgId>(), "theirs", fleet.Tick()}};
    ASSERT_OK(Apply(to->store(), one));
    const std::string before = to->Dump();
    auto copied = Copy(*from, *to);
    ASSERT_FALSE(copied.has_value());
    EXPECT_EQ(copied.error().reason, "DATABASE_NOT_EMPTY");
    EXPECT_EQ(copied.error().code, Code::kFailedPrecondition);
    EXPECT_EQ(to->Dump(), before);
  }
}

TEST_F(CopyTest, WhatFailsHalfWayLeavesNothing) {
  auto from = SqliteBackend().make();
  Fill(*from);
  // A node without its config: the copy's own foreign keys refuse it.
  from->Corrupt("DELETE FROM configs WHERE id = " + from->Literal(nodes[3].config_id.uuid));
  for (const BackendParameter& kind : {SqliteBackend(), PostgresBackend()}) {
    auto to = kind.make();
    const std::string before = to->Dump();
    auto copied = Copy(*from, *to);
    ASSERT_FALSE(copied.has_value());
    EXPECT_EQ(copied.error().reason, "CONSTRAINT_FAILED");
    EXPECT_EQ(to->Dump(), before);
  }
}

TEST_F(CopyTest, WrongBooksArriveAsTheyAreAndAreCounted) {
  auto from = PostgresBackend().make(), to = SqliteBackend().make();
  Fill(*from);
  from->Corrupt("UPDATE hosts SET node_cpu_cores = node_cpu_cores + 5 WHERE name = 'rack-1'");
  auto copied = Copy(*from, *to);
  ASSERT_OK(copied);
  EXPECT_EQ(copied->drifted, 1);
}

TEST_F(CopyTest, OfSqliteIsOneStateWhileOthersWrite) { CopyWhileOthersWrite(SqliteBackend()); }
TEST_F(CopyTest, OfPostgresIsOneStateWhileOthersWrite) { CopyWhileOthersWrite(PostgresBackend()); }

TEST_F(CopyTest, TablesAreSortedByWhatTheyPointTo) {
  const auto sorted = SortByReferences({{"a", {}}, {"b", {}}, {"c", {}}, {"d", {}}},
                                       {{"a", "c"}, {"a", "a"}, {"c", "d"}});
  std::string order;
  for (const CopyTable& table : sorted) order += table.name;
  EXPECT_EQ(order, "bdca");
}

}  // namespace
}  // namespace tallyman
