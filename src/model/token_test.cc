#include "model/token.h"

#include <gtest/gtest.h>

#include <string>

namespace tallyman {
namespace {

const std::string kId = "0192f0a5c6b07d3ea1b2c3d4e5f60718";
const std::string kSecret = std::string(60, '0') + "abcd";
const std::string kText = "tallyman_" + kId + "_" + kSecret;

TEST(TokenText, IsReadAsItIsWritten) {
  auto token = ParseTokenText(kText);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->id.ToString(), "0192f0a5-c6b0-7d3e-a1b2-c3d4e5f60718");
  EXPECT_EQ(token->secret, kSecret);
  EXPECT_EQ(FormatTokenText(*token), kText);
}

TEST(TokenText, IsNothingElse) {
  for (const std::string& text :
       {std::string(), std::string("tallyman_"), kText + "0", kText.substr(1),
        kText.substr(0, kText.size() - 1), "Tallyman_" + kText.substr(9),
        "tallyman_" + kId + "-" + kSecret, "tallyman_" + kId + "_" + std::string(60, '0') + "ABCD",
        "tallyman_" + std::string(31, '0') + "g_" + kSecret, kText.substr(0, 105) + '\0',
        "tallyman_" + kId.substr(0, 31) + "__" + kSecret, " " + kText.substr(1)}) {
    EXPECT_FALSE(ParseTokenText(text)) << text;
  }
}

TEST(TokenText, IsNotReadWithABitOfItChangedIntoWhatItIsNot) {
  for (size_t i = 0; i < kText.size(); ++i) {
    std::string text = kText;
    text[i] = static_cast<char>(text[i] ^ 0x80);
    EXPECT_FALSE(ParseTokenText(text)) << i;
  }
}

}  // namespace
}  // namespace tallyman
