// Several processes of the real program on one database, each a control plane of its own.
#include <algorithm>
#include <future>

#include "tests/cli/program.h"
#include "tests/races/races.h"

namespace tallyman {
namespace {

class Processes : public Races {
 protected:
  std::future<Ran> Start(std::vector<std::string> arguments) {
    return InThread([this, arguments = std::move(arguments)] {
      return RunProgram(TALLYMAN_PROGRAM, arguments,
                        {"TALLYMAN_DB=" + database->Dsn(), "TALLYMAN_ACTOR=tester"});
    });
  }
};

TEST_P(Processes, UpgradesOfOneNodeByManyProcessesAtOnceAreOneDifference) {
  constexpr size_t kProcesses = 4;
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto lock = database->LockHost("host-1");
  std::vector<std::future<Ran>> runs;
  for (size_t i = 0; i < kProcesses; ++i) {
    runs.push_back(Start({"node", "upgrade", "n", "--image", "chain/full@2.0.0"}));
  }
  EXPECT_TRUE(WaitUntil([&] { return database->WaitingProcesses() == kProcesses; }));
  lock.reset();
  int done = 0;
  for (auto& run : runs) {
    const Ran ran = run.get();
    done += ran.status == 0 ? 1 : 0;
    EXPECT_TRUE(ran.status == 0 || ran.err.find("UPGRADE_SAME_IMAGE") != std::string::npos)
        << ran.out << ran.err;
  }
  EXPECT_EQ(done, 1);
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(4, 8, 200)}));
  EXPECT_EQ(a.Events("kind=upgrade_started").size(), 1u);
  ExpectBalanced();
}

INSTANTIATE_TEST_SUITE_P(On, Processes, testing::Values(SharedSqlite(), SharedPostgres()),
                         [](const auto& parameter) { return parameter.param.name; });

}  // namespace
}  // namespace tallyman
