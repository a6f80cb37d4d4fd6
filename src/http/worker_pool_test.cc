#include "http/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>

namespace tallyman {
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

}  // namespace
}  // namespace tallyman
