// Cursors are not given in the order of commits; whoever follows them must miss nothing.
#include "tests/postgres/postgres_test.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

class EventsTest : public PostgresTest {
 protected:
  // What a follower reads behind a cursor.
  std::vector<int64_t> After(Store& store, int64_t cursor) {
    std::vector<int64_t> cursors;
    ListQuery query;
    query.conditions = {{"cursor", Comparison::kGreater, cursor}};
    Status status = store.Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto rows, tx.ListEvents(query));
      for (const EventRow& row : rows) cursors.push_back(row.event.cursor);
      return {};
    });
    EXPECT_TRUE(status.has_value()) << status.error().message;
    return cursors;
  }
  static ChangeSet AnEvent() {
    ChangeSet changes;
    changes.events.resize(1);
    changes.events[0].detail = "{}";
    return changes;
  }
  static constexpr char kRawEvent[] =
      "INSERT INTO events (kind, actor_id, request_id, detail, created_at) "
      "VALUES ('org_created', 'raw', 'r', '{}', 0)";
};

TEST_F(EventsTest, AFollowerWaitsForTransactionsThatTookAnEarlierCursor) {
  auto store = Open();
  ASSERT_OK(Apply(*store, AnEvent()));
  const int64_t seen = After(*store, 0).back();
  SqlSession slow(database.dsn());
  slow.Run("BEGIN");
  slow.Run(kRawEvent);
  ASSERT_OK(Apply(*store, AnEvent()));
  // The later cursor is committed, the earlier one is not: nothing may be read yet.
  EXPECT_EQ(After(*store, seen), std::vector<int64_t>());
  slow.Run("COMMIT");
  EXPECT_EQ(After(*store, seen), (std::vector<int64_t>{seen + 1, seen + 2}));
}

TEST_F(EventsTest, WhoAsksForTheNewestToBeginWithIsNotToldALaterOne) {
  auto store = Open();
  ASSERT_OK(Apply(*store, AnEvent()));
  SqlSession slow(database.dsn());
  slow.Run("BEGIN");
  slow.Run(kRawEvent);
  ASSERT_OK(Apply(*store, AnEvent()));
  ListQuery newest;
  newest.descending = true;
  newest.limit = 1;
  ASSERT_OK(store->Read([&](ReadTx& tx) -> Status {
    // Also where something was read before: the snapshot is a new one.
    ASSIGN_OR_RETURN(auto nobody, tx.FindHost("none"));
    EXPECT_FALSE(nobody.has_value());
    ASSIGN_OR_RETURN(auto rows, tx.ListEvents(newest));
    EXPECT_EQ(rows.at(0).event.cursor, 1);
    return {};
  }));
}

TEST_F(EventsTest, ACursorThatWasRolledBackHoldsNobodyUp) {
  auto store = Open();
  SqlSession slow(database.dsn());
  slow.Run("BEGIN");
  slow.Run(kRawEvent);
  slow.Run("ROLLBACK");
  ASSERT_OK(Apply(*store, AnEvent()));
  EXPECT_EQ(After(*store, 0), std::vector<int64_t>{2});
}

TEST_F(EventsTest, TransactionsThatWriteNoEventsHoldNobodyUp) {
  auto store = Open();
  SqlSession slow(database.dsn());
  slow.Run("BEGIN; INSERT INTO orgs VALUES (gen_random_uuid(), 'slow', 0)");
  ASSERT_OK(Apply(*store, AnEvent()));
  EXPECT_EQ(After(*store, 0), std::vector<int64_t>{1});
}

TEST_F(EventsTest, AFollowerBesideManyWritersMissesNothing) {
  auto store = Open();
  constexpr int kWriters = 4, kEach = 50;
  std::atomic<int> working = kWriters;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        Status status = Apply(*store, AnEvent());
        EXPECT_TRUE(status.has_value()) << status.error().message;
      }
      --working;
    });
  }
  std::vector<int64_t> followed;
  for (bool last = false; !last;) {
    last = working == 0;
    for (int64_t cursor : After(*store, followed.empty() ? 0 : followed.back())) {
      followed.push_back(cursor);
    }
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(followed.size(), static_cast<size_t>(kWriters * kEach));
}

}  // namespace
}  // namespace tallyman
