// Fail the Nth write to the files of the database, for N = 1, 2, 3, ... until none fails; once, and
// as a disk that stays full. After each: the books balance, and the request happened whole or not
// at all.
#include <sqlite3.h>

#include "faults/fault_vfs.h"
#include "support/control_fixture.h"

namespace tallyman {
namespace {

struct Fault {
  int code;
  bool lasting;
};

class WriteFaults : public testing::TestWithParam<Fault> {};

TEST_P(WriteFaults, AnUpgradeHappensWholeOrNotAtAll) {
  store::sqlite::SqliteStoreOptions options;
  options.vfs = FaultVfs::Register();
  options.wal_autocheckpoint_pages = 20;  // so that checkpoints are hit as well
  ControlRoom room({}, options);
  room.AddFleet(2);
  room.AddImage("1.0.0", {2, 4 * kGiga, 100 * kGiga});
  room.AddImage("2.0.0", {4, 8 * kGiga, 200 * kGiga});
  ASSERT_TRUE(room.AddNodes("1.0.0", "n", 4).has_value());
  std::string target = "chain/full@2.0.0", other = "chain/full@1.0.0";
  std::string spare = target, spare_other = other;
  int64_t refused = 0;
  for (int64_t nth = 1, failed = 1; failed != 0; ++nth) {
    ASSERT_LT(nth, 1000) << "the fault never stops happening";
    // A checkpoint that failed leaves its work to the next one: let that one succeed.
    ASSERT_TRUE(room.Upgrade({"n-4"}, spare).has_value());
    std::swap(spare, spare_other);
    FaultVfs::Arm(GetParam().code, nth, GetParam().lasting);
    auto changes = room.Upgrade({"n-1", "n-2", "n-3"}, target);
    failed = FaultVfs::Disarm() ? 1 : 0;
    auto audit = room.Audit();
    ASSERT_TRUE(audit.has_value()) << audit.error().message;
    ASSERT_TRUE(audit->balanced()) << "write " << nth;
    auto again = room.Upgrade({"n-1", "n-2", "n-3"}, target, {.dry_run = true});
    EXPECT_EQ(changes.has_value(), !again.has_value()) << "write " << nth;
    if (changes.has_value()) {
      std::swap(target, other);
    } else {
      ++refused;
      EXPECT_EQ(changes.error().code, Code::kUnavailable) << changes.error().message;
    }
  }
  EXPECT_GT(refused, 2) << "an upgrade writes more than two pages, each write was to fail";
  auto broken = room.store->CheckIntegrity();
  ASSERT_TRUE(broken.has_value()) << broken.error().message;
  EXPECT_TRUE(broken->empty()) << broken->front();
}

INSTANTIATE_TEST_SUITE_P(Codes, WriteFaults,
                         testing::Values(Fault{SQLITE_FULL, false}, Fault{SQLITE_FULL, true},
                                         Fault{SQLITE_IOERR_WRITE, false},
                                         Fault{SQLITE_IOERR_WRITE, true}),
                         [](const auto& param) {
                           std::string name =
                               param.param.code == SQLITE_FULL ? "Full" : "InputOutputError";
                           return name + (param.param.lasting ? "Lasting" : "Once");
                         });

}  // namespace
}  // namespace tallyman
