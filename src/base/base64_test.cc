#include "base/base64.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

// The vectors of RFC 4648, section 10.
TEST(Base64, WritesTheVectorsOfTheStandardUnpadded) {
  EXPECT_EQ(ToBase64(""), "");
  EXPECT_EQ(ToBase64("f"), "Zg");
  EXPECT_EQ(ToBase64("fo"), "Zm8");
  EXPECT_EQ(ToBase64("foo"), "Zm9v");
  EXPECT_EQ(ToBase64("foob"), "Zm9vYg");
  EXPECT_EQ(ToBase64("fooba"), "Zm9vYmE");
  EXPECT_EQ(ToBase64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(ToBase64(std::string("\xff\xef\x00", 3)), "/+8A");
}

TEST(Base64, ReadsPaddedAndUnpadded) {
  EXPECT_EQ(FromBase64(""), "");
  EXPECT_EQ(FromBase64("Zg"), "f");
  EXPECT_EQ(FromBase64("Zg=="), "f");
  EXPECT_EQ(FromBase64("Zm8="), "fo");
  EXPECT_EQ(FromBase64("/+8A"), std::string("\xff\xef\x00", 3));
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Z", "Zm9vY", "Zg=", "Zg===", " Zg", "Zg ", "Zg\n", "Z-_A", "=", "Zm=v"})
    EXPECT_EQ(FromBase64(text), std::nullopt) << text;
}

TEST(Base64, GoesThereAndBackForEveryByteAndForMegabytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(FromBase64(ToBase64(bytes)), bytes);
  while (bytes.size() < (size_t{7} << 20)) bytes += bytes;
  EXPECT_EQ(FromBase64(ToBase64(bytes)), bytes);
}

}  // namespace
}  // namespace tallyman
