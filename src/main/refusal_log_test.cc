#include "main/refusal_log.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace tallyman::app {
namespace {

using namespace tallyman::http;

TEST(RefusalLog, WritesALineForEachReasonAndSecond) {
  ManualClock clock{FromMicros(1'800'000'000'000'000)};
  MemoryLog log;
  RefusalLog refusals(log, clock);
  for (int i = 0; i < 100; ++i) refusals.PeerRefused(PeerFault::kTooSlow, "192.0.2.1");
  refusals.PeerRefused(PeerFault::kMalformedHttp, "192.0.2.2");
  ASSERT_EQ(log.lines().size(), 2u);
  EXPECT_EQ(log.lines()[0].fields[0].second, "TOO_SLOW");
  EXPECT_EQ(log.lines()[1].fields[0].second, "MALFORMED_HTTP");
  clock.Advance(std::chrono::seconds(1));
  refusals.PeerRefused(PeerFault::kTooSlow, "192.0.2.3");
  ASSERT_EQ(log.lines().size(), 3u);
  EXPECT_EQ(log.lines()[2].fields[1].second, "100") << "none is lost";
  EXPECT_EQ(log.lines()[2].fields[2].second, "192.0.2.3");
}

}  // namespace
}  // namespace tallyman::app
