#include "http/seats.h"

#include <gtest/gtest.h>

#include <vector>

namespace tallyman::http {
namespace {

TEST(Seats, AreGivenBack) {
  const auto seats = std::make_shared<Seats>(2, 2);
  auto one = Seats::Take(seats, "192.0.2.1");
  {
    auto two = Seats::Take(seats, "192.0.2.2");
    ASSERT_TRUE(one && two);
    EXPECT_EQ(seats->taken(), 2u);
    EXPECT_EQ(Seats::Take(seats, "192.0.2.3").error(), PeerFault::kTooManyConnections);
  }
  EXPECT_EQ(seats->taken(), 1u);
  one->Leave();
  one->Leave();
  EXPECT_EQ(seats->taken(), 0u) << "once";
  EXPECT_TRUE(Seats::Take(seats, "192.0.2.3"));
}

TEST(Seats, OfOneAddressAreFewForStrangers) {
  const auto seats = std::make_shared<Seats>(100, 2);
  auto one = Seats::Take(seats, "2001:db8::1");
  auto two = Seats::Take(seats, "2001:db8::2");
  ASSERT_TRUE(one && two);
  EXPECT_EQ(Seats::Take(seats, "2001:db8::3").error(), PeerFault::kTooManyStrangers);
  EXPECT_TRUE(Seats::Take(seats, "192.0.2.1")) << "of another";
  one->Recognized();
  one->Recognized();
  auto three = Seats::Take(seats, "2001:db8::3");
  EXPECT_TRUE(three);
  EXPECT_FALSE(Seats::Take(seats, "2001:db8::3"));
  two->Leave();
  two->Recognized();
  EXPECT_TRUE(Seats::Take(seats, "2001:db8::3"));
  EXPECT_EQ(seats->taken(), 2u);
}

}  // namespace
}  // namespace tallyman::http
