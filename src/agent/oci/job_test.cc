#include "agent/oci/job.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "agent/oci/process.h"
#include "tests/support/wait.h"

namespace tallyman::agent::oci {
namespace {

Job<int> Twice(int value, bool& open) {
  co_await Await([&open] { return open; });
  co_return 2 * value;
}

Job<int> SumOfBoth(bool& first, bool& second) {
  CO_ASSIGN_OR_RETURN(int one, co_await Twice(1, first));
  CO_ASSIGN_OR_RETURN(int two, co_await Twice(2, second));
  co_return one + two;
}

TEST(JobTest, GoesOnFromPollToPoll) {
  bool first = false;
  bool second = false;
  Job<int> job = SumOfBoth(first, second);
  EXPECT_FALSE(job.Poll());
  first = true;
  EXPECT_FALSE(job.Poll());
  second = true;
  auto result = job.Poll();
  ASSERT_TRUE(result);
  EXPECT_EQ(**result, 6);
}

Job<void> FailsWithin() { co_return Fail(NotFound("FILE_MISSING", "it is not there")); }

Job<std::string> GivesErrorsOn() {
  CO_RETURN_IF_ERROR(co_await FailsWithin());
  co_return "never";
}

TEST(JobTest, AnErrorLeavesAllOfThem) {
  Job<std::string> job = GivesErrorsOn();
  auto result = job.Poll();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->error().reason, "FILE_MISSING");
}

TEST(JobTest, WaitsForAToolBetweenTwoPolls) {
  std::vector<std::string> words = {"cat", "/proc/self/comm"};
  Job<std::string> job = RunToolJob(words);
  std::optional<Result<std::string>> result;
  ASSERT_TRUE(WaitUntil([&] {
    result = job.Poll();
    return result.has_value();
  }));
  EXPECT_EQ(**result, "cat\n");
}

TEST(JobTest, DestroyingItEndsTheTool) {
  pid_t pid = 0;
  {
    auto endless = [](pid_t& started) -> Job<void> {
      std::vector<std::string> words = {"tail", "-f", "/dev/null"};
      CO_ASSIGN_OR_RETURN(Process process, Process::Start(words));
      started = process.pid();
      co_await Await([] { return false; });
      co_return Status();
    };
    Job<void> job = endless(pid);
    EXPECT_FALSE(job.Poll());
    ASSERT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(JobTest, APauseEndsByItself) {
  auto pausing = []() -> Job<int> {
    co_await Pause(std::chrono::milliseconds(5));
    co_return 1;
  };
  Job<int> job = pausing();
  EXPECT_TRUE(WaitUntil([&] { return job.Poll().has_value(); }));
}

}  // namespace
}  // namespace tallyman::agent::oci
