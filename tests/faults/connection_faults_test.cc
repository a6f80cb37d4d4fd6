// What can happen to the connection between Tallyman and PostgreSQL, at every place where it can
// happen. After each: the request happened once or not at all, as it was answered; everything
// balances; and the next request finds its way again without anybody's help.
#include <future>

#include "control/tokens/tokens.h"
#include "model/token.h"
#include "tests/faults/gate_room.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using namespace tallyman::control;

const std::vector<std::string> kNodes = {"n-1", "n-2", "n-3"};

// The bounds of these tests: long enough for a busy machine, short enough to wait for.
store::postgres::PostgresStoreOptions Impatient() {
  store::postgres::PostgresStoreOptions options;
  options.connect_timeout_s = 2;
  options.statement_timeout_ms = options.read_timeout_ms = 2'000;
  options.silence_ms_max = 1'000;
  return options;
}

class Connection : public testing::Test {
 protected:
  void Swap() { std::swap(target, other); }

  GateRoom room{Impatient()};
  TcpGate& gate = room.gate;
  Server& server = *room.server;
  std::string target = "chain/full@2.0.0", other = "chain/full@1.0.0";
};

class Cuts : public Connection, public testing::WithParamInterface<TcpGate::From> {};

TEST_P(Cuts, InEveryMessageOfAnUpgradeAreNotFeltByTheCaller) {
  int64_t cuts = 0;
  bool cut = true;
  for (int64_t nth = 1; cut; ++nth) {
    ASSERT_LT(nth, 1000) << "the cut never stops happening";
    const std::string id = "r" + std::to_string(nth);
    gate.CutInMessage(GetParam(), nth);
    auto answer = server.Upgrade(kNodes, target, id);
    cut = gate.Disarm();
    cuts += cut ? 1 : 0;
    ASSERT_TRUE(answer.has_value()) << "message " << nth << ": " << answer.error().message;
    auto again = server.Upgrade(kNodes, target, id);
    ASSERT_OK(again);
    EXPECT_EQ(again->SerializeAsString(), answer->SerializeAsString()) << "message " << nth;
    ASSERT_EQ(room.Upgrades(), nth * 3) << "message " << nth << ": once for each node";
    ASSERT_TRUE(room.witness->RunAudit().balanced()) << "message " << nth;
    Swap();
  }
  EXPECT_GT(cuts, 20) << "an upgrade has more than twenty messages each way";
  RecordProperty("cuts", std::to_string(cuts));
}

INSTANTIATE_TEST_SUITE_P(From, Cuts,
                         testing::Values(TcpGate::From::kClient, TcpGate::From::kServer),
                         [](const auto& parameter) {
                           return parameter.param == TcpGate::From::kClient ? "Tallyman"
                                                                            : "PostgreSQL";
                         });

TEST_F(Connection, ASwallowedCommitIsFoundByTheIdThatTheServerMade) {
  gate.SwallowCommitReply();
  auto answer = server.Upgrade(kNodes, target);  // the caller sent no request id
  ASSERT_TRUE(gate.Disarm());
  ASSERT_OK(answer);
  EXPECT_EQ(answer->changes().nodes_size(), 3);
  EXPECT_EQ(room.Upgrades(), 3);
  room.witness->ExpectBalanced();
}

// Rows of their own, no locks on others': only the key of the request tells.
TEST_F(Connection, ASwallowedCommitOfACreationIsFoundToo) {
  for (const char* name : {"one", "two"}) {
    v1::CreateOrgRequest org;
    org.set_name(name);
    gate.SwallowCommitReply();
    ASSERT_OK(server.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org));
    ASSERT_TRUE(gate.Disarm());
  }
  gate.SwallowCommitReply();
  ASSERT_OK(server.Create("m", "host-1", "1.0.0"));
  ASSERT_TRUE(gate.Disarm());
  gate.SwallowCommitReply();
  ASSERT_OK(server.Delete("m"));
  ASSERT_TRUE(gate.Disarm());
  EXPECT_EQ(room.Count("orgs"), 3);
  EXPECT_EQ(room.Count("ledger WHERE kind = 'release'"), 1);
  room.witness->ExpectBalanced();
}

TEST_F(Connection, ASwallowedCommitOfALotAnswersEachOfItsRequests) {
  std::vector<std::future<Result<std::string>>> answers;
  auto start = [&](const std::string& node) {
    auto promise = std::make_shared<std::promise<Result<std::string>>>();
    answers.push_back(promise->get_future());
    UpgradeNodesRequest request{.nodes = {node}, .image = target};
    control::Run(
        *server.control, server.As("NodeService/UpgradeNodes"), UpgradeNodes, request,
        [](const Changes& changes) { return changes.nodes.at(0).node; },
        [promise](Result<std::string> answer) { promise->set_value(std::move(answer)); });
  };
  server.store.Shut();
  const int64_t decided = server.store.decided();
  start("n-1");
  ASSERT_TRUE(WaitUntil([&] { return server.store.decided() == decided + 1; }));
  for (const char* node : {"n-2", "n-3", "n-4"}) start(node);
  gate.SwallowCommitReply(2);  // the first is that of n-1 alone
  server.store.Open();
  for (size_t i = 0; i < answers.size(); ++i) {
    auto answer = answers[i].get();
    ASSERT_OK(answer);
    EXPECT_EQ(*answer, "n-" + std::to_string(i + 1));
  }
  ASSERT_TRUE(gate.Disarm());
  EXPECT_EQ(server.metrics.single_retries, 0);
  EXPECT_EQ(room.Upgrades(), 4);
  room.witness->ExpectBalanced();
}

TEST_F(Connection, ACommitThatCannotBeLookedForIsSaidToBeUnknownAndFoundLater) {
  gate.Refuse();  // the connections that are there still work
  gate.SwallowCommitReply();
  auto answer = server.Upgrade(kNodes, target, "once");
  ASSERT_TRUE(gate.Disarm());
  EXPECT_REFUSED(answer, Code::kUnavailable, "COMMIT_UNKNOWN");
  EXPECT_EQ(room.Upgrades(), 3) << "it was committed";
  gate.Calm();
  ASSERT_OK(server.Upgrade(kNodes, target, "once"));
  EXPECT_EQ(room.Upgrades(), 3);
  room.witness->ExpectBalanced();
}

TEST_F(Connection, AServerThatCannotBeReachedIsSaidSoAndFoundAgain) {
  gate.Refuse();
  gate.CutAll();
  auto answer = server.Upgrade(kNodes, target);
  EXPECT_REFUSED(answer, Code::kUnavailable, "DATABASE_UNREACHABLE");
  EXPECT_EQ(room.Upgrades(), 0);
  gate.Calm();
  ASSERT_OK(server.Upgrade(kNodes, target));
  room.witness->ExpectBalanced();
}

TEST_F(Connection, ANetworkThatSwallowsAllIsGivenUpAndFoundAgain) {
  gate.Swallow();
  auto answer = server.Upgrade(kNodes, target);
  EXPECT_REFUSED(answer, Code::kUnavailable, "DATABASE_UNREACHABLE");
  gate.Calm();
  ASSERT_OK(server.Upgrade(kNodes, target));
  EXPECT_EQ(room.Upgrades(), 3);
  room.witness->ExpectBalanced();
}

// A call ends with its caller's time, and takes no thread beyond it; the bounds of the database are
// longer by far here.
TEST(SilentServer, HoldsNoReadBeyondItsCallersTime) {
  using namespace std::chrono_literals;
  GateRoom room;
  const auto read = [&] {
    return room.store->Read([](store::ReadTx& tx) -> Status {
      tx.LimitTime(200ms);
      ASSIGN_OR_RETURN(auto host, tx.FindHost("host-1"));
      return {};
    });
  };
  const std::string token = FormatTokenText({.id = {}, .secret = std::string(64, '0')});
  const auto authenticate = [&] {
    return Authenticate(*room.server->control, token, nullptr, room.server->clock.Now() + 200ms);
  };
  ASSERT_OK(read());
  EXPECT_REFUSED(authenticate(), Code::kUnauthenticated, "INVALID_TOKEN");
  const auto begun = std::chrono::steady_clock::now();
  room.gate.Swallow();
  EXPECT_REFUSED(read(), Code::kDeadlineExceeded, "DEADLINE_EXCEEDED");
  room.gate.Calm();
  ASSERT_OK(read());
  room.gate.Swallow();
  EXPECT_REFUSED(authenticate(), Code::kDeadlineExceeded, "DEADLINE_EXCEEDED");
  // Without it, the silence of 135 seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 100s);
}

// Nobody closes the connections of a machine that is gone, and no answer says that it is.
TEST(LostPeer, IsLeftForTheNextHostLongBeforeItsAnswersAreOverdue) {
  const PostgresDatabase database;
  const auto port = static_cast<uint16_t>(std::stoi(database.Sql("SHOW port").front()));
  TcpGate first(port), second(port);
  store::postgres::PostgresStoreOptions options;
  options.peer_silence_ms_max = 1'000;
  options.connect_timeout_s = 2;
  auto opened = store::postgres::PostgresStore::Open(
      fmt::format("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{}?sslmode=disable"
                  "&gssencmode=disable",
                  first.port(), second.port(), database.Sql("SELECT current_database()").front()),
      options);
  ASSERT_OK(opened);
  Server server(*std::move(opened), 1);
  server.AddFleet(2);
  server.AddImage("1.0.0", Needs(2, 4, 100));
  server.AddImage("2.0.0", Needs(4, 8, 200));
  ASSERT_OK(server.AddNodes("1.0.0", "n", 4));
  first.Vanish();
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_OK(server.Upgrade(kNodes, "chain/full@2.0.0"));
  // A write's answer is overdue after 45 seconds, a read's after 135.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(40));
  server.ExpectBalanced();
}

// What was on its way to be committed is swallowed, and its locks stay held until the server hears
// that the connection is gone.
TEST_F(Connection, AWriteThatIsSwallowedIsResolvedWhenTheNetworkIsBack) {
  server.store.Shut();
  const int64_t decided = server.store.decided();
  auto answer =
      std::async(std::launch::async, [&] { return server.Upgrade(kNodes, target, "once"); });
  ASSERT_TRUE(WaitUntil([&] { return server.store.decided() == decided + 1; }));
  const int64_t connects = room.store->stats().connects;
  gate.Swallow();
  server.store.Open();
  ASSERT_TRUE(WaitUntil([&] { return room.store->stats().connects > connects; }));
  gate.Calm();
  ASSERT_OK(answer.get());
  EXPECT_EQ(room.Upgrades(), 3);
  room.witness->ExpectBalanced();
}

TEST_F(Connection, ASlowNetworkDelaysAnUpgradeByItsRoundTripsAndNoMore) {
  ASSERT_OK(server.Upgrade(kNodes, target));
  Swap();
  const int64_t before = room.store->stats().round_trips;
  ASSERT_OK(server.Upgrade(kNodes, target));
  const int64_t round_trips = room.store->stats().round_trips - before;
  Swap();
  gate.Delay(std::chrono::milliseconds(20));
  ASSERT_OK(server.Upgrade(kNodes, target));
  EXPECT_EQ(room.store->stats().round_trips - before, 2 * round_trips);
  EXPECT_EQ(room.store->stats().retries, 0);
  room.witness->ExpectBalanced();
}

TEST_F(Connection, APipelineThatArrivesInCrumbsIsUnderstood) {
  gate.Trickle(7);
  ASSERT_OK(server.Upgrade(kNodes, target));
  EXPECT_EQ(room.store->stats().retries, 0);
  room.witness->ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
