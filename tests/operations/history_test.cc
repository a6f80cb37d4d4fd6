// How long what ended commands leave behind is kept, and how it is exported before.
#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "control/lots/prune_records.h"
#include "control/lots/prune_requests.h"
#include "tallyman/v1/command.pb.h"
#include "tests/operations/api_room.h"
#include "tests/support/api_calls.h"
#include "tests/support/control_fixture.h"

namespace tallyman {
namespace {

using namespace std::chrono_literals;

using control::RecordPruner;
using control::RecordRetention;

class History : public testing::Test {
 protected:
  // Each of the room's four nodes is upgraded so often; each upgrade supersedes the one before.
  void UpgradeOften(int times) {
    for (int i = 0; i < times; ++i) {
      api.Must("NodeService/UpgradeNodes",
               fmt::format(R"(nodes: "n-1" nodes: "n-2" nodes: "n-3" nodes: "n-4"
                              image: "chain/full@{}")",
                           upgrades_++ % 2 == 0 ? "1.1.0" : "1.0.0"));
    }
  }
  RecordPruner PrunerOf(RecordRetention retention) {
    return {api.room.control->store(), api.room.clock, retention};
  }
  int64_t RunFor(RecordPruner& pruner, int days) {
    int64_t commands = 0;
    for (int hour = 0; hour < days * 24; ++hour) {
      api.room.clock.Advance(1h);
      const auto report = pruner.Run();
      EXPECT_TRUE(report.has_value());
      if (report) commands += report->commands;
    }
    return commands;
  }
  v1::ListCommandsResponse List(const std::string& text) {
    auto answer = api.Must("CommandService/ListCommands", text);
    return static_cast<v1::ListCommandsResponse&>(*answer);
  }
  int CountKept() {
    const auto all = List("page_size: 1000 with_payloads: true");
    return static_cast<int>(std::ranges::count_if(all.commands(), [](const v1::Command& command) {
      EXPECT_EQ(command.payload().empty(), command.payload_forgotten());
      return !command.payload_forgotten();
    }));
  }

  ApiRoom api;

 private:
  int upgrades_ = 0;
};

TEST_F(History, IsKeptForEverUnlessADayIsNamed) {
  UpgradeOften(5);
  const int before = CountKept();
  api.room.clock.Advance(std::chrono::days(5000));
  RecordPruner for_ever = PrunerOf({});
  EXPECT_EQ(RunFor(for_ever, 10), 0);
  EXPECT_EQ(CountKept(), before);
  UpgradeOften(2);
  RecordPruner bounded = PrunerOf({.history = 24h * 30});
  // Of each node four upgrades. Its create waits for a host, and what was superseded just now is
  // young.
  EXPECT_EQ(RunFor(bounded, 29), 16);
  EXPECT_EQ(CountKept(), before + 8 - 16);
  EXPECT_TRUE(api.IsBalanced());
  UpgradeOften(1);
  EXPECT_TRUE(api.IsBalanced());
}

TEST_F(History, GoesNoFasterThanAShareOfItWhateverTheClockSays) {
  UpgradeOften(50);
  const int before = CountKept();
  RecordPruner pruner = PrunerOf({.history = 24h});
  ASSERT_TRUE(pruner.Run());
  api.room.clock.Advance(std::chrono::days(1000));
  const auto at_once = pruner.Run();
  ASSERT_TRUE(at_once);
  EXPECT_GT(at_once->commands, 0);
  EXPECT_LE(at_once->commands, before / 20);
  EXPECT_EQ(CountKept(), before - at_once->commands);
}

TEST_F(History, IsExportedInPagesOfBoundedBytes) {
  for (int i = 0; i < 300; ++i) {
    api.Must("NodeService/UpdateNode",
             fmt::format(R"(node: "n-1" set_values {{ key: "archive" value: "{}" }})",
                         std::string(16'000, static_cast<char>('a' + i % 26))));
  }
  const int all = List("page_size: 1000").commands_size();
  ASSERT_GT(all, 300);
  std::set<std::string> seen;
  std::string token;
  int pages = 0;
  do {
    const auto page =
        List(fmt::format(R"(page_size: 1000 with_payloads: true page_token: "{}")", token));
    EXPECT_LT(page.ByteSizeLong(), size_t{6} << 20);
    for (const v1::Command& command : page.commands()) {
      EXPECT_TRUE(seen.insert(command.id()).second);
      EXPECT_NE(command.payload(), "");
    }
    token = page.next_page_token();
    ++pages;
  } while (!token.empty() && pages < all);
  EXPECT_EQ(std::ssize(seen), all);
  EXPECT_GT(pages, 1);
}

std::unique_ptr<sqlite::SqliteConnection> Open(const ControlRoom& room) {
  auto opened = sqlite::SqliteConnection::Open(room.path(), {});
  if (!opened) throw std::runtime_error(opened.error().message);
  return *std::move(opened);
}

// What a database file keeps for ever of a change, apart from what else is kept for a time.
TEST(HistorySize, AChangeLeavesAFewHundredBytesWhateverItsValues) {
  constexpr int kChanges = 300;
  ApiCalls<ControlRoom> room({}, {.synchronous = store::sqlite::SqliteSynchronous::kOff});
  room.AddFleet(1);
  room.AddImage("1.0.0", Needs(1, 1, 1), {{.key = "motd"}});
  ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
  const auto bytes_used = [&] {
    const auto shell = Open(room);
    int64_t bytes = 0;
    sqlite::SqliteQuery query = shell->QueryOnce(
        "SELECT (page_count - freelist_count) * page_size "
        "FROM pragma_page_count, pragma_freelist_count, pragma_page_size");
    EXPECT_TRUE(query.Next().value_or(false));
    EXPECT_TRUE(query.Read(bytes));
    return bytes;
  };
  const int64_t at_first = bytes_used();
  for (int i = 0; i < kChanges; ++i)
    ASSERT_OK(room.Set("n", "motd", std::string(4096, static_cast<char>('a' + i % 26))));
  const int64_t with_all = bytes_used();
  RecordPruner records(*room.store, room.clock, {.events = 24h, .history = 24h});
  control::RequestPruner requests(*room.store, room.clock, {.trail = 24h * 7});
  room.clock.Advance(24h * 30);
  for (int hour = 0; hour < 24 * 60; ++hour) {
    room.clock.Advance(1h);
    ASSERT_OK(records.Run());
    ASSERT_OK(requests.Run());
  }
  const auto of_each = [&] { return (bytes_used() - at_first) / kChanges; };
  const int64_t in_place = of_each();
  ASSERT_OK(Open(room)->Execute("VACUUM"));
  const int64_t packed = of_each();
  RecordProperty("bytes_in_place", std::to_string(in_place));
  RecordProperty("bytes_packed", std::to_string(packed));
  EXPECT_GT((with_all - at_first) / kChanges, 8192);
  EXPECT_LT(in_place, 2000);
  EXPECT_LT(packed, 1000);
  EXPECT_GT(packed, 100) << "the ledger stays";
}

}  // namespace
}  // namespace tallyman
