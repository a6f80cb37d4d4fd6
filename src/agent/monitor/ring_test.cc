#include "agent/monitor/ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/support/temp_dir.h"

namespace tallyman::agent::monitor {
namespace {

constexpr size_t kSegment = 64 << 10;

struct Segment {
  RingHeader header;
  std::vector<std::string> lines;
};

Segment Read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  const std::string bytes = text.str();
  Segment segment;
  std::memcpy(&segment.header, bytes.data(), sizeof(segment.header));
  const std::string_view records =
      std::string_view(bytes).substr(sizeof(RingHeader), segment.header.used);
  RingRecord record;
  for (size_t at = 0; ReadRingRecord(records, at, record); at += record.bytes)
    segment.lines.emplace_back(record.text);
  return segment;
}

class RingTest : public testing::Test {
 protected:
  std::filesystem::path file(int i) const { return dir_.path() / kRingSegments[i]; }
  TempDir dir_;
};

TEST_F(RingTest, NeverGrowsAndKeepsTheNewest) {
  {
    RingWriter ring;
    ring.Open(dir_.path().string(), kSegment);
    for (int i = 0; i < 50'000; ++i) ring.Append(i, false, "line " + std::to_string(i));
    ring.Flush();
  }
  for (int i = 0; i < 2; ++i) {
    struct stat info{};
    ASSERT_EQ(::stat(file(i).c_str(), &info), 0);
    EXPECT_EQ(info.st_size, static_cast<off_t>(kSegment));
    EXPECT_LE(info.st_blocks * 512, static_cast<off_t>(kSegment + 8192));
  }
  Segment older = Read(file(0));
  Segment newer = Read(file(1));
  if (older.header.start > newer.header.start) std::swap(older, newer);
  EXPECT_EQ(older.header.start + older.header.used, newer.header.start);
  EXPECT_EQ(newer.lines.back(), "line 49999");
}

TEST_F(RingTest, GoesOnWhereItEnded) {
  for (int i = 0; i < 3; ++i) {
    RingWriter ring;
    ring.Open(dir_.path().string(), kSegment);
    ring.Append(i, i == 1, "run " + std::to_string(i));
    ring.Flush();
  }
  EXPECT_EQ(Read(file(0)).lines, (std::vector<std::string>{"run 0", "run 1", "run 2"}));
}

TEST_F(RingTest, WhatAPowerCutMadeGarbageIsOverwritten) {
  {
    RingWriter ring;
    ring.Open(dir_.path().string(), kSegment);
    ring.Append(1, false, "whole");
    ring.Append(2, false, "lost in the cut");
    ring.Flush();
  }
  // The header was written, the end of the records was not.
  const auto cut = static_cast<std::streamoff>(sizeof(RingHeader) + 5 + kRingRecordOverhead + 10);
  std::fstream(file(0), std::ios::in | std::ios::out | std::ios::binary).seekp(cut)
      << std::string(100, '\0');
  RingWriter ring;
  ring.Open(dir_.path().string(), kSegment);
  ring.Append(3, false, "after");
  ring.Flush();
  EXPECT_EQ(Read(file(0)).lines, (std::vector<std::string>{"whole", "after"}));
}

TEST_F(RingTest, AnotherSizeDropsTheLinesAndKeepsThePlace) {
  {
    RingWriter ring;
    ring.Open(dir_.path().string(), kSegment);
    ring.Append(1, false, "old");
    ring.Flush();
  }
  RingWriter ring;
  ring.Open(dir_.path().string(), 2 * kSegment);
  ring.Append(2, false, "new");
  ring.Flush();
  const Segment segment = Read(file(0));
  EXPECT_EQ(segment.lines, std::vector<std::string>{"new"});
  EXPECT_EQ(segment.header.start, 3 + kRingRecordOverhead);
  EXPECT_EQ(std::filesystem::file_size(file(0)), 2 * kSegment);
}

TEST_F(RingTest, LongLinesAreCutAndEmptyOnesAreLines) {
  RingWriter ring;
  ring.Open(dir_.path().string(), 4 * kSegment);
  ring.Append(1, false, std::string(kRingLineBytesMax + 1, 'x'));
  ring.Append(1, false, "");
  ring.Flush();
  const auto lines = Read(file(0)).lines;
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].size(), kRingLineBytesMax);
  EXPECT_EQ(lines[1], "x");
  EXPECT_EQ(lines[2], "");
}

TEST_F(RingTest, WithoutAPlaceToWriteLinesAreLost) {
  RingWriter ring;
  ring.Open((dir_.path() / "none").string(), kSegment);
  for (int i = 0; i < 10'000; ++i) ring.Append(i, false, "lost");
  ring.Flush();
}

TEST_F(RingTest, RecordsAreReadBackwards) {
  std::string bytes;
  AppendRingRecord(bytes, 1, false, "first");
  const size_t first = bytes.size();
  AppendRingRecord(bytes, 2, true, "second");
  EXPECT_EQ(RingRecordBefore(bytes, bytes.size()), bytes.size() - first);
  EXPECT_EQ(RingRecordBefore(bytes, first), first);
  EXPECT_EQ(RingRecordBefore(bytes, 0), 0u);
}

}  // namespace
}  // namespace tallyman::agent::monitor
