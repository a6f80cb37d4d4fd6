// Quotas: what an org's nodes may take in the fleet, by sums and not by counters.
#include "support/api_room.h"

namespace tallyman {
namespace {

class Quotas : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(2);
    room.AddImage("1.0.0", Needs(2, 4, 100), {{"archive", "", "off", Needs(1, 0, 0)}});
    room.AddImage("2.0.0", Needs(4, 8, 200));
    room.AddImage("3.0.0", Needs(1, 2, 50));
    v1::CreateOrgRequest beta;
    beta.set_name("beta");
    ASSERT_OK(room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", beta));
  }

  Result<v1::SetQuotaResponse> Set(const v1::Quota& limits, const std::string& org = "acme",
                                   const std::vector<std::string>& reset = {},
                                   const std::string& request_id = "") {
    v1::SetQuotaRequest request;
    request.set_request_id(request_id);
    request.set_org(org);
    *request.mutable_set() = limits;
    for (const std::string& word : reset) request.add_reset(word);
    return room.Send<v1::SetQuotaResponse>("OrgService/SetQuota", request);
  }
  static v1::Quota Nodes(int64_t count) {
    v1::Quota quota;
    quota.set_node_count(count);
    return quota;
  }
  static v1::Quota Cores(int64_t cores) {
    v1::Quota quota;
    quota.set_cpu_cores(cores);
    return quota;
  }
  Result<v1::CreateNodesResponse> CreateMany(int32_t count) {
    v1::CreateNodesRequest request;
    request.set_image("chain/full@1.0.0");
    request.set_org("acme");
    request.set_name_prefix("many");
    request.set_count(count);
    request.mutable_by_region()->set_region("eu");
    return room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", request);
  }
  Result<v1::MoveNodesResponse> Move(const std::string& node, const std::string& org) {
    v1::MoveNodesRequest request;
    request.add_nodes(node);
    request.set_org(org);
    return room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", request);
  }
  v1::GetOrgResponse Org(const std::string& name) {
    v1::GetOrgRequest request;
    request.set_org(name);
    auto answer = room.Send<v1::GetOrgResponse>("OrgService/GetOrg", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? *answer : v1::GetOrgResponse();
  }
  // Refused for its quota, and nothing changed.
  template <class Request>
  void ExpectExceeded(Request request, const std::string& dimension, const std::string& asked) {
    const std::string before = room.Dump();
    auto answer = request();
    EXPECT_REFUSED(answer, Code::kResourceExhausted, "QUOTA_EXCEEDED");
    EXPECT_EQ(answer.error().Fact("dimension"), dimension);
    EXPECT_EQ(answer.error().Fact("asked"), asked);
    EXPECT_EQ(room.Dump(), before);
  }

  ApiRoom room;
};

TEST_F(Quotas, ACreateThatFitsExactlyIsTakenAndTheNextIsNot) {
  ASSERT_OK(Set(Nodes(2)));
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  ASSERT_OK(room.Create("b", "host-2", "1.0.0"));
  ExpectExceeded([&] { return room.Create("c", "host-1", "1.0.0"); }, "node_count", "1");
  ASSERT_OK(room.Delete("a"));
  ASSERT_OK(room.Create("c", "host-1", "1.0.0"));
  room.ExpectBalanced();
}

TEST_F(Quotas, EachDimensionIsLimited) {
  const std::pair<void (v1::Quota::*)(int64_t), std::string> limits[] = {
      {&v1::Quota::set_cpu_cores, "cpu_cores"},
      {&v1::Quota::set_memory_bytes, "memory_bytes"},
      {&v1::Quota::set_disk_bytes, "disk_bytes"}};
  const int64_t enough[] = {2, 4 * kGiga, 100 * kGiga};
  for (size_t i = 0; i < std::size(limits); ++i) {
    v1::Quota quota;
    (quota.*limits[i].first)(enough[i] - 1);
    ASSERT_OK(Set(quota));
    ExpectExceeded([&] { return room.Create("n", "host-1", "1.0.0"); }, limits[i].second,
                   std::to_string(enough[i]));
    (quota.*limits[i].first)(enough[i]);
    ASSERT_OK(Set(quota));
    ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
    ASSERT_OK(room.Delete("n"));
    ASSERT_OK(Set({}, "acme", {limits[i].second}));
  }
}

TEST_F(Quotas, ABatchIsCountedAsAWhole) {
  ASSERT_OK(Set(Nodes(2)));
  ExpectExceeded([&] { return CreateMany(3); }, "node_count", "3");
  ASSERT_OK(CreateMany(2));
}

TEST_F(Quotas, AnUpgradeIsRefusedOnlyIfItGrows) {
  ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
  ASSERT_OK(Set(Cores(3)));
  ExpectExceeded([&] { return room.Upgrade({"n"}, "chain/full@2.0.0"); }, "cpu_cores", "2");
  ExpectExceeded([&] { return room.Upgrade({"n"}, "chain/full@2.0.0", "", "", true); }, "cpu_cores",
                 "2");
  ASSERT_OK(Set(Cores(1)));
  ASSERT_OK(room.Upgrade({"n"}, "chain/full@3.0.0"));
  room.Obey("n");
  EXPECT_EQ(Org("acme").org().taken().allocated().cpu_cores(), 1);
}

TEST_F(Quotas, WhatIsHeldCounts) {
  ASSERT_OK(room.Create("n", "host-1", "2.0.0"));
  room.Obey("n");
  ASSERT_OK(Set(Cores(5)));
  // It is charged for 1 core, and 3 are held until the host has changed it.
  ASSERT_OK(room.Upgrade({"n"}, "chain/full@3.0.0"));
  EXPECT_EQ(Org("acme").usage().allocated().cpu_cores(), 1);
  EXPECT_EQ(Org("acme").org().taken().allocated().cpu_cores(), 4);
  ExpectExceeded([&] { return room.Create("m", "host-2", "1.0.0"); }, "cpu_cores", "2");
  room.Obey("n");
  ASSERT_OK(room.Create("m", "host-2", "1.0.0"));
}

TEST_F(Quotas, AnUpdateIsRefusedOnlyIfItGrows) {
  ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
  ASSERT_OK(Set(Cores(2)));
  ExpectExceeded([&] { return room.Set("n", "archive", "on"); }, "cpu_cores", "1");
  ASSERT_OK(Set(Cores(3)));
  ASSERT_OK(room.Set("n", "archive", "on"));
  ASSERT_OK(Set(Cores(1)));
  v1::UpdateNodeRequest update;
  update.set_node("n");
  update.set_auto_upgrade(true);
  ASSERT_OK(room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", update));
}

TEST_F(Quotas, AMoveCountsInTheOrgThatReceives) {
  ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
  room.Obey("n");
  ASSERT_OK(Set(Nodes(0), "beta"));
  ExpectExceeded([&] { return Move("n", "beta"); }, "node_count", "1");
  ASSERT_OK(Set(Nodes(1), "beta"));
  ASSERT_OK(Set(Nodes(0), "acme"));
  ASSERT_OK(Move("n", "beta"));
  EXPECT_EQ(Org("beta").org().taken().node_count(), 1);
}

TEST_F(Quotas, ALoweredQuotaStopsNothingAndRefusesGrowth) {
  ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
  ASSERT_OK(room.Upgrade({"n"}, "chain/full@2.0.0"));
  auto lowered = Set(Cores(1));
  ASSERT_OK(lowered);
  EXPECT_EQ(lowered->org().taken().allocated().cpu_cores(), 4);
  room.Obey("n");
  EXPECT_EQ(room.Node("n").semantic_version(), "2.0.0") << "what a host reports is taken";
  ExpectExceeded([&] { return room.Create("m", "host-1", "3.0.0"); }, "cpu_cores", "1");
  auto removed = Set({}, "acme", {"cpu_cores"});
  ASSERT_OK(removed);
  EXPECT_EQ(removed->quota_before().cpu_cores(), 1);
  EXPECT_FALSE(removed->org().has_quota());
  ASSERT_OK(room.Create("m", "host-1", "3.0.0"));
}

TEST_F(Quotas, LimitsThatAreNotNamedStay) {
  ASSERT_OK(Set(Nodes(5)));
  ASSERT_OK(Set(Cores(7)));
  auto third = Set({}, "acme", {"disk_bytes"});
  ASSERT_OK(third);
  EXPECT_EQ(third->org().quota().ShortDebugString(), "node_count: 5 cpu_cores: 7");
  EXPECT_FALSE(Org("beta").org().has_quota());
}

TEST_F(Quotas, AnOrgShowsItsQuotaToThoseWhoSeeIt) {
  ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
  const v1::GetOrgResponse before = Org("acme");
  EXPECT_FALSE(before.org().has_quota());
  ASSERT_OK(Set(Cores(7)));
  const v1::GetOrgResponse acme = Org("acme");
  room.actor = {.id = "reader", .org_id = *OrgId::Parse(acme.org().id()), .role = Role::kViewer};
  EXPECT_EQ(Org("acme").SerializeAsString(), acme.SerializeAsString());
  auto listed = room.Send<v1::ListOrgsResponse>("OrgService/ListOrgs", v1::ListOrgsRequest());
  ASSERT_OK(listed);
  ASSERT_EQ(listed->orgs_size(), 1);
  EXPECT_EQ(listed->orgs(0).quota().cpu_cores(), 7);
  EXPECT_EQ(listed->orgs(0).taken().allocated().cpu_cores(), 2);
}

TEST_F(Quotas, SettingIsTrackedAndHappensOnce) {
  ASSERT_OK(Set(Cores(7), "acme", {}, "once"));
  ASSERT_OK(Set(Cores(8)));
  auto replayed = Set(Cores(7), "acme", {}, "once");
  ASSERT_OK(replayed);
  EXPECT_EQ(replayed->org().quota().cpu_cores(), 7) << "the answer of then";
  EXPECT_EQ(Org("acme").org().quota().cpu_cores(), 8);
  const auto events = room.Events("kind=org_quota_set org=acme");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].facts().at("cpu_cores"), "7");
  EXPECT_EQ(events[0].facts().at("node_count"), "none");
  auto trail =
      room.Send<v1::ListRequestsResponse>("AuditService/ListRequests", v1::ListRequestsRequest());
  ASSERT_OK(trail);
  EXPECT_EQ(std::ranges::count(trail->requests(), "OrgService/SetQuota", &v1::RequestEntry::method),
            2);
}

TEST_F(Quotas, WhatIsNoQuotaIsRefused) {
  EXPECT_REFUSED(Set(Cores(-1)), Code::kInvalidArgument, "INVALID_QUOTA");
  EXPECT_REFUSED(Set({}), Code::kInvalidArgument, "NOTHING_TO_UPDATE");
  EXPECT_REFUSED(Set({}, "acme", {"gpus"}), Code::kInvalidArgument, "INVALID_QUOTA");
  EXPECT_REFUSED(Set(Cores(1), "acme", {"cpu_cores"}), Code::kInvalidArgument, "INVALID_QUOTA");
  EXPECT_REFUSED(Set(Cores(1), "nobody"), Code::kNotFound, "ORG_NOT_FOUND");
}

}  // namespace
}  // namespace tallyman
