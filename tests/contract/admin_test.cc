// The database as a whole: schema and integrity.
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

class AdminContract : public StoreContract {};

TEST_P(AdminContract, MigratingAgainChangesNothing) {
  AddHost("rack-1");
  const std::string before = Everything();
  auto first = admin().Schema();
  auto second = admin().Migrate();
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(first->version, second->version);
  EXPECT_EQ(second->version, second->newest_version);
  EXPECT_GE(second->version, 1);
  EXPECT_EQ(Everything(), before);
}

TEST_P(AdminContract, IntegrityIsWholeUntilSomebodyBreaksIt) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  auto faults = admin().CheckIntegrity();
  ASSERT_OK(faults);
  EXPECT_TRUE(faults->empty());
  backend_->Corrupt("UPDATE nodes SET cpu_cores = 77");
  faults = admin().CheckIntegrity();
  ASSERT_OK(faults);
  ASSERT_EQ(faults->size(), 1u);
  EXPECT_NE(faults->at(0).find("nodes"), std::string::npos);
  backend_->Corrupt("UPDATE nodes SET cpu_cores = -1");
  EXPECT_FALSE(admin().CheckIntegrity()->empty());
}

RUN_ON_ALL_BACKENDS(AdminContract);

}  // namespace
}  // namespace tallyman
