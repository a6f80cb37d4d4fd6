#include "http/network.h"

#include <gtest/gtest.h>

namespace tallyman::http {
namespace {

TEST(Network, IsOneForWhatBelongsToOneParty) {
  EXPECT_EQ(NetworkOf("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(NetworkOf("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(NetworkOf("::ffff:c000:201"), "192.0.2.1");
  EXPECT_NE(NetworkOf("::ffff:192.0.2.1"), NetworkOf("::ffff:192.0.2.2"));
  EXPECT_EQ(NetworkOf("2001:db8:1:2::9"), NetworkOf("2001:0db8:1:2:aaaa::1"));
  EXPECT_NE(NetworkOf("2001:db8:1:2::9"), NetworkOf("2001:db8:1:3::9"));
}

}  // namespace
}  // namespace tallyman::http
