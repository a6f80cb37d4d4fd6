#include "planner/quota.h"

#include <gtest/gtest.h>

namespace tallyman::planner {
namespace {

// An org that takes 3 nodes, 6 cores, 60 and 600 bytes.
LimitedOrg Acme(Quota quota) {
  LimitedOrg org;
  org.org.name = "acme";
  org.org.quota = quota;
  org.taken = {3, {6, 60, 600}};
  return org;
}

TEST(CheckQuota, TakesWhatFitsExactlyAndNotOneMore) {
  const Quota full = {.node_count = 4, .cpu_cores = 8, .memory_bytes = 80, .disk_bytes = 800};
  EXPECT_TRUE(CheckQuota(Acme(full), {4, {8, 80, 800}}).has_value());
  const std::pair<Books, std::string> beyond[] = {{{5, {8, 80, 800}}, "node_count"},
                                                  {{4, {9, 80, 800}}, "cpu_cores"},
                                                  {{4, {8, 81, 800}}, "memory_bytes"},
                                                  {{4, {8, 80, 801}}, "disk_bytes"}};
  for (const auto& [after, dimension] : beyond) {
    const Status refused = CheckQuota(Acme(full), after);
    ASSERT_FALSE(refused.has_value()) << dimension;
    EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
    EXPECT_EQ(refused.error().reason, "QUOTA_EXCEEDED");
    EXPECT_EQ(refused.error().Fact("dimension"), dimension);
  }
}

TEST(CheckQuota, SaysWhatIsAllowedWhatIsTakenAndWhatIsAskedFor) {
  const Status refused = CheckQuota(Acme({.cpu_cores = 7}), {4, {8, 80, 800}});
  ASSERT_FALSE(refused.has_value());
  const Error& error = refused.error();
  EXPECT_EQ(error.Fact("org"), "acme");
  EXPECT_EQ(error.Fact("quota"), "7");
  EXPECT_EQ(error.Fact("used"), "6");
  EXPECT_EQ(error.Fact("asked"), "2");
  EXPECT_EQ(error.message,
            "the quota of org acme for cpu_cores is 7: its nodes take 6, and this asks for 2 more; "
            "delete nodes, ask for less, or have an admin of all orgs raise the quota (`tallyman "
            "org set-quota acme`)");
}

TEST(CheckQuota, BeyondTheQuotaEverythingMayStayAndShrinkButNotGrow) {
  const Quota lowered = {.node_count = 1, .cpu_cores = 1, .memory_bytes = 1, .disk_bytes = 1};
  EXPECT_TRUE(CheckQuota(Acme(lowered), {3, {6, 60, 600}}).has_value());
  EXPECT_TRUE(CheckQuota(Acme(lowered), {2, {5, 50, 500}}).has_value());
  EXPECT_FALSE(CheckQuota(Acme(lowered), {3, {6, 60, 601}}).has_value());
  EXPECT_FALSE(CheckQuota(Acme(lowered), {3, {7, 50, 500}}).has_value())
      << "less of one does not pay for more of another";
}

TEST(CheckQuota, WhatHasNoLimitIsNotLimited) {
  EXPECT_TRUE(CheckQuota(Acme({.node_count = 4}), {4, {1000, 1000, 1000}}).has_value());
  EXPECT_FALSE(CheckQuota(Acme({.disk_bytes = 0}), {3, {6, 60, 601}}).has_value())
      << "nothing at all is a limit";
}

}  // namespace
}  // namespace tallyman::planner
