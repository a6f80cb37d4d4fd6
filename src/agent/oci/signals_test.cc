#include "agent/oci/signals.h"

#include <gtest/gtest.h>

#include <csignal>

namespace tallyman::agent::oci {
namespace {

TEST(ParseSignal, KnowsNamesNumbersAndRealTimeSignals) {
  EXPECT_EQ(ParseSignal("TERM"), SIGTERM);
  EXPECT_EQ(ParseSignal("SIGQUIT"), SIGQUIT);
  EXPECT_EQ(ParseSignal("sigint"), SIGINT);
  EXPECT_EQ(ParseSignal("15"), SIGTERM);
  EXPECT_EQ(ParseSignal("SIGRTMIN"), SIGRTMIN);
  EXPECT_EQ(ParseSignal("SIGRTMIN+3"), SIGRTMIN + 3);
  EXPECT_EQ(ParseSignal("RTMAX-2"), SIGRTMAX - 2);
  EXPECT_EQ(ParseSignal("37"), 37);
}

TEST(ParseSignal, KnowsWhatIsNone) {
  for (const char* text : {"", "SIG", "NONSENSE", "0", "-9", "65", "999999999999999999999",
                           "RTMIN+40", "RTMIN-1", "RTMAX+1", "RTMIN+", "TERM ", "SIGRTMIN+x"})
    EXPECT_EQ(ParseSignal(text), std::nullopt) << text;
}

}  // namespace
}  // namespace tallyman::agent::oci
