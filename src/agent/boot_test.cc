#include "agent/boot.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace tallyman::agent {
namespace {

TEST(Boot, TellsAMachineThatWentDownUnderTheAgent) {
  TempDir dir;
  auto journal = std::move(*SqliteJournal::Open((dir.path() / "journal.db").string()));
  EXPECT_FALSE(BeginRun(*journal, "boot-1").value());
  // Killed, and started again in the same boot.
  EXPECT_FALSE(BeginRun(*journal, "boot-1").value());
  EXPECT_TRUE(BeginRun(*journal, "boot-2").value());
  ASSERT_TRUE(EndRun(*journal).has_value());
  EXPECT_FALSE(BeginRun(*journal, "boot-3").value());
  // Where it is not known, nothing is said.
  EXPECT_FALSE(BeginRun(*journal, "").value());
  EXPECT_FALSE(BeginRun(*journal, "boot-4").value());
}

TEST(Boot, TheMachineNamesItsBoot) {
  EXPECT_EQ(BootId().size(), 36u);
  EXPECT_EQ(BootId(), BootId());
}

}  // namespace
}  // namespace tallyman::agent
