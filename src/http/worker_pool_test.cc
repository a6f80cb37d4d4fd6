#include "http/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>
#include <thread>

namespace tallyman::http {
namespace {

TEST(WorkerPool, DoesAllThatWasSubmittedBeforeItEnds) {
  std::atomic<int> done{0};
  {
    WorkerPool pool(3);
    for (int i = 0; i < 1000; ++i) pool.Submit([&done] { ++done; });
  }
  EXPECT_EQ(done, 1000);
}

TEST(WorkerPool, SaysWhatRunsAndWhatWaits) {
  WorkerPool pool(2);
  std::latch running(2);
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  for (int i = 0; i < 5; ++i) {
    pool.Submit([&running, i, gone] {
      if (i < 2) running.count_down();
      gone.wait();
    });
  }
  running.wait();
  EXPECT_EQ(pool.Load(), (std::pair<size_t, size_t>{2, 3}));
  go.set_value();
}

TEST(WorkerPool, WorksWithNoMoreThreadsThanAreOfUse) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  {
    WorkerPool pool(4, 2, std::chrono::hours(1));
    for (int i = 0; i < 1000; ++i) {
      pool.Submit([&] {
        const int running = ++now;
        int seen = most;
        while (seen < running && !most.compare_exchange_weak(seen, running)) {
        }
        std::this_thread::yield();
        --now;
      });
    }
    pool.WaitIdle();
  }
  EXPECT_LE(most, 2);
}

TEST(WorkerPool, LetsNothingWaitForLongJobs) {
  WorkerPool pool(3, 1);
  std::latch all_threads(3);
  for (int i = 0; i < 3; ++i) pool.Submit([&all_threads] { all_threads.arrive_and_wait(); });
  pool.WaitIdle();
  std::promise<void> last_ran;
  std::shared_future<void> last = last_ran.get_future().share();
  std::atomic<int> came_after{0};
  const auto wait_for_last = [last, &came_after] {
    came_after += last.wait_for(std::chrono::minutes(1)) == std::future_status::ready;
  };
  std::latch begun(1);
  pool.Submit([&] {
    begun.count_down();
    wait_for_last();
  });
  begun.wait();
  pool.Submit(wait_for_last);
  pool.Submit([&last_ran] { last_ran.set_value(); });
  pool.WaitIdle();
  EXPECT_EQ(came_after, 2);
}

TEST(WorkerPool, GoesOnAfterAJobThatThrew) {
  MemoryLog log;
  WorkerPool pool(1, 1, std::chrono::milliseconds(10), &log);
  std::atomic<int> done{0};
  pool.Submit([] { throw std::runtime_error("of the job"); });
  pool.Submit([&done] { ++done; });
  pool.WaitIdle();
  EXPECT_EQ(done, 1);
  ASSERT_EQ(log.lines().size(), 1u);
  EXPECT_EQ(log.lines()[0].event, "unexpected_exception");
}

}  // namespace
}  // namespace tallyman::http
