// A server whose clock is not that of the others: it writes nothing, and says why.
#include "base/system.h"
#include "control/clock_check.h"
#include "main/in_process_client.h"
#include "store/postgres/postgres_store.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/server.h"

namespace tallyman {
namespace {

class ClockFaults : public testing::Test {
 protected:
  // Sets the clock as far from the machine's, which is the database's here.
  void SetAhead(std::chrono::microseconds ahead) {
    server.clock.Jump(SystemClock().Now() + ahead - server.clock.Now());
  }
  Result<v1::CreateOrgResponse> CreateOrg(const std::string& name) {
    v1::CreateOrgRequest request;
    request.set_name(name);
    return server.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", request);
  }

  PostgresDatabase database;
  Server server{store::postgres::PostgresStore::Open(database.dsn(), {}).value(), 7};
  control::ClockCheck check{*server.control, server.metrics};
};

TEST_F(ClockFaults, AServerWritesNothingWhileItsClockIsWrong) {
  for (const auto ahead : {std::chrono::days(401), std::chrono::days(-401)}) {
    SetAhead(ahead);
    ASSERT_TRUE(check.Run());
    EXPECT_REFUSED(CreateOrg("wrong"), Code::kUnavailable, "CLOCK_SKEW");
    EXPECT_NEAR(server.metrics.clock_skew_seconds / 86400, ahead.count(), 1);
    EXPECT_EQ(server.log.lines().back().event, "clock_skew");
  }
  SetAhead(std::chrono::seconds(0));
  ASSERT_TRUE(check.Run());
  ASSERT_OK(CreateOrg("right"));
}

// With --db the command line is a server for as long as it runs.
TEST_F(ClockFaults, TheCommandLineWritesNothingEither) {
  SystemClock right;
  ManualClock wrong{right.Now() + std::chrono::days(401)};
  const auto call = [&](Clock& clock, std::string_view method,
                        const google::protobuf::Message& request,
                        google::protobuf::Message& response) {
    app::InProcessClient client(
        {.database = {app::DatabaseKind::kPostgres, database.dsn(), "fleet"},
         .actor = {.id = "tester", .role = Role::kAdmin}},
        clock, server.random, server.log);
    return client.Call(method, request, response);
  };
  v1::CreateOrgRequest request;
  request.set_name("acme");
  v1::CreateOrgResponse made;
  EXPECT_REFUSED(call(wrong, "tallyman.v1.OrgService/CreateOrg", request, made), Code::kUnavailable,
                 "CLOCK_SKEW");
  v1::ListOrgsResponse listed;
  ASSERT_OK(call(wrong, "tallyman.v1.OrgService/ListOrgs", v1::ListOrgsRequest(), listed));
  EXPECT_EQ(listed.orgs_size(), 0);
  ASSERT_OK(call(right, "tallyman.v1.OrgService/CreateOrg", request, made));
}

TEST_F(ClockFaults, SecondsAreNotHeldAgainstIt) {
  SetAhead(std::chrono::seconds(-3));
  ASSERT_TRUE(check.Run());
  ASSERT_OK(CreateOrg("right"));
}

}  // namespace
}  // namespace tallyman
