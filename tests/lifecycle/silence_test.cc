// Hosts that say nothing: marked, shown, passed over by placement, and heard again.
#include <thread>

#include "control/hosts/reports.h"
#include "lifecycle/host.h"

namespace tallyman {
namespace {

using namespace tallyman::control;
using std::chrono::minutes;
using std::chrono::seconds;

// host-1 is heard (it runs "n"), host-2 never was.
class Silence : public Lifecycle {
 protected:
  // What the timer of a server does.
  void Mark() {
    auto more = MarkSilentHosts(*room.control);
    ASSERT_OK(more);
    EXPECT_FALSE(*more);
  }
  void FallSilent() {
    room.clock.Advance(seconds(91));
    Mark();
    ASSERT_EQ(room.Host("host-1").liveness(), v1::LIVENESS_SILENT);
  }

  Result<v1::CreateNodesResponse> CreateInRegion(int64_t count, bool dry_run = false) {
    v1::CreateNodesRequest request;
    request.set_image("chain/full@1.0.0");
    request.set_org("acme");
    request.set_name_prefix("r");
    request.mutable_by_region()->set_region("eu");
    request.set_count(count);
    request.set_dry_run(dry_run);
    return room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", request);
  }
  // "host-1 host-1": where a request in the region puts its nodes.
  static std::string HostsOf(const Result<v1::CreateNodesResponse>& created) {
    std::string hosts;
    if (!created) return created.error().reason;
    for (const v1::NodeChange& node : created->changes().nodes())
      hosts += (hosts.empty() ? "" : " ") + node.host();
    return hosts;
  }
  static std::string WarningsOf(const Result<v1::CreateNodesResponse>& created) {
    std::string warnings;
    if (!created) return created.error().reason;
    for (const v1::Warning& warning : created->changes().warnings())
      warnings += (warnings.empty() ? "" : " ") + warning.reason() + ":" + warning.host();
    return warnings;
  }
  std::vector<std::string> Listed(const std::string& filter) {
    v1::ListHostsRequest request;
    request.set_filter(filter);
    auto answer = room.Send<v1::ListHostsResponse>("HostService/ListHosts", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    std::vector<std::string> names;
    if (!answer) return names;
    for (const v1::Host& listed : answer->hosts()) names.push_back(listed.name());
    return names;
  }
};

using Names = std::vector<std::string>;

TEST_F(Silence, BeginsWhenTheLastReportIsOlderThanTheBound) {
  const v1::Host before = room.Host("host-1");
  EXPECT_EQ(before.liveness(), v1::LIVENESS_LIVE);
  room.clock.Advance(seconds(90));
  Mark();
  EXPECT_EQ(room.Host("host-1").liveness(), v1::LIVENESS_LIVE);
  room.clock.Advance(std::chrono::microseconds(1));
  Mark();
  const v1::Host silent = room.Host("host-1");
  EXPECT_EQ(silent.liveness(), v1::LIVENESS_SILENT);
  EXPECT_EQ(silent.silent_since().DebugString(), before.heard_at().DebugString());
  EXPECT_EQ(silent.heard_at().DebugString(), before.heard_at().DebugString());
  EXPECT_EQ(silent.version(), before.version() + 1);
  EXPECT_EQ(room.Events("kind=host_silent host=host-1").size(), 1u);
  // Once is enough.
  Mark();
  EXPECT_EQ(room.Host("host-1").version(), silent.version());
  EXPECT_EQ(CountEvents("host_silent"), 1u);
}

TEST_F(Silence, EndsWithTheNextReport) {
  FallSilent();
  const int64_t version = room.Host("host-1").version();
  host->Status(Id(), first);
  const v1::Host heard = room.Host("host-1");
  EXPECT_EQ(heard.liveness(), v1::LIVENESS_LIVE);
  EXPECT_FALSE(heard.has_silent_since());
  EXPECT_EQ(heard.version(), version + 1);
  ASSERT_EQ(room.Events("kind=host_heard").size(), 1u);
  EXPECT_EQ(room.Events("kind=host_heard").front().cause().actor(), host->actor_id());
  Mark();
  EXPECT_EQ(room.Host("host-1").version(), heard.version());
}

TEST_F(Silence, EndsWithAReportThatAlsoMovesTheBooks) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  FallSilent();
  EXPECT_EQ(host->SayOk(command), "");
  EXPECT_EQ(room.Host("host-1").liveness(), v1::LIVENESS_LIVE);
  EXPECT_EQ(N().running_config_id(), command.config_id());
}

TEST_F(Silence, IsNotEndedByAReportThatIsIgnored) {
  v1::ReportRequest late = TestHost::StatusOf(Id(), first, {});
  late.set_sequence(host->last_sequence());
  FallSilent();
  EXPECT_TRUE(host->ReportAs(late).ignored());
  EXPECT_EQ(room.Host("host-1").liveness(), v1::LIVENESS_SILENT);
}

TEST_F(Silence, OfAHostThatNeverReportedIsNone) {
  room.clock.Advance(minutes(60));
  Mark();
  const v1::Host never = room.Host("host-2");
  EXPECT_EQ(never.liveness(), v1::LIVENESS_NEVER_HEARD);
  EXPECT_FALSE(never.has_heard_at());
  EXPECT_EQ(never.version(), 1);
  EXPECT_EQ(room.Events("kind=host_silent host=host-2").size(), 0u);
  TestHost second(room, "host-2");
  second.Report({});
  EXPECT_EQ(room.Host("host-2").liveness(), v1::LIVENESS_LIVE);
}

TEST_F(Silence, ThatAReportDidNotTakeAwayGoesLater) {
  room.Sql("UPDATE hosts SET silent_since = 1 WHERE name = 'host-1'");
  ASSERT_EQ(room.Host("host-1").liveness(), v1::LIVENESS_SILENT);
  Mark();
  EXPECT_EQ(room.Host("host-1").liveness(), v1::LIVENESS_LIVE);
  EXPECT_EQ(CountEvents("host_heard"), 1u);
}

TEST_F(Silence, IsSaidOfTheNodesOfTheHost) {
  EXPECT_FALSE(N().has_host_silent_since());
  FallSilent();
  EXPECT_EQ(N().host_silent_since().DebugString(), room.Host("host-1").heard_at().DebugString());
  v1::ListNodesRequest list;
  auto listed = room.Send<v1::ListNodesResponse>("NodeService/ListNodes", list);
  ASSERT_OK(listed);
  ASSERT_EQ(listed->nodes_size(), 1);
  EXPECT_TRUE(listed->nodes(0).has_host_silent_since());
}

TEST_F(Silence, IsAFilterOfLists) {
  EXPECT_EQ(Listed("liveness=live"), (Names{"host-1"}));
  EXPECT_EQ(Listed("liveness=never_heard"), (Names{"host-2"}));
  EXPECT_EQ(Listed("liveness=silent"), Names{});
  FallSilent();
  EXPECT_EQ(Listed("liveness=silent"), (Names{"host-1"}));
  EXPECT_EQ(Listed("liveness!=silent"), (Names{"host-2"}));
  v1::ListHostsRequest request;
  request.set_filter("liveness=asleep");
  EXPECT_REFUSED(room.Send<v1::ListHostsResponse>("HostService/ListHosts", request),
                 Code::kInvalidArgument, "INVALID_FILTER");
}

TEST_F(Silence, PlacementTakesHostsThatAreHeardFirst) {
  // host-2 is emptier, but nobody ever heard of it.
  auto created = CreateInRegion(3);
  EXPECT_EQ(HostsOf(created), "host-1 host-1 host-1");
  EXPECT_EQ(WarningsOf(created), "");
}

TEST_F(Silence, PlacementTakesAHostThatWasNeverHeardWhereNoOtherHasRoomAndSaysSo) {
  // 64 cores, of which n has 2, and each new one asks for 2.
  auto plan = CreateInRegion(33, true);
  auto created = CreateInRegion(33);
  ASSERT_OK(created);
  EXPECT_EQ(created->changes().nodes(30).host(), "host-1");
  EXPECT_EQ(created->changes().nodes(31).host(), "host-2");
  EXPECT_EQ(created->changes().nodes(32).host(), "host-2");
  EXPECT_EQ(WarningsOf(created), "HOST_NEVER_HEARD:host-2");
  EXPECT_EQ(WarningsOf(plan), "HOST_NEVER_HEARD:host-2");
}

TEST_F(Silence, PlacementPassesOverSilentHosts) {
  TestHost second(room, "host-2");
  second.Report({});
  ASSERT_OK(CreateInRegion(1));
  FallSilent();
  second.Report({});
  EXPECT_EQ(HostsOf(CreateInRegion(4)), "host-2 host-2 host-2 host-2");
  room.clock.Advance(seconds(91));
  Mark();
  EXPECT_EQ(HostsOf(CreateInRegion(1)), "NO_HOST_FITS");
  second.Report({});
  EXPECT_EQ(HostsOf(CreateInRegion(1)), "host-2");
}

TEST_F(Silence, ASilentHostThatIsNamedTakesTheNodeWithAWarning) {
  FallSilent();
  EXPECT_EQ(WarningsOf(room.Create("named", "host-1", "1.0.0")), "HOST_SILENT:host-1");
  EXPECT_EQ(WarningsOf(room.Create("other", "host-2", "1.0.0")), "HOST_NEVER_HEARD:host-2");
}

// Under the policy that heals nothing.
TEST_F(Silence, OfAHostWithWrongBooksWaitsForThemAndKeepsNoOtherAndNoReport) {
  TestHost second(room, "host-2");
  second.Report({});
  room.Restart({.policies = {.drift = planner::DriftPolicy::kAbort}});
  room.Sql("UPDATE hosts SET node_count = node_count + 1 WHERE name = 'host-1'");
  room.clock.Advance(seconds(91));
  auto marked = MarkSilentHosts(*room.control);
  EXPECT_REFUSED(marked, Code::kFailedPrecondition, "HOST_BOOKS_DRIFTED");
  EXPECT_EQ(Listed("liveness=silent"), (Names{"host-2"}));
  room.Sql("UPDATE hosts SET silent_since = 1 WHERE name = 'host-1'");
  EXPECT_FALSE(host->Status(Id(), first).ignored());
  EXPECT_EQ(room.Host("host-1").liveness(), v1::LIVENESS_SILENT);
  ASSERT_OK(room.Repair());
  marked = MarkSilentHosts(*room.control);
  ASSERT_OK(marked);
  EXPECT_EQ(Listed("liveness=silent"), (Names{"host-2"}));
}

TEST_F(Silence, TwoServersMayLookAtOnce) {
  v1::CreateHostsRequest request;
  for (int i = 0; i < 8; ++i) {
    v1::HostSpec& spec = *request.add_hosts();
    spec.set_name("many-" + std::to_string(i));
    spec.set_region("eu");
    spec.mutable_capacity()->set_cpu_cores(1);
    spec.mutable_capacity()->set_memory_bytes(1);
    spec.mutable_capacity()->set_disk_bytes(1);
  }
  ASSERT_OK(room.Send<v1::CreateHostsResponse>("HostService/CreateHosts", request));
  for (int i = 0; i < 8; ++i) TestHost(room, "many-" + std::to_string(i)).Report({});
  room.clock.Advance(seconds(91));
  auto store = room.backend->Another();
  Control other(*store, room.clock, room.random, room.log, room.metrics, {});
  const auto mark_all = [](Control& control) {
    while (true) {
      auto more = MarkSilentHosts(control, 2);
      if (more && !*more) return;
    }
  };
  std::thread thread([&] { mark_all(other); });
  mark_all(*room.control);
  thread.join();
  EXPECT_EQ(Listed("liveness=silent").size(), 9u);
  EXPECT_EQ(CountEvents("host_silent"), 9u);
}

// A fleet without agents only keeps books.
TEST(BooksOnly, NothingIsSaidOfHostsThatWereNeverHeard) {
  ApiRoom room;
  room.AddFleet(2);
  room.AddImage("1.0.0", Needs(2, 4, 100));
  auto created = room.Create("n", "host-1", "1.0.0");
  ASSERT_OK(created);
  EXPECT_TRUE(created->changes().warnings().empty());
}

}  // namespace
}  // namespace tallyman
