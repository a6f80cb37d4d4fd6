// Faults that real control planes have, each named by its number in docs/requirements.md.
#include <algorithm>
#include <iostream>
#include <thread>

#include "base/random.h"
#include "support/api_room.h"

namespace tallyman {
namespace {

class Faults : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(2);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    room.AddImage("2.0.0", Needs(4, 8, 200));
    room.AddImage("3.0.0", Needs(3, 6, 150));
  }

  ApiRoom room;
};

TEST_F(Faults, F1_TheSameNodeUpgradedByManyAtOnceIsChargedOnce) {
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  std::vector<std::thread> clients;
  std::atomic<int> done{0}, refused{0};
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&, i] {
      auto answer = room.Upgrade({"a"}, i % 2 == 0 ? "chain/full@2.0.0" : "chain/full@3.0.0");
      if (answer.has_value()) {
        ++done;
      } else {
        EXPECT_EQ(answer.error().reason, "UPGRADE_SAME_IMAGE");
        ++refused;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(done + refused, 16);
  EXPECT_EQ(FromMessage(room.Host("host-1").books().allocated()),
            FromMessage(room.Node("a").resources()));
  EXPECT_EQ(room.Events("kind=upgrade_started node=a").size(), static_cast<size_t>(done));
  room.ExpectBalanced();
}

TEST_F(Faults, F8_ABatchSeesItsOwnEarlierNodesOnTheHost) {
  room.AddImage("9.0.0", Needs(40, 8, 200));
  v1::UpdateHostRequest enforce;
  enforce.set_host("host-1");
  enforce.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  ASSERT_OK(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", enforce));
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  ASSERT_OK(room.Create("b", "host-1", "1.0.0"));
  std::string before = room.Dump();
  // Each fits alone; both together do not.
  auto answer = room.Upgrade({"a", "b"}, "chain/full@9.0.0");
  EXPECT_REFUSED(answer, Code::kResourceExhausted, "HOST_CAPACITY_EXCEEDED");
  EXPECT_EQ(answer.error().Fact("need"), "76");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Faults, F9_OverlappingBatchesInOppositeOrderAllSucceed) {
  auto created = room.AddNodes("1.0.0", "n", 40);
  ASSERT_OK(created);
  std::vector<std::string> forward, backward;
  for (const control::NodeChange& node : created->nodes) forward.push_back(node.node);
  backward.assign(forward.rbegin(), forward.rend());
  std::atomic<int> failed{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round) {
        auto answer = room.Upgrade(i % 2 == 0 ? forward : backward,
                                   (i + round) % 2 == 0 ? "chain/full@2.0.0" : "chain/full@3.0.0");
        if (!answer && answer.error().reason != "UPGRADE_SAME_IMAGE") ++failed;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(failed, 0);
  room.ExpectBalanced();
}

TEST_F(Faults, F12_ChangingAPropertyThatCarriesResourcesChangesThemNow) {
  room.AddImage("4.0.0", Needs(2, 4, 100), {{"archive", "", "off", Needs(1, 0, 500)}});
  room.AddImage("5.0.0", Needs(2, 4, 100), {{"archive", "", "off", Needs(1, 0, 500)}});
  ASSERT_OK(room.Create("a", "host-1", "4.0.0"));
  room.Obey("a");
  ASSERT_OK(room.Set("a", "archive", "on"));
  EXPECT_EQ(FromMessage(room.Node("a").resources()), Needs(3, 4, 600));
  EXPECT_EQ(FromMessage(room.Host("host-1").books().allocated()), Needs(3, 4, 600));
  EXPECT_EQ(room.Commands("node=a kind=node_update state=open").size(), 1u);
  room.ExpectBalanced();
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@5.0.0"));
  EXPECT_EQ(FromMessage(room.Node("a").resources()), Needs(3, 4, 600))
      << "the upgrade makes nothing jump";
  room.ExpectBalanced();
}

TEST_F(Faults, F13_OverflowEndsTheRequestNotTheProcess) {
  room.AddImage("4.0.0", {2, 1, 1}, {{"big", "", "", {std::numeric_limits<int64_t>::max(), 0, 0}}});
  EXPECT_REFUSED(room.Create("a", "host-1", "4.0.0", {{"big", "x"}}), Code::kOutOfRange,
                 "RESOURCE_OVERFLOW");
  ASSERT_OK(room.Create("b", "host-1", "1.0.0"));
}

TEST_F(Faults, F14_ACommandKeepsTheConfigItWasMadeFor) {
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  std::string config = room.Node("a").config_id();
  auto command = room.Commands("node=a kind=node_upgrade")[0];
  EXPECT_EQ(command.to_config_id(), config);
  std::string payload = room.Payload(command);
  EXPECT_NE(payload.find(config), std::string::npos);
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@3.0.0"));
  EXPECT_EQ(room.Payload(command), payload);
}

TEST_F(Faults, F15_APrivateImageOfOneOrgIsNotPutOntoAnothersNodes) {
  v1::CreateOrgRequest org;
  org.set_name("other");
  ASSERT_OK(room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org));
  v1::CreateImagesRequest images;
  auto* spec = images.add_images();
  spec->set_protocol("chain");
  spec->set_variant("full");
  spec->set_semantic_version("7.0.0");
  spec->set_image_uri("docker://private");
  spec->set_org("other");
  *spec->mutable_minimum() =
      room.Send<v1::ListImagesResponse>("CatalogService/ListImages", v1::ListImagesRequest())
          ->images(0)
          .minimum();
  ASSERT_OK(room.Send<v1::CreateImagesResponse>("CatalogService/CreateImages", images));
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  std::string before = room.Dump();
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@7.0.0"), Code::kNotFound, "IMAGE_NOT_FOUND");
  EXPECT_REFUSED(room.Create("b", "host-1", "7.0.0"), Code::kNotFound, "IMAGE_NOT_FOUND");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Faults, F17_LogAndLedgerOutliveTheNode) {
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  std::string id = room.Node("a").id();
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  ASSERT_OK(room.Delete("a"));
  std::vector<std::string> kinds;
  for (const v1::Event& event : room.Events("node=" + id)) kinds.push_back(event.kind());
  EXPECT_EQ(kinds, (std::vector<std::string>{"node_created", "upgrade_started", "node_deleted"}));
  auto ledger = room.Ledger("host-1");
  ASSERT_EQ(ledger.entries_size(), 3);
  EXPECT_EQ(ledger.entries(2).kind(), v1::LEDGER_KIND_RELEASE);
  EXPECT_EQ(ledger.entries(2).node(), "a");
  EXPECT_EQ(FromMessage(ledger.total()), (Books{}));
}

TEST_F(Faults, F19_TheCountersAreInTheApi) {
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  v1::Host host = room.Host("host-1");
  EXPECT_EQ(FromMessage(host.books()), (Books{1, Needs(2, 4, 100)}));
  EXPECT_EQ(FromMessage(host.free()), Needs(62, 252, 9'900));
  EXPECT_EQ(FromMessage(host.capacity()), Needs(64, 256, 10'000));
}

// Many clients, one invariant: whatever was acknowledged is there, and everything adds up.
TEST_F(Faults, F20_ManyClientsOnTheSameNodesAndHosts) {
  constexpr uint64_t kSeed = 20261123;
  std::cout << "seed " << kSeed << "\n";
  ASSERT_OK(room.AddNodes("1.0.0", "n", 12));
  std::atomic<int64_t> upgrades{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      SeededRandom random(kSeed + static_cast<uint64_t>(c));
      for (int i = 0; i < 40; ++i) {
        std::string node = "n-" + std::to_string(1 + random.Next() % 12);
        switch (random.Next() % 8) {
          case 0:
            std::ignore = room.Delete(node);
            break;
          case 1:
            std::ignore = room.Create(node, random.Next() % 2 == 0 ? "host-1" : "host-2", "1.0.0");
            break;
          default:
            if (room.Upgrade({node}, "chain/full@" + std::to_string(1 + random.Next() % 3) + ".0.0")
                    .has_value())
              ++upgrades;
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  room.ExpectBalanced();
  EXPECT_EQ(room.Send<v1::ListEventsResponse>("EventService/ListEvents",
                                              [] {
                                                v1::ListEventsRequest request;
                                                request.set_filter("kind=upgrade_started");
                                                request.set_page_size(1000);
                                                return request;
                                              }())
                ->events_size(),
            upgrades);
}

}  // namespace
}  // namespace tallyman
