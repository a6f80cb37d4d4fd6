// Races that others lose, each forced: the first operation stands still with its locks held and its
// decision made, while the second comes. Both see the same rows; one of them has to wait.
#include "tests/races/races.h"

#include "tallyman/v1/fleet.pb.h"

namespace tallyman {
namespace {

const std::string kOne = "chain/full@1.0.0";
const std::string kTwo = "chain/full@2.0.0";
const std::string kThree = "chain/full@3.0.0";

TEST_P(Races, F1_TwoUpgradesOfOneNodeToTwoImagesAreOneAfterTheOther) {
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] =
      Meet([&] { return a.Upgrade({"n"}, kTwo); }, [&] { return b.Upgrade({"n"}, kThree); });
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(3, 6, 150)})) << "charged for what it is, once";
  auto ledger = a.Ledger("host-1");
  ASSERT_EQ(ledger.entries_size(), 3);
  EXPECT_EQ(FromMessage(ledger.entries(1).delta()).allocated, Needs(2, 4, 100));
  EXPECT_EQ(FromMessage(ledger.entries(2).delta()).allocated, Needs(-1, -2, -50))
      << "the second difference is from what the first left";
  EXPECT_EQ(a.Commands("node=n kind=node_upgrade state=open").size(), 1u);
  ExpectBalanced();
}

TEST_P(Races, F1_TwoUpgradesOfOneNodeToOneImageAreOneDifference) {
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] =
      Meet([&] { return a.Upgrade({"n"}, kTwo); }, [&] { return b.Upgrade({"n"}, kTwo); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kAlreadyExists, "UPGRADE_SAME_IMAGE");
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(4, 8, 200)}));
  EXPECT_EQ(a.Events("kind=upgrade_started").size(), 1u);
  EXPECT_EQ(a.Commands("node=n kind=node_upgrade").size(), 1u);
  ExpectBalanced();
}

TEST_P(Races, OneRequestSentToTwoServersHappensOnce) {
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] = Meet([&] { return a.Upgrade({"n"}, kTwo, "once"); },
                              [&] { return b.Upgrade({"n"}, kTwo, "once"); });
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
  EXPECT_EQ(a.Events("kind=upgrade_started").size(), 1u);
  ExpectBalanced();
}

// A creation holds no row that the other one could wait for: only the key of the request is left.
TEST_P(Races, OneRequestSentToTwoServersHappensOnceThoughItLocksNothing) {
  auto create = [](Server& server) {
    v1::CreateOrgRequest org;
    org.set_name("other");
    org.set_request_id("once");
    return server.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org);
  };
  a.store.Shut();
  auto first = InThread([&] { return create(a); });
  ASSERT_TRUE(WaitUntil([&] { return a.store.decided() == 1 + decided_by_set_up; }));
  auto second = InThread([&] { return create(b); });
  ASSERT_TRUE(WaitUntil([&] { return database->Waiting() > 0 || IsReady(second); }));
  a.store.Open();
  auto one = first.get(), two = second.get();
  ASSERT_OK(one);
  ASSERT_OK(two);
  EXPECT_EQ(one->SerializeAsString(), two->SerializeAsString());
  EXPECT_EQ(a.Events("kind=org_created").size(), 2u) << "acme and this one";
}

// The steps of one request, at two servers at the same moment.
class FleetRaces : public Races {
 protected:
  static v1::ApplyFleetRequest Once() {
    v1::ApplyFleetRequest request;
    request.set_request_id("once");
    return request;
  }
  // Named by its number, so that no name is taken when it is asked for again.
  static void AddNode(v1::ApplyFleetRequest& request) {
    v1::CreateNodesRequest& nodes = *request.add_steps()->mutable_create_nodes();
    nodes.set_image("chain/full@1.0.0");
    nodes.set_org("acme");
    nodes.set_name_prefix("n");
    nodes.mutable_by_region()->set_region("eu");
  }
  static Result<v1::ApplyFleetResponse> Apply(Server& server,
                                              const v1::ApplyFleetRequest& request) {
    return server.Send<v1::ApplyFleetResponse>("FleetService/ApplyFleet", request);
  }
  void ExpectOnce(const v1::ApplyFleetRequest& request) {
    auto [first, second] =
        Meet([&] { return Apply(a, request); }, [&] { return Apply(b, request); });
    ASSERT_OK(first);
    ASSERT_OK(second);
    EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
    // Sent once more, when all of it is long done.
    auto third = Apply(b, request);
    ASSERT_OK(third);
    EXPECT_EQ(first->SerializeAsString(), third->SerializeAsString());
    ExpectBalanced();
  }
};

TEST_P(FleetRaces, StepsThatMakeNewThingsAreCarriedOutOnce) {
  v1::ApplyFleetRequest request = Once();
  request.add_steps()->mutable_create_org()->set_name("gamma");
  AddNode(request);
  ExpectOnce(request);
  EXPECT_EQ(a.Events("kind=org_created org=gamma").size(), 1u);
  EXPECT_EQ(a.Events("kind=node_created").size(), 1u);
}

TEST_P(FleetRaces, StepsThatCouldBeRepeatedAreCarriedOutOnce) {
  v1::ApplyFleetRequest request = Once();
  v1::UpdateHostRequest& update = *request.add_steps()->mutable_update_host();
  update.set_host("host-1");
  update.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  const int64_t version = a.Host("host-1").version();
  ExpectOnce(request);
  EXPECT_EQ(a.Host("host-1").version(), version + 1);
}

TEST_P(FleetRaces, StepsThatTakeTheLastPlaceAreCarriedOutOnce) {
  for (const char* host : {"host-1", "host-2", "host-3"}) ASSERT_OK(Limit(a, host, 1));
  ASSERT_OK(Limit(a, "host-2", 2));
  v1::ApplyFleetRequest request = Once();
  AddNode(request);
  ExpectOnce(request);
  EXPECT_EQ(BooksOf("host-2"), (Books{1, Needs(2, 4, 100)}));
}

TEST_P(FleetRaces, StepsThatTakeTheRestOfAQuotaAreCarriedOutOnce) {
  v1::SetQuotaRequest quota;
  quota.set_org("acme");
  quota.mutable_set()->set_node_count(1);
  ASSERT_OK(a.Send<v1::SetQuotaResponse>("OrgService/SetQuota", quota));
  v1::ApplyFleetRequest request = Once();
  AddNode(request);
  ExpectOnce(request);
}

// Only the key of the request is left to meet at.
TEST_P(FleetRaces, ARequestWithoutStepsIsOneToo) { ExpectOnce(Once()); }

TEST_P(FleetRaces, AnotherRequestUnderTheSameIdIsRefused) {
  v1::ApplyFleetRequest one = Once();
  one.add_steps()->mutable_create_org()->set_name("gamma");
  v1::ApplyFleetRequest other = Once();
  other.add_steps()->mutable_create_org()->set_name("delta");
  auto [first, second] = Meet([&] { return Apply(a, one); }, [&] { return Apply(b, other); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kInvalidArgument, "REQUEST_ID_REUSED");
  EXPECT_TRUE(a.Events("kind=org_created org=delta").empty());
}

TEST_P(Races, ADeleteThatWaitsForAnUpgradeGivesBackWhatTheUpgradeLeft) {
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] =
      Meet([&] { return a.Upgrade({"n"}, kTwo); }, [&] { return b.Delete("n"); });
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(BooksOf("host-1"), Books{});
  EXPECT_TRUE(a.Commands("node=n state=open").empty());
  ExpectBalanced();
}

TEST_P(Races, AnUpgradeThatWaitsForADeleteIsRefused) {
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] =
      Meet([&] { return a.Delete("n"); }, [&] { return b.Upgrade({"n"}, kTwo); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kNotFound, "NODE_NOT_FOUND");
  EXPECT_EQ(BooksOf("host-1"), Books{});
  EXPECT_TRUE(a.Events("kind=upgrade_started").empty());
  ExpectBalanced();
}

TEST_P(Races, ACreateDoesNotTakeTheLastCoresThatAnUpgradeTook) {
  ASSERT_OK(Limit(a, "host-1", 4));
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] = Meet([&] { return a.Upgrade({"n"}, kTwo); },
                              [&] { return b.Create("m", "host-1", "1.0.0"); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kResourceExhausted, "HOST_FULL");
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(4, 8, 200)}));
  ExpectBalanced();
}

TEST_P(Races, AnUpgradeDoesNotTakeTheLastCoresThatACreateTook) {
  ASSERT_OK(Limit(a, "host-1", 4));
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] = Meet([&] { return a.Create("m", "host-1", "1.0.0"); },
                              [&] { return b.Upgrade({"n"}, kTwo); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kResourceExhausted, "HOST_CAPACITY_EXCEEDED");
  EXPECT_EQ(BooksOf("host-1"), (Books{2, Needs(4, 8, 200)}));
  ExpectBalanced();
}

TEST_P(Races, TwoCreatesOnTheLastCoresGiveThemOnce) {
  ASSERT_OK(Limit(a, "host-1", 2));
  auto [first, second] = Meet([&] { return a.Create("n", "host-1", "1.0.0"); },
                              [&] { return b.Create("m", "host-1", "1.0.0"); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kResourceExhausted, "HOST_FULL");
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(2, 4, 100)}));
  ExpectBalanced();
}

// The host that was the best place before the wait is full after it; another one has room.
TEST_P(Races, APlacementThatWaitedLooksAgain) {
  ASSERT_OK(Limit(a, "host-1", 3));
  ASSERT_OK(Limit(a, "host-2", 2));
  ASSERT_OK(Limit(a, "host-3", 1));
  ASSERT_OK(
      a.Create("old", "host-2", "1.0.0"));  // host-2 is full, host-3 too small: host-1 is left
  auto [first, second] = Meet([&] { return a.Create("n", "host-1", "3.0.0"); },
                              [&] { return Place(b, "m", "1.0.0"); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kResourceExhausted, "NO_HOST_FITS");
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(3, 6, 150)}));
  ExpectBalanced();
}

TEST_P(Races, APlacementThatWaitedFindsAnotherPlace) {
  ASSERT_OK(Limit(a, "host-1", 3));
  ASSERT_OK(Limit(a, "host-3", 1));
  ASSERT_OK(a.Create("old", "host-2", "1.0.0"));  // so that host-1, which is empty, is the best
  auto [first, second] = Meet([&] { return a.Create("n", "host-1", "3.0.0"); },
                              [&] { return Place(b, "m", "1.0.0"); });
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(a.Node("m").host(), "host-2");
  ExpectBalanced();
}

TEST_P(Races, OneNameIsGivenOnce) {
  auto [first, second] = Meet([&] { return a.Create("n", "host-1", "1.0.0"); },
                              [&] { return b.Create("n", "host-1", "1.0.0"); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kAlreadyExists, "NODE_NAME_TAKEN");
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(2, 4, 100)}));
  ExpectBalanced();
}

class MoveRaces : public Races {
 protected:
  void SetUp() override {
    Races::SetUp();
    v1::CreateOrgRequest org;
    org.set_name("other");
    ASSERT_OK(a.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org));
    ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
    a.Obey("n");
  }

  Books UsageOf(const std::string& org) {
    v1::GetOrgRequest request;
    request.set_org(org);
    auto answer = a.Send<v1::GetOrgResponse>("OrgService/GetOrg", request);
    EXPECT_TRUE(answer.has_value());
    return answer ? FromMessage(answer->usage()) : Books{};
  }
};

TEST_P(MoveRaces, AMoveThatWaitsForAnUpgradeSeesTheTransition) {
  auto [first, second] =
      Meet([&] { return a.Upgrade({"n"}, kTwo); }, [&] { return Move(b, "n", "other"); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kFailedPrecondition, "TRANSITION_OPEN");
  EXPECT_EQ(UsageOf("acme"), (Books{1, Needs(4, 8, 200)}));
  EXPECT_EQ(UsageOf("other"), Books{});
  ExpectBalanced();
}

// Fault 15 by a race: the image was visible to the org that the node was in when it was looked up.
TEST_P(MoveRaces, F15_AnUpgradeThatWaitsForAMoveAsksForTheNewOrg) {
  v1::CreateImagesRequest images;
  auto* spec = images.add_images();
  spec->set_protocol("chain");
  spec->set_variant("full");
  spec->set_semantic_version("7.0.0");
  spec->set_image_uri("docker://private");
  spec->set_org("acme");
  spec->mutable_minimum()->set_cpu_cores(1);
  spec->mutable_minimum()->set_memory_bytes(kGiga);
  spec->mutable_minimum()->set_disk_bytes(kGiga);
  ASSERT_OK(a.Send<v1::CreateImagesResponse>("CatalogService/CreateImages", images));
  auto [first, second] = Meet([&] { return Move(a, "n", "other"); },
                              [&] { return b.Upgrade({"n"}, "chain/full@7.0.0"); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kNotFound, "IMAGE_NOT_FOUND");
  EXPECT_EQ(UsageOf("acme"), Books{});
  EXPECT_EQ(UsageOf("other"), (Books{1, Needs(2, 4, 100)}));
  ExpectBalanced();
}

class RepairRaces : public Races {
 protected:
  void SetUp() override {
    Races::SetUp();
    ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
    ASSERT_OK(a.Create("m", "host-1", "1.0.0"));
    database->Sql("UPDATE hosts SET node_cpu_cores = node_cpu_cores + 7 WHERE name = 'host-1'");
  }

  int Corrections() {
    int count = 0;
    const v1::ListLedgerResponse ledger = a.Ledger("host-1");
    for (const v1::LedgerEntry& entry : ledger.entries()) {
      count += entry.kind() == v1::LEDGER_KIND_DRIFT_CORRECTION ? 1 : 0;
    }
    return count;
  }
};

TEST_P(RepairRaces, AnUpgradeThatWaitsForARepairStandsOnWhatItMended) {
  auto [first, second] = Meet([&] { return a.Repair(); }, [&] { return b.Upgrade({"n"}, kTwo); });
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(BooksOf("host-1"), (Books{2, Needs(6, 12, 300)}));
  EXPECT_EQ(Corrections(), 1);
  EXPECT_EQ(b.metrics.drift_found, 0) << "there was none left to find";
  ExpectBalanced();
}

// Fault 10: a repair that wrote what it had summed before the wait would erase the upgrade.
TEST_P(RepairRaces, F10_ARepairThatWaitsForAnUpgradeDoesNotEraseIt) {
  auto [first, second] = Meet([&] { return a.Upgrade({"n"}, kTwo); }, [&] { return b.Repair(); });
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(BooksOf("host-1"), (Books{2, Needs(6, 12, 300)}));
  EXPECT_EQ(Corrections(), 1) << "whoever came first settled it";
  ExpectBalanced();
}

TEST_P(Races, AnUpgradeThatWaitsForALoweredCapacityIsMeasuredByIt) {
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] =
      Meet([&] { return Limit(a, "host-1", 3); }, [&] { return b.Upgrade({"n"}, kTwo); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kResourceExhausted, "HOST_CAPACITY_EXCEEDED");
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(2, 4, 100)}));
  ExpectBalanced();
}

TEST_P(Races, F16_ACapacityThatIsLoweredDuringAnUpgradeSaysWhatIsOver) {
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  auto [first, second] =
      Meet([&] { return a.Upgrade({"n"}, kTwo); }, [&] { return Limit(b, "host-1", 3); });
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_GT(second->warnings_size(), 0) << "without the upgrade it would have fitted";
  EXPECT_EQ(BooksOf("host-1"), (Books{1, Needs(4, 8, 200)}));
  ExpectBalanced();
}

// Fault 9, forced: somebody holds both hosts until two batches that name them in opposite order
// both wait, then lets go of one after the other. Had they locked in the order of the request, each
// would now hold what the other one waits for.
TEST_P(Races, F9_BatchesOverTheSameHostsInOppositeOrderBothSucceed) {
  for (const char* node : {"a1", "b1"}) ASSERT_OK(a.Create(node, "host-1", "1.0.0"));
  for (const char* node : {"a2", "b2"}) ASSERT_OK(a.Create(node, "host-2", "1.0.0"));
  auto first_host = database->LockHost("host-1");
  auto second_host = database->LockHost("host-2");
  auto one = InThread([&] { return a.Upgrade({"a1", "a2"}, kTwo); });
  ASSERT_TRUE(WaitUntil([&] { return database->Waiting() == 1; }));
  auto two = InThread([&] { return b.Upgrade({"b2", "b1"}, kThree); });
  ASSERT_TRUE(WaitUntil([&] { return database->Waiting() == 2; }));
  first_host.reset();
  ASSERT_TRUE(WaitUntil([&] { return database->Waiting() == 2 || IsReady(one); }));
  EXPECT_FALSE(IsReady(one));
  second_host.reset();
  ASSERT_OK(one.get());
  ASSERT_OK(two.get());
  EXPECT_EQ(BooksOf("host-1"), (Books{2, Needs(7, 14, 350)}));
  EXPECT_EQ(BooksOf("host-2"), (Books{2, Needs(7, 14, 350)}));
  ExpectBalanced();
}

// The hosts differ: only the org's quota is what both want.
class QuotaRaces : public Races {
 protected:
  Result<v1::SetQuotaResponse> SetNodes(Server& server, int64_t count) {
    v1::SetQuotaRequest request;
    request.set_org("acme");
    request.mutable_set()->set_node_count(count);
    return server.Send<v1::SetQuotaResponse>("OrgService/SetQuota", request);
  }
  int64_t NodeCount() {
    v1::GetOrgRequest request;
    request.set_org("acme");
    auto answer = a.Send<v1::GetOrgResponse>("OrgService/GetOrg", request);
    EXPECT_TRUE(answer.has_value());
    return answer ? answer->usage().node_count() : -1;
  }
};

TEST_P(QuotaRaces, TwoCreatesDoNotBothTakeTheLastOfAQuota) {
  ASSERT_OK(SetNodes(a, 1));
  auto [first, second] = Meet([&] { return a.Create("n", "host-1", "1.0.0"); },
                              [&] { return b.Create("m", "host-2", "1.0.0"); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kResourceExhausted, "QUOTA_EXCEEDED");
  EXPECT_EQ(NodeCount(), 1);
}

TEST_P(QuotaRaces, AnUpgradeDoesNotTakeWhatACreateTook) {
  ASSERT_OK(a.Create("n", "host-1", "1.0.0"));
  v1::SetQuotaRequest request;
  request.set_org("acme");
  request.mutable_set()->set_cpu_cores(4);
  ASSERT_OK(a.Send<v1::SetQuotaResponse>("OrgService/SetQuota", request));
  auto [first, second] = Meet([&] { return a.Create("m", "host-2", "1.0.0"); },
                              [&] { return b.Upgrade({"n"}, kTwo); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kResourceExhausted, "QUOTA_EXCEEDED");
}

// It found no quota, so it locked none.
TEST_P(QuotaRaces, AFirstQuotaWaitsForACreateThatFoundNone) {
  auto [first, second] =
      Meet([&] { return a.Create("n", "host-1", "1.0.0"); }, [&] { return SetNodes(b, 1); });
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(second->org().taken().node_count(), 1) << "what was on its way is counted";
  EXPECT_REFUSED(a.Create("m", "host-2", "1.0.0"), Code::kResourceExhausted, "QUOTA_EXCEEDED");
}

TEST_P(QuotaRaces, ACreateThatWaitsForAFirstQuotaIsMeasuredByIt) {
  auto [first, second] =
      Meet([&] { return SetNodes(a, 0); }, [&] { return b.Create("n", "host-1", "1.0.0"); });
  ASSERT_OK(first);
  EXPECT_REFUSED(second, Code::kResourceExhausted, "QUOTA_EXCEEDED");
  EXPECT_EQ(NodeCount(), 0);
}

TEST_P(QuotaRaces, ManyCreatesAtOnceFillAQuotaExactly) {
  constexpr int kQuota = 7;
  ASSERT_OK(SetNodes(a, kQuota));
  std::vector<std::future<int>> threads;
  for (int i = 0; i < 6; ++i) {
    threads.push_back(InThread([this, i] {
      Server& server = i % 2 == 0 ? a : b;
      int made = 0;
      for (int n = 0; n < 4;) {
        const std::string name = "n" + std::to_string(i) + "-" + std::to_string(n);
        auto created = server.Create(name, "host-" + std::to_string(1 + (i + n) % 3), "1.0.0");
        if (!created && created.error().code == Code::kUnavailable) continue;
        ++n;
        made += created ? 1 : 0;
        if (!created) {
          EXPECT_EQ(created.error().reason, "QUOTA_EXCEEDED") << created.error().message;
        }
      }
      return made;
    }));
  }
  int made = 0;
  for (auto& thread : threads) made += thread.get();
  EXPECT_EQ(made, kQuota);
  EXPECT_EQ(NodeCount(), kQuota);
  ExpectBalanced();
}

#define RACE_ON_ALL_DATABASES(Fixture)                                                 \
  INSTANTIATE_TEST_SUITE_P(                                                            \
      On, Fixture,                                                                     \
      testing::Values(SharedSqlite(), SharedPostgres(), SharedPostgresSerializable()), \
      [](const auto& parameter) { return parameter.param.name; })
RACE_ON_ALL_DATABASES(Races);
RACE_ON_ALL_DATABASES(FleetRaces);
RACE_ON_ALL_DATABASES(MoveRaces);
RACE_ON_ALL_DATABASES(RepairRaces);
RACE_ON_ALL_DATABASES(QuotaRaces);

}  // namespace
}  // namespace tallyman
