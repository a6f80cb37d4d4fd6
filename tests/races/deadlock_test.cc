// A deadlock that somebody else brings about: who loses it is run again, and its caller hears
// nothing of it.
#include <future>

#include "store/postgres/postgres_store.h"
#include "tests/support/foreign_session.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

TEST(Deadlock, F9_TheLoserIsRunAgain) {
  // Whoever waits in a circle for so long is ended; the foreign sessions have more patience.
  const std::vector<std::pair<std::string, std::string>> settings = {{"deadlock_timeout", "50ms"}};
  const PostgresDatabase database(settings);
  auto opened = store::postgres::PostgresStore::Open(database.dsn(), {});
  ASSERT_OK(opened);
  const store::postgres::PostgresStore& store = **opened;
  Server server(*std::move(opened), 1);
  server.AddFleet(3);
  server.AddImage("1.0.0", Needs(2, 4, 100));
  server.AddImage("2.0.0", Needs(4, 8, 200));
  const std::vector<std::string> hosts = database.Sql("SELECT name FROM hosts ORDER BY id");
  for (const std::string& host : hosts) ASSERT_OK(server.Create("on-" + host, host, "1.0.0"));
  auto waiting = [&] {
    return database
        .Sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'")
        .front();
  };

  ForeignSession second(database.dsn()), third(database.dsn());
  for (ForeignSession* session : {&second, &third}) session->Run("SET deadlock_timeout = '1h'");
  second.LockHost(hosts[1]);
  third.LockHost(hosts[2]);
  auto upgrade = std::async(std::launch::async, [&] {
    return server.Upgrade({"on-" + hosts[0], "on-" + hosts[1], "on-" + hosts[2]},
                          "chain/full@2.0.0");
  });
  // The upgrade has the first host and waits for the second.
  ASSERT_TRUE(WaitUntil([&] { return waiting() == "1"; }));
  auto circle = std::async(std::launch::async, [&] { third.LockHost(hosts[0]); });
  ASSERT_TRUE(WaitUntil([&] { return waiting() == "2"; }));
  // Now it gets the second, and wants the third: the circle is closed.
  second.End();
  circle.get();  // the upgrade was ended, and let go of the first
  third.End();
  ASSERT_OK(upgrade.get());
  EXPECT_GE(store.stats().retries, 1);
  EXPECT_EQ(server.Events("kind=upgrade_started").size(), 3u);
  server.ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
