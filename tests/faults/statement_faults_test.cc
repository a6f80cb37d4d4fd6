// Fail the Nth statement, for N = 1, 2, 3, ... until none fails. After each: the books balance, and
// the request either happened whole or not at all.
#include <sqlite3.h>

#include "support/control_fixture.h"

namespace tallyman {
namespace {

class FailNth {
 public:
  int Ask(std::string_view) { return code_ != 0 && ++count_ == nth_ ? code_ : 0; }
  void Arm(int code, int64_t nth) {
    code_ = code;
    nth_ = nth;
    count_ = 0;
  }
  // True when the armed failure happened.
  bool Disarm() {
    code_ = 0;
    return count_ >= nth_;
  }

 private:
  int code_ = 0;
  int64_t nth_ = 0;
  std::atomic<int64_t> count_{0};
};

class StatementFaults : public testing::TestWithParam<int> {};

TEST_P(StatementFaults, AnUpgradeHappensWholeOrNotAtAll) {
  FailNth fault;
  store::sqlite::SqliteStoreOptions options;
  options.hook = [&](std::string_view sql) { return fault.Ask(sql); };
  ControlRoom room({}, options);
  room.AddFleet(2);
  room.AddImage("1.0.0", {2, 4 * kGiga, 100 * kGiga});
  room.AddImage("2.0.0", {4, 8 * kGiga, 200 * kGiga});
  ASSERT_TRUE(room.AddNodes("1.0.0", "n", 4).has_value());
  std::string target = "chain/full@2.0.0", other = "chain/full@1.0.0";
  int64_t nth = 1;
  int64_t refused = 0;
  for (bool failed = true; failed; ++nth) {
    ASSERT_LT(nth, 1000) << "the fault never stops happening";
    fault.Arm(GetParam(), nth);
    auto changes = room.Upgrade({"n-1", "n-2", "n-3"}, target);
    failed = fault.Disarm();
    auto audit = room.Audit();
    ASSERT_TRUE(audit.has_value()) << audit.error().message;
    ASSERT_TRUE(audit->balanced()) << "statement " << nth;
    // What a reader sees is what was answered: upgrading again to the same image is refused only if
    // it happened.
    auto again = room.Upgrade({"n-1", "n-2", "n-3"}, target, {.dry_run = true});
    EXPECT_EQ(changes.has_value(), !again.has_value()) << "statement " << nth;
    if (changes.has_value()) {
      std::swap(target, other);
    } else {
      ++refused;
      EXPECT_EQ(changes.error().code,
                GetParam() == SQLITE_FULL || GetParam() == SQLITE_BUSY || GetParam() == SQLITE_IOERR
                    ? Code::kUnavailable
                    : Code::kInternal)
          << changes.error().message;
    }
  }
  EXPECT_GT(refused, 10) << "an upgrade has more than ten statements, each was to fail";
}

INSTANTIATE_TEST_SUITE_P(Codes, StatementFaults,
                         testing::Values(SQLITE_FULL, SQLITE_IOERR, SQLITE_BUSY));

}  // namespace
}  // namespace tallyman
