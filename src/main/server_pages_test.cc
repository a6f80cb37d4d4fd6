#include "main/server_pages.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/support/temp_dir.h"

namespace tallyman::app {
namespace {

class Pages : public testing::Test {
 protected:
  static std::unique_ptr<store::sqlite::SqliteStore> Open(const std::string& path) {
    auto store =
        store::sqlite::SqliteStore::Open(path, {.create_if_missing = true, .for_migration = true});
    EXPECT_TRUE(store && (*store)->Migrate());
    return std::move(store).value();
  }
  std::string Ready() { return pages.at("/readyz").make().body; }

  TempDir dir;
  std::unique_ptr<store::sqlite::SqliteStore> store = Open(dir.path() / "fleet.db");
  ManualClock clock{Time(std::chrono::seconds(1'700'000'000))};
  SeededRandom random{7};
  MemoryLog log;
  Metrics metrics;
  control::Control control{*store, clock, random, log, metrics};
  http::ServerMetrics server_metrics{metrics, {}};
  std::atomic<bool> draining{false};
  std::map<std::string, http::SitePage, std::less<>> pages =
      ServerPages({control, *store, server_metrics, draining, log, "1"});
};

TEST_F(Pages, AServerThatMayNotWriteIsNotReadyAndSaysWhy) {
  EXPECT_EQ(Ready(), "ready\n");
  control.RefuseWrites(Error(Code::kUnavailable, "CLOCK_SKEW", "it is 401 days ahead"));
  EXPECT_EQ(Ready(), "CLOCK_SKEW: this server writes nothing; see its log\n");
  EXPECT_EQ(pages.at("/readyz").make().status, 503);
  control.RefuseWrites(std::nullopt);
  EXPECT_EQ(Ready(), "ready\n");
}

}  // namespace
}  // namespace tallyman::app
