// Fail the Nth statement that reaches PostgreSQL, for N = 1, 2, 3, ... until none fails (fault 18).
// The server itself refuses it, so the transaction is as aborted as it would be. After each: the
// books balance, and the request happened once or not at all, as it was answered.
#include "tests/faults/gate_room.h"

namespace tallyman {
namespace {

struct SqlFault {
  std::string name;
  std::string sqlstate;
  // What the caller hears when the statement that fails is one of the write; empty: nothing of it.
  std::string reason;
  friend void PrintTo(const SqlFault& fault, std::ostream* out) { *out << fault.name; }
};

class SqlFaults : public testing::TestWithParam<SqlFault> {
 protected:
  GateRoom room;
};

TEST_P(SqlFaults, AnUpgradeHappensOnceOrNotAtAll) {
  const std::vector<std::string> nodes = {"n-1", "n-2", "n-3"};
  std::string target = "chain/full@2.0.0", other = "chain/full@1.0.0";
  int64_t upgrades = 0, refused = 0, faults = 0;
  bool failed = true;
  for (int64_t nth = 1; failed; ++nth) {
    ASSERT_LT(nth, 1000) << "the fault never stops happening";
    room.gate.FailStatement(nth, GetParam().sqlstate);
    auto answer = room.server->Upgrade(nodes, target);
    failed = room.gate.Disarm();
    faults += failed ? 1 : 0;
    if (answer) {
      upgrades += 3;
      std::swap(target, other);
    } else {
      ++refused;
      EXPECT_EQ(answer.error().reason, GetParam().reason)
          << "statement " << nth << ": " << answer.error().message;
    }
    ASSERT_EQ(room.Upgrades(), upgrades) << "statement " << nth;
    ASSERT_TRUE(room.witness->RunAudit().balanced()) << "statement " << nth;
  }
  EXPECT_GT(faults, 10) << "an upgrade has more than ten statements, each was to fail";
  if (GetParam().reason.empty()) {
    EXPECT_EQ(refused, 0);
  } else {
    EXPECT_GE(refused, faults - 1) << "only the end of what was read may fail without a word";
  }
}

INSTANTIATE_TEST_SUITE_P(SqlState, SqlFaults,
                         testing::Values(SqlFault{"SerializationFailure", "40001", ""},
                                         SqlFault{"Deadlock", "40P01", ""},
                                         SqlFault{"SessionEnded", "57P01", ""},
                                         SqlFault{"LockTimeout", "55P03", "ROWS_LOCKED"},
                                         SqlFault{"StatementTimeout", "57014", "DATABASE_TIMEOUT"},
                                         SqlFault{"DiskFull", "53100", "DATABASE_FULL"},
                                         SqlFault{"IoError", "58030", "DATABASE_IO"}),
                         [](const auto& parameter) { return parameter.param.name; });

}  // namespace
}  // namespace tallyman
