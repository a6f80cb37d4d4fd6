// A commit that was acknowledged survives a power cut: it is on the disk before the answer. A
// killed process cannot show that (the system still writes what it has), so the syncs are counted.
#include "faults/fault_vfs.h"
#include "support/control_fixture.h"

namespace tallyman {
namespace {

TEST(Durability, EveryCommitIsSyncedBeforeItIsAnswered) {
  store::sqlite::SqliteStoreOptions options;
  options.vfs = FaultVfs::Register();
  ControlRoom room({}, options);
  room.AddFleet(1);
  room.AddImage("1.0.0", {2, 4 * kGiga, 100 * kGiga});
  room.AddImage("2.0.0", {4, 8 * kGiga, 200 * kGiga});
  ASSERT_TRUE(room.AddNodes("1.0.0", "n", 1).has_value());
  for (const char* version : {"2.0.0", "1.0.0", "2.0.0"}) {
    int64_t before = FaultVfs::Syncs();
    ASSERT_TRUE(room.Upgrade({"n-1"}, std::string("chain/full@") + version).has_value());
    EXPECT_GT(FaultVfs::Syncs(), before);
  }
}

}  // namespace
}  // namespace tallyman
