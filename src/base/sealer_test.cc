#include "base/sealer.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

const std::string kKeyA(2 * kSealKeyBytes, 'a');
const std::string kKeyB(2 * kSealKeyBytes, 'b');

Sealer With(const std::string& keys) {
  auto sealer = Sealer::Parse(keys);
  EXPECT_TRUE(sealer) << sealer.error().message;
  return *sealer;
}

TEST(Sealer, OpensWhatItSealed) {
  const Sealer sealer = With(kKeyA + "\n");
  for (const std::string& text : {std::string("x"), std::string("two lines"),
                                  std::string(16 * 1024, 'z'), std::string("\0\xff", 2)}) {
    const std::string sealed = *sealer.Seal(text, "context");
    // A short one may stand in Base64 by chance.
    EXPECT_TRUE(text.size() < 8 || sealed.find(text) == std::string::npos);
    EXPECT_EQ(*sealer.Open(sealed, "context"), text);
    // A decision that runs again must decide the same.
    EXPECT_EQ(*sealer.Seal(text, "context"), sealed);
  }
}

TEST(Sealer, OpensInItsContextAndUnchangedOnly) {
  const Sealer sealer = With(kKeyA);
  const std::string sealed = *sealer.Seal("hunter2", "org a");
  EXPECT_NE(*sealer.Seal("hunter2", "org b"), sealed);
  EXPECT_EQ(sealer.Open(sealed, "org b").error().reason, "SECRET_DAMAGED");
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string other = sealed;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(sealer.Open(other, "org a")) << i;
    EXPECT_FALSE(sealer.Open(sealed.substr(0, i), "org a")) << i;
  }
}

TEST(Sealer, TheFirstKeySealsAndEachOpens) {
  const std::string old = *With(kKeyA).Seal("hunter2", "c");
  const Sealer both = With(kKeyB + "\n" + kKeyA + "\n");
  EXPECT_EQ(*both.Open(old, "c"), "hunter2");
  const std::string sealed = *both.Seal("hunter2", "c");
  EXPECT_EQ(*With(kKeyB).Open(sealed, "c"), "hunter2");
  const auto missing = With(kKeyA).Open(sealed, "c");
  EXPECT_EQ(missing.error().reason, "SECRET_KEY_MISSING");
  EXPECT_EQ(both.Digests("body").at(0), With(kKeyB).Digests("body").at(0));
  EXPECT_EQ(both.Digests("body").at(1), With(kKeyA).Digests("body").at(0));
  EXPECT_NE(both.Digests("body").at(0), both.Digests("body").at(1));
  EXPECT_NE(both.Digests("body").at(0), both.Digests("bodz").at(0));
}

TEST(Sealer, WithoutAKeyItSealsNothing) {
  EXPECT_EQ(Sealer().Seal("hunter2", "c").error().reason, "NO_SECRET_KEY");
  EXPECT_TRUE(Sealer().Digests("body").empty());
}

TEST(Sealer, RefusesWhatIsNoKeyAndShowsNothingOfIt) {
  for (const std::string& text : {std::string(), std::string("\n"), kKeyA.substr(1), kKeyA + "c",
                                  kKeyA + "\n" + std::string(128, 'x')}) {
    const auto sealer = Sealer::Parse(text);
    ASSERT_FALSE(sealer) << text;
    EXPECT_EQ(sealer.error().reason, "INVALID_SECRET_KEY");
    EXPECT_EQ(sealer.error().message.find("aaa"), std::string::npos);
    EXPECT_EQ(sealer.error().message.find("xxx"), std::string::npos);
  }
}

}  // namespace
}  // namespace tallyman
