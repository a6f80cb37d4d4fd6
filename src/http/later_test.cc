#include "http/later.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/wait.h"

namespace tallyman::http {
namespace {

TEST(Later, HandsAJobToTheWorkersAfterThePause) {
  WorkerPool workers(1);
  constexpr std::chrono::milliseconds kPause(20);
  Later later(workers, kPause);
  const auto begun = std::chrono::steady_clock::now();
  std::atomic<int64_t> waited_ms = -1;
  ASSERT_TRUE(later.Submit([&] {
    waited_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                    std::chrono::steady_clock::now() - begun)
                    .count();
  }));
  ASSERT_TRUE(WaitUntil([&] { return waited_ms >= 0; }));
  EXPECT_GE(waited_ms, kPause.count());
}

TEST(Later, KeepsTheOrder) {
  WorkerPool workers(1);
  Later later(workers, std::chrono::milliseconds(1));
  std::atomic<int> seen = 0;
  for (int i = 0; i < 100; ++i) later.Submit([&, i] { seen = seen == i ? i + 1 : -1000; });
  EXPECT_TRUE(WaitUntil([&] { return seen == 100; }));
}

TEST(Later, StoppedItHandsOverWhatWaitsAndTakesNoMore) {
  WorkerPool workers(1);
  Later later(workers, std::chrono::hours(1));
  std::atomic<int> ran = 0;
  ASSERT_TRUE(later.Submit([&] { ++ran; }));
  later.Stop();
  EXPECT_FALSE(later.Submit([&] { ++ran; }));
  workers.WaitIdle();
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace tallyman::http
