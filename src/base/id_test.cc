#include "base/id.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/time.h"

namespace tallyman {
namespace {

TEST(Uuid, ReadsWhatItWritesAndNothingElse) {
  Uuid uuid = Uuid::V7(FromMicros(1732542956123456), 1, 2);
  std::string text = uuid.ToString();
  EXPECT_EQ(text.size(), 36u);
  EXPECT_EQ(text[14], '7') << "version";
  EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << "variant";
  EXPECT_EQ(Uuid::Parse(text), uuid);
  for (const std::string& bad : {std::string(), text.substr(1), text + "0", std::string(36, 'g')}) {
    EXPECT_EQ(Uuid::Parse(bad), std::nullopt) << bad;
  }
}

TEST(Uuid, SortsByTheTimeItWasMade) {
  SeededRandom random(1);
  Uuid last;
  for (int64_t micros = 1'000'000; micros < 1'100'000; micros += 7) {
    Uuid next = Uuid::V7(FromMicros(micros), random.Next(), random.Next());
    EXPECT_LT(last, next);
    last = next;
  }
}

}  // namespace
}  // namespace tallyman
