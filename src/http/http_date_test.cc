#include "http/http_date.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace tallyman::http {
namespace {

TEST(HttpDate, IsOfTheFormThatTheStandardAsksFor) {
  // The standard's own example.
  EXPECT_EQ(HttpDate(*ParseTime("1994-11-06T08:49:37Z")), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(HttpDate(*ParseTime("2024-02-29T23:59:59.999999Z")), "Thu, 29 Feb 2024 23:59:59 GMT");
  EXPECT_EQ(HttpDate(Time()), "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace
}  // namespace tallyman::http
