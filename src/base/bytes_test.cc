#include "base/bytes.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

TEST(Hex, GoesThereAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(FromHex(ToHex(all)), all);
  EXPECT_EQ(FromHex(""), "");
  EXPECT_EQ(FromHex("0aFf"), std::string("\x0a\xff"));
}

TEST(Hex, IsNothingElse) {
  for (std::string_view text : {"0", "abc", "0g", "g0", "0x", " 0", "-1", "0/", "0:", "0`", "0@"})
    EXPECT_EQ(FromHex(text), std::nullopt) << text;
}

}  // namespace
}  // namespace tallyman
