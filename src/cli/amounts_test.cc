#include "cli/amounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tallyman::cli {
namespace {

using testing::HasSubstr;

TEST(ParseCount, TakesWholeNumbersUpToTheLargest) {
  EXPECT_EQ(*ParseCount("n", "0"), 0);
  EXPECT_EQ(*ParseCount("n", "007"), 7);
  EXPECT_EQ(*ParseCount("n", "9223372036854775807"), INT64_MAX);
}

TEST(ParseCount, SaysWhatIsWrongAndNamesFieldAndValue) {
  const std::pair<const char*, const char*> cases[] = {{"", "missing"},
                                                       {"-1", "negative"},
                                                       {"1.5", "fraction"},
                                                       {"2,5", "fraction"},
                                                       {"abc", "whole number"},
                                                       {"1e3", "whole number"},
                                                       {" 1", "whole number"},
                                                       {"+1", "whole number"},
                                                       {"0x10", "whole number"},
                                                       {"--1", "whole number"},
                                                       {"9223372036854775808", "largest"}};
  for (const auto& [text, why] : cases) {
    const auto count = ParseCount("--cpu", text);
    ASSERT_FALSE(count) << text;
    EXPECT_EQ(count.error().reason, "INVALID_NUMBER");
    EXPECT_EQ(count.error().Fact("field"), "--cpu");
    EXPECT_EQ(count.error().Fact("value"), text);
    EXPECT_THAT(count.error().message, HasSubstr("--cpu is \"" + std::string(text) + "\"")) << text;
    EXPECT_THAT(count.error().message, HasSubstr(why)) << text;
  }
}

TEST(ParseAmount, TakesBytesAndUnitsOfBothKinds) {
  EXPECT_EQ(*ParseAmount("m", "1500000"), 1'500'000);
  EXPECT_EQ(*ParseAmount("m", "0"), 0);
  EXPECT_EQ(*ParseAmount("m", "1B"), 1);
  EXPECT_EQ(*ParseAmount("m", "32GB"), 32'000'000'000);
  EXPECT_EQ(*ParseAmount("m", "32 gb"), 32'000'000'000);
  EXPECT_EQ(*ParseAmount("m", "256GiB"), int64_t{256} << 30);
  EXPECT_EQ(*ParseAmount("m", "3kB"), 3000);
  EXPECT_EQ(*ParseAmount("m", "3KiB"), 3072);
  EXPECT_EQ(*ParseAmount("m", "8TB"), 8'000'000'000'000);
  EXPECT_EQ(*ParseAmount("m", "2TiB"), int64_t{2} << 40);
  EXPECT_EQ(*ParseAmount("m", "1PiB"), int64_t{1} << 50);
  EXPECT_EQ(*ParseAmount("m", "9223372036854775807"), INT64_MAX);
}

TEST(ParseAmount, SaysWhatIsWrongAndNamesFieldAndValue) {
  const std::pair<const char*, const char*> cases[] = {{"", "missing"},
                                                       {"GB", "such as 32GB"},
                                                       {"-1GB", "negative"},
                                                       {"1.5TB", "fraction"},
                                                       {"32G", "GiB"},
                                                       {"32 bananas", "GiB"},
                                                       {"9223372036854775808", "largest"},
                                                       {"9223372036854775807kB", "largest"},
                                                       {"10000PB", "largest"},
                                                       {"16", "write 16GB or 16GiB, or 16B"},
                                                       {"999999", "without a unit"},
                                                       {"1 2GB", "whole number"},
                                                       {"12 ", "whole number"}};
  for (const auto& [text, why] : cases) {
    const auto amount = ParseAmount("--memory", text);
    ASSERT_FALSE(amount) << text;
    EXPECT_EQ(amount.error().code, Code::kInvalidArgument);
    EXPECT_EQ(amount.error().reason, "INVALID_AMOUNT");
    EXPECT_THAT(amount.error().message, HasSubstr("--memory is \"" + std::string(text) + "\""))
        << text;
    EXPECT_THAT(amount.error().message, HasSubstr(why)) << text;
  }
}

TEST(ScaleAmount, RefusesWhatIsBeyondTheLargest) {
  EXPECT_EQ(*ScaleAmount("disk_gb", 3, 1'000'000'000), 3'000'000'000);
  EXPECT_FALSE(ScaleAmount("disk_gb", INT64_MAX, 2));
}

TEST(ParseKeyValue, SplitsAtTheFirstEqualsSign) {
  EXPECT_EQ(*ParseKeyValue("--set", "a=b=c"), (std::pair<std::string, std::string>("a", "b=c")));
  EXPECT_EQ(*ParseKeyValue("--set", "a="), (std::pair<std::string, std::string>("a", "")));
  EXPECT_FALSE(ParseKeyValue("--set", "a"));
  EXPECT_FALSE(ParseKeyValue("--set", "=b"));
}

}  // namespace
}  // namespace tallyman::cli
