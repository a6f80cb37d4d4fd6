#include "rpc/gzip.h"

#include <gtest/gtest.h>

namespace tallyman::rpc {
namespace {

TEST(Gzip, GoesThereAndBack) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i * 7919) + " ";
  for (const std::string& bytes :
       {std::string(), std::string("a"), text, std::string(5'000'000, 'x')})
    EXPECT_EQ(Gunzip(Gzip(bytes), bytes.size()).value(), bytes);
  EXPECT_LT(Gzip(text).size(), text.size() / 2);
}

TEST(Gunzip, RefusesWhatIsCutDamagedOrFollowedByMore) {
  const std::string packed = Gzip("some text that was packed, some text that was packed");
  for (size_t length = 0; length < packed.size(); ++length) {
    auto cut = Gunzip(packed.substr(0, length), 1000);
    ASSERT_FALSE(cut.has_value()) << length;
    EXPECT_EQ(cut.error().reason, "MALFORMED_GZIP");
  }
  std::string damaged = packed;
  damaged[damaged.size() - 6] ^= 1;  // of the checksum
  EXPECT_EQ(Gunzip(damaged, 1000).error().reason, "MALFORMED_GZIP");
  EXPECT_EQ(Gunzip(packed + "x", 1000).error().reason, "MALFORMED_GZIP");
  EXPECT_EQ(Gunzip("this is no gzip at all", 1000).error().reason, "MALFORMED_GZIP");
}

TEST(Gunzip, StopsAtTheBound) {
  const std::string bomb = Gzip(std::string(50'000'000, '\0'));
  ASSERT_LT(bomb.size(), 500'000u);
  auto unpacked = Gunzip(bomb, 1'000'000);
  ASSERT_FALSE(unpacked.has_value());
  EXPECT_EQ(unpacked.error().reason, "MESSAGE_TOO_LARGE");
  EXPECT_TRUE(Gunzip(bomb, 50'000'000).has_value());
}

}  // namespace
}  // namespace tallyman::rpc
