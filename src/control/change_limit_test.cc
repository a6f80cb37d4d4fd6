#include "control/change_limit.h"

#include <gtest/gtest.h>

#include "base/retry_later.h"
#include "base/time.h"

namespace tallyman::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int64_t kPerSecond = 2;
constexpr int64_t kSaved = kPerSecond * ChangeLimit::kSavedUp.count();

template <class IdType>
IdType IdOf(uint8_t number) {
  IdType id;
  id.uuid.bytes[15] = number;
  return id;
}

Actor TokenOf(uint8_t number, std::optional<uint8_t> org = {}, Role role = Role::kOperator) {
  Actor actor{.id = "ci-" + std::to_string(number), .role = role};
  actor.token_id = IdOf<TokenId>(number);
  if (org) actor.org_id = IdOf<OrgId>(*org);
  return actor;
}

struct ChangesOfATokenTest : ::testing::Test {
  // Calls that are taken at once.
  int64_t Taken(const Actor& actor, int64_t calls) {
    int64_t taken = 0;
    for (int64_t i = 0; i < calls; ++i) taken += limit.Take(actor) ? 1 : 0;
    return taken;
  }
  ManualClock clock{FromMicros(1'800'000'000'000'000)};
  MemoryLog log;
  Metrics metrics;
  ChangeLimit limit{clock, log, metrics, kPerSecond, 5};
};

TEST_F(ChangesOfATokenTest, AreTakenAsFarAsTheyAreSavedUpAndThenAtTheRate) {
  EXPECT_EQ(Taken(TokenOf(1), 2 * kSaved), kSaved);
  const Status refused = limit.Take(TokenOf(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "TOO_MANY_CHANGES");
  EXPECT_EQ(refused.error().Fact("limit"), "token");
  EXPECT_NE(refused.error().message.find("token ci-1 "), std::string::npos);
  ASSERT_TRUE(RetryAfterOf(refused.error()));
  // Who comes when it was told is taken.
  clock.Advance(*RetryAfterOf(refused.error()) - milliseconds(1));
  EXPECT_EQ(Taken(TokenOf(1), 2), 0);
  clock.Advance(milliseconds(1));
  EXPECT_EQ(Taken(TokenOf(1), 2), 1);
  clock.Advance(seconds(7));
  EXPECT_EQ(Taken(TokenOf(1), 2 * kSaved), 7 * kPerSecond);
  // A loop keeps nobody else from changing something.
  EXPECT_EQ(Taken(TokenOf(2), 1), 1);
  clock.Advance(ChangeLimit::kSavedUp * 2);
  EXPECT_EQ(Taken(TokenOf(1), 2 * kSaved), kSaved) << "no more than that is saved up";
}

TEST_F(ChangesOfATokenTest, OfOneLargeCallMakeTheNextOneWait) {
  ASSERT_TRUE(limit.Take(TokenOf(1)));
  limit.Charge(TokenOf(1), kSaved + 5 * kPerSecond - 1);
  const Status refused = limit.Take(TokenOf(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(RetryAfterOf(refused.error()), milliseconds(5'500));
}

TEST_F(ChangesOfATokenTest, AreThoseOfItsOrgAsWell) {
  int64_t taken = 0;
  for (uint8_t token = 1; token <= 5; ++token) taken += Taken(TokenOf(token, 9), kSaved);
  EXPECT_EQ(taken, ChangeLimit::kOrgFactor * kSaved);
  const Status refused = limit.Take(TokenOf(5, 9));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().Fact("limit"), "org");
  EXPECT_EQ(refused.error().Fact("changes_per_second"), "8");
  EXPECT_EQ(Taken(TokenOf(6, 8), 1), 1) << "another org is not held up";
}

TEST_F(ChangesOfATokenTest, DependOnNoWallClock) {
  EXPECT_EQ(Taken(TokenOf(1), kSaved + 1), kSaved);
  clock.Jump(std::chrono::hours(24));
  EXPECT_EQ(Taken(TokenOf(1), 1), 0);
}

TEST_F(ChangesOfATokenTest, AreNotCountedOfHostsAndInProcess) {
  EXPECT_EQ(Taken(TokenOf(1, {}, Role::kHost), 2 * kSaved), 2 * kSaved);
  EXPECT_EQ(Taken({.id = "root", .role = Role::kAdmin}, 2 * kSaved), 2 * kSaved);
  EXPECT_EQ(Taken(TokenOf(1, {}, Role::kAdmin), 2 * kSaved), kSaved);
  ChangeLimit none(clock, log, metrics, 0);
  for (int64_t i = 0; i < 2 * kSaved; ++i) ASSERT_TRUE(none.Take(TokenOf(1)));
}

// Whoever comes with many tokens is not the one that is forgotten for it.
TEST_F(ChangesOfATokenTest, AreRememberedOfABoundedNumberOfTokens) {
  EXPECT_EQ(Taken(TokenOf(1), 2 * kSaved), kSaved);
  for (uint8_t token = 2; token < 200; ++token) ASSERT_TRUE(limit.Take(TokenOf(token)));
  EXPECT_EQ(Taken(TokenOf(1), 1), 0);
  int64_t remembered = 0;
  for (uint8_t token = 2; token < 200; ++token)
    remembered += Taken(TokenOf(token), kSaved) < kSaved ? 1 : 0;
  EXPECT_LE(remembered, 5);
}

TEST_F(ChangesOfATokenTest, AreLoggedOnceAMinuteWhenTheyAreRefusedAndCounted) {
  EXPECT_EQ(Taken(TokenOf(1), kSaved + 100), kSaved);
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_EQ(log.lines()[0].event, "changes_refused");
  clock.Advance(seconds(60));
  EXPECT_EQ(Taken(TokenOf(1), 60 * kPerSecond + 1), 60 * kPerSecond);
  ASSERT_EQ(log.lines().size(), 2U);
  EXPECT_EQ(log.lines()[1].fields[0].second, "100") << "none is lost";
  EXPECT_EQ(metrics.changes_refused, 101);
}

}  // namespace
}  // namespace tallyman::control
