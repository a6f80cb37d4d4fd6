#include "main/timer.h"

#include <gtest/gtest.h>

#include <latch>
#include <stdexcept>

namespace tallyman::app {
namespace {

using std::chrono::milliseconds;

TEST(Timer, DoesEachJobAgainAndAgain) {
  MemoryLog log;
  std::latch often(5), also(5);
  const auto count = [](std::latch& latch) {
    return [&latch]() -> Result<bool> {
      if (!latch.try_wait()) latch.count_down();
      return false;
    };
  };
  Timer timer({{"a", milliseconds(1), count(often)}, {"b", milliseconds(2), count(also)}}, log);
  often.wait();
  also.wait();
}

TEST(Timer, GoesOnAtOnceWhereThereIsMoreAndLetsOthersIn) {
  MemoryLog log;
  std::latch done(3), other(1);
  // An hour would never come.
  int calls = 0;
  Timer timer({{"begun", milliseconds(1),
                [&]() -> Result<bool> {
                  if (++calls > 3) return false;
                  done.count_down();
                  return true;
                }},
               {"other", milliseconds(1),
                [&]() -> Result<bool> {
                  if (!other.try_wait()) other.count_down();
                  return false;
                }}},
              log);
  done.wait();
  other.wait();
}

TEST(Timer, SaysWhatFailedAndTriesAgain) {
  MemoryLog log;
  std::latch tried(2);
  {
    Timer timer({{"prune", milliseconds(1),
                  [&]() -> Result<bool> {
                    if (!tried.try_wait()) tried.count_down();
                    return Fail(Internal("DISK_SANG", "the disk sang"));
                  }}},
                log);
    tried.wait();
  }
  ASSERT_GE(log.lines().size(), 2u);
  EXPECT_EQ(log.lines().front().event, "background_failed");
  EXPECT_EQ(log.lines().front().message, "prune: the disk sang");
}

TEST(Timer, GoesOnAfterAJobThatThrows) {
  MemoryLog log;
  std::latch tried(2);
  {
    Timer timer({{"prune", milliseconds(1),
                  [&]() -> Result<bool> {
                    if (!tried.try_wait()) tried.count_down();
                    throw std::runtime_error("the disk sang");
                  }}},
                log);
    tried.wait();
  }
  ASSERT_GE(log.lines().size(), 2u);
  EXPECT_EQ(log.lines().front().message, "prune: the disk sang");
}

TEST(Timer, EndsWithoutWaitingForTheNextTime) {
  MemoryLog log;
  Timer timer({{"never", std::chrono::hours(1), []() -> Result<bool> { return false; }}}, log);
}

}  // namespace
}  // namespace tallyman::app
