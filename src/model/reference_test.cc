#include "model/reference.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

TEST(ImageReference, ReadsWhatItWrites) {
  auto plain = ParseImageReference("ethereum/reth-mainnet-full@0.0.9");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(*plain, (ImageReference{"ethereum", "reth-mainnet-full", "0.0.9", std::nullopt}));
  auto build = ParseImageReference("ethereum/reth-mainnet-full@0.0.9-rc.1+2");
  ASSERT_TRUE(build.has_value());
  EXPECT_EQ(build->build, 2);
  EXPECT_EQ(ToText(*build), "ethereum/reth-mainnet-full@0.0.9-rc.1+2");
}

TEST(ImageReference, RefusesAnythingElseAndSaysWhatIsWanted) {
  for (const char* bad :
       {"", "ethereum", "ethereum/reth", "ethereum/reth@", "ethereum@1.0.0/reth", "/reth@1.0.0",
        "ethereum/@1.0.0", "ethereum/reth@1.0", "ethereum/reth@1.0.0+", "ethereum/reth@1.0.0+0",
        "ethereum/reth@1.0.0+99999999999999999999", "ethereum/re\xff@1.0.0"}) {
    auto reference = ParseImageReference(bad);
    ASSERT_FALSE(reference.has_value()) << bad;
    EXPECT_EQ(reference.error().reason, "INVALID_IMAGE_REFERENCE");
    EXPECT_NE(reference.error().message.find("PROTOCOL/VARIANT@VERSION"), std::string::npos);
  }
}

}  // namespace
}  // namespace tallyman
