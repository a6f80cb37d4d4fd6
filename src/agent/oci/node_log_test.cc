#include "agent/oci/node_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "agent/monitor/ring.h"
#include "tests/support/temp_dir.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kSegment = 64 << 10;

class NodeLogTest : public testing::Test {
 protected:
  void SetUp() override { ring_.Open(dir_.path().string(), kSegment); }
  void Write(int from, int to) {
    for (int i = from; i < to; ++i) ring_.Append(i, i % 2 == 1, "line " + std::to_string(i));
    ring_.Flush();
  }
  LogPart Read(LogPosition from, size_t lines_max = 1'000'000) {
    auto part = ReadNodeLog(dir_.path(), from, lines_max);
    EXPECT_TRUE(part.has_value());
    return part ? *part : LogPart();
  }
  LogPosition Tail(int64_t lines) { return FindNodeLogTail(dir_.path(), lines).value(); }

  TempDir dir_;
  monitor::RingWriter ring_;
};

TEST_F(NodeLogTest, GoesOnWhereItWasLeft) {
  Write(0, 5);
  const LogPart first = Read({}, 3);
  ASSERT_EQ(first.lines.size(), 3u);
  EXPECT_EQ(first.lines[1].text, "line 1");
  EXPECT_TRUE(first.lines[1].is_error);
  EXPECT_EQ(first.lines[2].at, Time(std::chrono::microseconds(2)));
  const LogPart second = Read(first.next);
  ASSERT_EQ(second.lines.size(), 2u);
  EXPECT_EQ(second.lines[0].text, "line 3");
  EXPECT_TRUE(Read(second.next).lines.empty());
  EXPECT_EQ(Read(second.next).next, second.next);
  Write(5, 6);
  EXPECT_EQ(Read(second.next).lines.front().text, "line 5");
}

TEST_F(NodeLogTest, WhatIsNotKeptAnyMoreIsAGap) {
  Write(0, 5);
  const LogPosition early = Read({}, 2).next;
  Write(5, 20'000);
  EXPECT_FALSE(Read({}).gap);  // the beginning of what is kept
  const LogPart late = Read(early);
  EXPECT_TRUE(late.gap);
  EXPECT_EQ(late.lines.back().text, "line 19999");
  EXPECT_EQ(late.lines.front(), Read({}).lines.front());
  EXPECT_TRUE(Read({INT64_MAX}).gap);
}

TEST_F(NodeLogTest, TheTailBeginsWhereAsked) {
  EXPECT_EQ(Tail(10), LogPosition());
  Write(0, 20'000);
  for (int64_t lines : {0, 1, 100, 2000, 2500}) {
    const LogPart part = Read(Tail(lines));
    ASSERT_EQ(part.lines.size(), static_cast<size_t>(lines));
    EXPECT_FALSE(part.gap);
    if (lines > 0) {
      EXPECT_EQ(part.lines.front().text, "line " + std::to_string(20'000 - lines));
    }
  }
  EXPECT_EQ(Read(Tail(1'000'000)).lines, Read({}).lines);
}

TEST_F(NodeLogTest, APlaceThatNobodyGaveOutDoesNoHarm) {
  Write(0, 100);
  EXPECT_TRUE(Read({7}).gap);
  EXPECT_FALSE(Read({-5}).gap);
}

TEST_F(NodeLogTest, TextIsAlwaysUtf8) {
  ring_.Append(1, false, "ok \xff\xfe");
  ring_.Flush();
  EXPECT_EQ(Read({}).lines.front().text, "ok \xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(NodeLogTest, WithoutARingThereAreNoLines) {
  auto part = ReadNodeLog(dir_.path() / "none", {}, 10);
  ASSERT_TRUE(part.has_value());
  EXPECT_TRUE(part->lines.empty());
  EXPECT_EQ(FindNodeLogTail(dir_.path() / "none", 10).value(), LogPosition());
}

TEST_F(NodeLogTest, IsReadWhileTheRingGoesRound) {
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    for (int i = 0; i < 60; ++i) Write(i * 1000, (i + 1) * 1000);
    done = true;
  });
  LogPosition at;
  int64_t last = -1;
  bool ended = false;
  while (!ended) {
    ended = done;
    const auto part = ReadNodeLog(dir_.path(), at, 1'000'000);
    if (!part) {
      // An answer, where the writer has the processors; nobody writes any more when it has ended.
      ASSERT_EQ(part.error().reason, "LOG_BUSY");
      ASSERT_FALSE(ended);
      continue;
    }
    // Lines are missing only where that is told, or before the first one read.
    bool may_miss = part->gap || at == LogPosition();
    for (const NodeLogLine& line : part->lines) {
      const int64_t number = line.at.time_since_epoch().count();
      ASSERT_EQ(line.text, "line " + std::to_string(number));
      if (may_miss) {
        ASSERT_GT(number, last);
      } else {
        ASSERT_EQ(number, last + 1);
      }
      may_miss = false;
      last = number;
    }
    at = part->next;
  }
  writer.join();
  EXPECT_EQ(last, 59'999);
}

}  // namespace
}  // namespace tallyman::agent::oci
