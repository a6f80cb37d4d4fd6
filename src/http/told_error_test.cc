#include "http/told_error.h"

#include <gmock/gmock.h>

#include "base/retry_later.h"

namespace tallyman::http {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kDatabase = "database postgres://tallyman@10.77.0.11/fleet";

Error OfDatabase(Code code, const char* reason, const std::string& what) {
  return Error(code, reason, std::string(kDatabase) + ": " + what).About(kDatabase);
}

TEST(ToldError, SaysNeitherUserNorAddressOfTheDatabase) {
  const std::string libpq =
      "connection to server at \"10.77.0.11\", port 5432 failed: Connection refused";
  for (const char* reason :
       {"DATABASE_UNREACHABLE", "DATABASE_ACCESS_DENIED", "DATABASE_MISSING", "COMMIT_UNKNOWN"}) {
    const Error told = ToldError(OfDatabase(Code::kUnavailable, reason, libpq));
    EXPECT_EQ(told.reason, reason);
    EXPECT_EQ(told.resource, "database");
    EXPECT_THAT(told.message, Not(HasSubstr("10.77"))) << reason;
    EXPECT_THAT(told.message, Not(HasSubstr("tallyman@"))) << reason;
  }
  const Error locked = ToldError(OfDatabase(Code::kUnavailable, "ROWS_LOCKED", "try again"));
  EXPECT_EQ(locked.message, "the server's database: try again");
}

TEST(ToldError, SaysWhenToComeBackOnlyWhereItPassesByItself) {
  using std::chrono::milliseconds;
  EXPECT_EQ(RetryAfterOf(ToldError(OfDatabase(Code::kUnavailable, "ROWS_LOCKED", "x"))),
            milliseconds(1000));
  EXPECT_EQ(RetryAfterOf(ToldError(OfDatabase(Code::kUnavailable, "DATABASE_FULL", "x"))),
            std::nullopt);
  EXPECT_EQ(RetryAfterOf(ToldError(NotFound("X", "x"))), std::nullopt);
  const Error later = RetryLater(Error(Code::kUnavailable, "X", "x"), milliseconds(7000));
  EXPECT_EQ(RetryAfterOf(ToldError(later)), milliseconds(7000));
}

TEST(ToldError, LeavesOtherErrorsAsTheyAre) {
  const Error error = NotFound("ORG_NOT_FOUND", "there is no org \"database x\"").About("org x");
  EXPECT_EQ(ToldError(error), error);
}

}  // namespace
}  // namespace tallyman::http
