// A commit that has not reached its synchronous standby. Its row is visible on the primary, and a
// failover loses it: nobody may be told that it happened, neither now nor when asking again.
#include <future>
#include <string>
#include <thread>

#include "base/system.h"
#include "tallyman/v1/token.pb.h"
#include "tests/faults/cluster_room.h"

namespace tallyman {
namespace {

// A cluster that waits for a standby that there is not, but where a session says otherwise.
PostgresClusterOptions WithoutItsStandby() {
  return {.durable = true, .settings = {{"synchronous_standby_names", "nobody"}}};
}

class StandbyFaults : public testing::Test {
 protected:
  void SetUp() override {
    // The fleet is set up by sessions that do not wait.
    Sql("ALTER ROLE postgres SET synchronous_commit = local");
    ClusterRoom room(cluster_);
    auto before = Open(5);
    ASSERT_OK(before->Send<v1::CreateTokenResponse>("TokenService/CreateToken", Token("old")));
    Sql("ALTER ROLE postgres RESET synchronous_commit");
    server_ = Open(3);
    other_ = Open(4);
  }

  // In a session that waits for no standby.
  void Sql(const std::string& sql) const {
    SqlSession session(cluster_.Dsn());
    session.Run("SET synchronous_commit = local");
    session.Run(sql);
  }

  void EndTheNeedForAStandby() const {
    Sql("ALTER SYSTEM SET synchronous_standby_names = ''");
    Sql("SELECT pg_reload_conf()");
  }

  std::unique_ptr<Server> Open(uint64_t seed) {
    auto store =
        store::postgres::PostgresStore::Open(cluster_.Dsn("postgres", PostgresCluster::kTcp), {});
    EXPECT_TRUE(store.has_value()) << (store ? "" : store.error().message);
    control::ControlOptions options;
    options.patience = std::chrono::milliseconds(100);
    options.secrets = &secrets_;
    return std::make_unique<Server>(*std::move(store), seed, options);
  }

  static v1::CreateTokenRequest Token(const std::string& name) {
    v1::CreateTokenRequest request;
    request.set_name(name);
    request.set_role(v1::ROLE_VIEWER);
    request.set_request_id("token-" + name);
    return request;
  }

  // Cancels every wait for the standby until there is an answer; says how many there were.
  template <class Response, class Request>
  Result<Response> SendAndCancelWaits(Server& server, const std::string& method,
                                      const Request& request, int& waits) {
    auto answer =
        std::async(std::launch::async, [&] { return server.Send<Response>(method, request); });
    while (answer.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
      // Within a CASE, so that nobody else is cancelled, whatever order the planner chooses.
      waits += static_cast<int>(
          RunSql(cluster_.Dsn(),
                 "SELECT pid FROM pg_stat_activity WHERE CASE wait_event WHEN 'SyncRep' THEN "
                 "pg_cancel_backend(pid) ELSE false END")
              .size());
    }
    return answer.get();
  }

  // Whoever asks, and however often, is told that the outcome is unknown, until there is a standby
  // (here: until none is asked for).
  template <class Response, class Request>
  void ExpectUnknownUntilReplicated(const std::string& method, const Request& request) {
    int waits = 0;
    EXPECT_REFUSED((SendAndCancelWaits<Response>(*server_, method, request, waits)),
                   Code::kUnavailable, "COMMIT_UNKNOWN");
    EXPECT_GE(waits, 2) << "the stored answer was looked up without waiting";
    waits = 0;
    EXPECT_REFUSED((SendAndCancelWaits<Response>(*other_, method, request, waits)),
                   Code::kUnavailable, "COMMIT_UNKNOWN");
    EXPECT_GE(waits, 1);
  }

  // Nor is anybody told how things are, as far as that would rest on what no standby has.
  template <class Response, class Request>
  void ExpectNothingIsSaid(const std::string& method, const Request& request) {
    int waits = 0;
    EXPECT_REFUSED((SendAndCancelWaits<Response>(*other_, method, request, waits)),
                   Code::kUnavailable, "COMMIT_UNKNOWN");
    EXPECT_GE(waits, 1);
  }

  PostgresCluster cluster_{WithoutItsStandby()};
  SystemSecrets secrets_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Server> other_;
};

TEST_F(StandbyFaults, WhatNoStandbyHasIsAcknowledgedToNobody) {
  v1::CreateOrgRequest org;
  org.set_name("ghost");
  org.set_request_id("org");
  ExpectUnknownUntilReplicated<v1::CreateOrgResponse>("OrgService/CreateOrg", org);
  v1::CreateRegionRequest region;
  region.set_name("mars");
  region.set_request_id("region");
  ExpectUnknownUntilReplicated<v1::CreateRegionResponse>("RegionService/CreateRegion", region);
  v1::UpgradeNodesRequest upgrade;
  upgrade.add_nodes("n-1");
  upgrade.set_image("chain/full@2.0.0");
  upgrade.set_request_id("upgrade");
  ExpectUnknownUntilReplicated<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", upgrade);
  ExpectUnknownUntilReplicated<v1::CreateTokenResponse>("TokenService/CreateToken", Token("new"));

  v1::RevokeTokenRequest revoke;
  revoke.set_token("old");
  revoke.set_request_id("revoke");
  ExpectUnknownUntilReplicated<v1::RevokeTokenResponse>("TokenService/RevokeToken", revoke);

  // Somebody else is told no more: that it was revoked, or is there, may be undone as well.
  revoke.set_request_id("revoke-by-name");
  ExpectNothingIsSaid<v1::RevokeTokenResponse>("TokenService/RevokeToken", revoke);
  revoke.set_request_id("revoke-again");
  revoke.set_token(RunSql(cluster_.Dsn(), "SELECT id FROM tokens WHERE name = 'old'").front());
  ExpectNothingIsSaid<v1::RevokeTokenResponse>("TokenService/RevokeToken", revoke);
  v1::CreateOrgRequest again = org;
  again.set_request_id("org-again");
  ExpectNothingIsSaid<v1::CreateOrgResponse>("OrgService/CreateOrg", again);

  EndTheNeedForAStandby();
  EXPECT_REFUSED(other_->Send<v1::RevokeTokenResponse>("TokenService/RevokeToken", revoke),
                 Code::kFailedPrecondition, "TOKEN_REVOKED");
  auto made = server_->Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org);
  ASSERT_OK(made);
  EXPECT_EQ(made->org().name(), "ghost");
  server_->ExpectBalanced();
}

// Names are looked up before a request is queued: that there is no such node is an answer, too.
TEST_F(StandbyFaults, ThatSomethingIsGoneIsToldWhenAStandbyKnows) {
  v1::DeleteNodesRequest remove;
  remove.add_nodes("n-2");
  remove.set_request_id("delete");
  ExpectUnknownUntilReplicated<v1::DeleteNodesResponse>("NodeService/DeleteNodes", remove);
  v1::RetireHostRequest retire;
  retire.set_host("host-3");
  retire.set_lost(true);
  retire.set_request_id("retire");
  ExpectUnknownUntilReplicated<v1::RetireHostResponse>("HostService/RetireHost", retire);

  for (const char* id : {"", "once-more"}) {
    remove.set_request_id(id);
    ExpectNothingIsSaid<v1::DeleteNodesResponse>("NodeService/DeleteNodes", remove);
    retire.set_request_id(id);
    ExpectNothingIsSaid<v1::RetireHostResponse>("HostService/RetireHost", retire);
  }
  // What is wrong with a request by itself waits for nobody.
  int waits = 0;
  EXPECT_REFUSED((SendAndCancelWaits<v1::CreateOrgResponse>(*other_, "OrgService/CreateOrg",
                                                            v1::CreateOrgRequest(), waits)),
                 Code::kInvalidArgument, "INVALID_NAME");
  EXPECT_EQ(waits, 0);

  EndTheNeedForAStandby();
  EXPECT_REFUSED(other_->Send<v1::DeleteNodesResponse>("NodeService/DeleteNodes", remove),
                 Code::kNotFound, "NODE_NOT_FOUND");
  EXPECT_REFUSED(other_->Send<v1::RetireHostResponse>("HostService/RetireHost", retire),
                 Code::kNotFound, "HOST_NOT_FOUND");
  server_->ExpectBalanced();
}

// A command that a failover may lose is carried out by nobody before: each hand-out waits, also of
// a node of which something was handed out before.
TEST_F(StandbyFaults, ACommandIsHandedOutWhenAStandbyKnowsIt) {
  Sql("ALTER ROLE postgres SET synchronous_commit = local");
  auto before = Open(6);
  const std::string name = before->Node("n-1").host();
  const Actor host{
      .id = "agent", .role = Role::kHost, .host_id = *HostId::Parse(before->Host(name).id())};
  before->actor = server_->actor = host;
  const v1::FetchCommandsRequest fetch;
  ASSERT_OK(before->Send<v1::FetchCommandsResponse>("AgentService/FetchCommands", fetch));
  Sql("ALTER ROLE postgres RESET synchronous_commit");

  int waits = 0;
  EXPECT_REFUSED((SendAndCancelWaits<v1::FetchCommandsResponse>(
                     *server_, "AgentService/FetchCommands", fetch, waits)),
                 Code::kUnavailable, "COMMIT_UNKNOWN");
  EXPECT_GE(waits, 1);
  EndTheNeedForAStandby();
  auto handed = server_->Send<v1::FetchCommandsResponse>("AgentService/FetchCommands", fetch);
  ASSERT_OK(handed);
  EXPECT_GT(handed->commands_size(), 0);
}

// A request that cannot be made any more (its image has another name now) is answered from the
// stored row, aside of the lots.
TEST_F(StandbyFaults, AnAnswerThatIsLookedUpAsideWaitsAsWell) {
  v1::UpgradeNodesRequest upgrade;
  upgrade.add_nodes("n-1");
  upgrade.set_image("chain/full@2.0.0");
  upgrade.set_request_id("upgrade");
  int waits = 0;
  EXPECT_REFUSED((SendAndCancelWaits<v1::UpgradeNodesResponse>(*server_, "NodeService/UpgradeNodes",
                                                               upgrade, waits)),
                 Code::kUnavailable, "COMMIT_UNKNOWN");
  Sql("UPDATE protocols SET name = 'renamed' WHERE name = 'chain'");
  waits = 0;
  auto again = SendAndCancelWaits<v1::UpgradeNodesResponse>(*other_, "NodeService/UpgradeNodes",
                                                            upgrade, waits);
  EXPECT_FALSE(again.has_value());
  EXPECT_GE(waits, 1);
  EndTheNeedForAStandby();
  ASSERT_OK(other_->Send<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", upgrade));
}

}  // namespace
}  // namespace tallyman
