// Many threads send random operations at once, with no model. At every pause the books must balance
// and everything that was acknowledged must be there, once.
//
//   TALLYMAN_ROUNDS=500   how many pauses
//   TALLYMAN_SEED=N       which operations; how they meet is up to the machine
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <random>
#include <set>
#include <thread>

#include "base/bytes.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/ledger.pb.h"
#include "tests/contract/backends.h"
#include "tests/differential/generator.h"
#include "tests/differential/side.h"

namespace tallyman {
namespace {

using namespace tallyman::api;

constexpr int kThreads = 8;
constexpr int kStepsPerRound = 25;
constexpr int kHosts = 6;
constexpr int kVersions = 6;
constexpr int kShared = 16;

// What one thread was told was done. Only it changes its own nodes.
struct Acknowledged {
  std::string node;             // its own, by name
  std::string image;            // that it was last upgraded to
  int64_t entries = 1;          // in the ledger: the create, and one for each change
  std::set<std::string> alive;  // nodes that it created
  std::set<std::string> gone;   // and those that it deleted
  std::set<std::string> going;  // their host has heard of them, and has not deleted them yet
  int64_t accepted = 0, refused = 0;
};

std::string ImageOf(int64_t version) { return "chain/full@1." + std::to_string(version) + ".0+1"; }

class Concurrent : public testing::TestWithParam<BackendParameter> {
 protected:
  void SetUp() override {
    const char* seed = std::getenv("TALLYMAN_SEED");
    seed_ = seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device()();
    const char* rounds = std::getenv("TALLYMAN_ROUNDS");
    if (rounds != nullptr) rounds_ = std::atoi(rounds);
    std::cout << "seed " << seed_ << ", " << rounds_ << " rounds" << std::endl;
    side_ = std::make_unique<Side>(GetParam(), true);
    side_->Begin(seed_);
    AddFleet();
  }

  template <class Response, class Request>
  Response Must(const std::string& method, const Request& request) {
    Heard reply = side_->Send(method, request, {});
    EXPECT_TRUE(reply.message != nullptr) << method << ": " << reply.ToText();
    if (reply.message == nullptr) return Response();
    return dynamic_cast<Response&>(*reply.message);
  }

  void AddFleet() {
    for (const char* name : {"acme", "beta"}) {
      v1::CreateOrgRequest org;
      org.set_name(name);
      Must<v1::CreateOrgResponse>("OrgService/CreateOrg", org);
    }
    v1::CreateRegionRequest region;
    region.set_name("eu");
    Must<v1::CreateRegionResponse>("RegionService/CreateRegion", region);
    v1::CreateHostsRequest hosts;
    for (int i = 1; i <= kHosts; ++i) {
      v1::HostSpec& spec = *hosts.add_hosts();
      spec.set_name("h" + std::to_string(i));
      spec.set_region("eu");
      *spec.mutable_capacity() = MessageOf(Resources{80, 300 * kGiga, 5000 * kGiga});
    }
    Must<v1::CreateHostsResponse>("HostService/CreateHosts", hosts);
    AddImages();
    for (int i = 0; i < kThreads; ++i) {
      own_[i].node = "own-" + std::to_string(i + 1);
      own_[i].image = ImageOf(0);
      AddNode(own_[i].node);
    }
    for (int i = 0; i < kShared; ++i) AddNode("shared-" + std::to_string(i));
  }

  void AddImages() {
    v1::CreateImagesRequest images;
    images.set_create_missing(true);
    for (int i = 0; i < kVersions; ++i) {
      v1::ImageSpec& spec = *images.add_images();
      spec.set_protocol("chain");
      spec.set_variant("full");
      spec.set_semantic_version("1." + std::to_string(i) + ".0");
      spec.set_image_uri("docker://chain");
      spec.mutable_committed_at()->set_seconds(1000 + i);
      // Up, down and back to where it was.
      *spec.mutable_minimum() =
          MessageOf(Resources{1 + i % 3, (1 + i % 4) * kGiga, (10 + 10 * (i % 2)) * kGiga});
      v1::Property& property = *spec.add_properties();
      property.set_key("archive");
      property.set_default_value(i % 2 == 0 ? "off" : "on");
      *property.mutable_add() = MessageOf(Resources{1, kGiga * i, 0});
    }
    Must<v1::CreateImagesResponse>("CatalogService/CreateImages", images);
  }

  void AddNode(const std::string& name) {
    v1::CreateNodesRequest request;
    request.set_image(ImageOf(0));
    request.set_org("acme");
    request.set_name(name);
    request.mutable_by_region()->set_region("eu");
    Must<v1::CreateNodesResponse>("NodeService/CreateNodes", request);
  }

  // The reply, or null where the operation was refused for a reason that a race may have.
  std::unique_ptr<google::protobuf::Message> Try(Acknowledged& mine, const std::string& method,
                                                 const google::protobuf::Message& request) {
    Heard reply = side_->Send(method, request, {});
    if (reply.message != nullptr) {
      ++mine.accepted;
      return std::move(reply.message);
    }
    ++mine.refused;
    Code code = reply.error->code;
    // Serializable transactions may lose every one of a bounded number of tries.
    EXPECT_TRUE(code == Code::kNotFound || code == Code::kAlreadyExists || code == Code::kAborted ||
                code == Code::kFailedPrecondition || code == Code::kResourceExhausted ||
                reply.error->reason == "DATABASE_CONFLICT")
        << "seed " << seed_ << ": " << method << " " << request.ShortDebugString()
        << " was refused: " << reply.ToText();
    return nullptr;
  }

  void OwnStep(Acknowledged& mine, Dice& dice) {
    if (dice.OneIn(4)) {
      v1::UpdateNodeRequest request;
      request.set_node(mine.node);
      (*request.mutable_set_values())["archive"] = dice.OneIn(2) ? "on" : "off";
      if (Try(mine, "NodeService/UpdateNode", request)) ++mine.entries;
      return;
    }
    v1::UpgradeNodesRequest request;
    request.add_nodes(mine.node);
    request.set_image(ImageOf(dice.Below(kVersions)));
    if (!Try(mine, "NodeService/UpgradeNodes", request)) return;
    mine.image = request.image();
    ++mine.entries;
  }

  std::string Shared(Dice& dice) { return "shared-" + std::to_string(dice.Below(kShared)); }

  void CreateOrDelete(Acknowledged& mine, Dice& dice) {
    if (mine.alive.size() < 4 || dice.OneIn(3)) {
      v1::CreateNodesRequest request;
      request.set_image(ImageOf(dice.Below(kVersions)));
      request.set_org("acme");
      request.set_count(dice.Between(1, 3));
      request.mutable_by_region()->set_region("eu");
      if (dice.OneIn(2)) request.mutable_by_region()->set_strategy(v1::PLACEMENT_STRATEGY_PACK);
      auto reply = Try(mine, "NodeService/CreateNodes", request);
      if (reply == nullptr) return;
      for (const auto& node : dynamic_cast<v1::CreateNodesResponse&>(*reply).changes().nodes())
        EXPECT_TRUE(mine.alive.insert(node.node_id()).second);
      return;
    }
    v1::DeleteNodesRequest request;
    std::string id = *mine.alive.begin();
    request.add_nodes(id);
    auto reply = Try(mine, "NodeService/DeleteNodes", request);
    if (reply == nullptr) return;
    mine.alive.erase(id);
    const auto& changes = dynamic_cast<v1::DeleteNodesResponse&>(*reply).changes();
    (changes.nodes(0).released() ? mine.gone : mine.going).insert(id);
  }

  void SharedStep(Acknowledged& mine, Dice& dice) {
    auto fill = [&](auto& request) {
      for (int64_t i = dice.Between(1, 6); i > 0; --i) request.add_nodes(Shared(dice));
    };
    switch (dice.Below(8)) {
      case 0: {
        v1::UpdateNodeRequest request;
        request.set_node(Shared(dice));
        (*request.mutable_set_values())["archive"] = dice.OneIn(2) ? "on" : "off";
        Try(mine, "NodeService/UpdateNode", request);
        return;
      }
      case 1: {
        v1::UpdateHostRequest request;
        request.set_host("h" + std::to_string(dice.Between(1, kHosts)));
        *request.mutable_capacity() =
            MessageOf(Resources{dice.Between(20, 90), 300 * kGiga, 5000 * kGiga});
        request.set_capacity_policy(dice.OneIn(3) ? v1::CAPACITY_POLICY_ENFORCE
                                                  : v1::CAPACITY_POLICY_DEFAULT);
        Try(mine, "HostService/UpdateHost", request);
        return;
      }
      case 2: {
        v1::MoveNodesRequest request;
        fill(request);
        request.set_org(dice.OneIn(2) ? "acme" : "beta");
        Try(mine, "NodeService/MoveNodes", request);
        return;
      }
      case 3: {
        v1::GetNodeRequest request;
        request.set_node(Shared(dice));
        auto reply = Try(mine, "NodeService/GetNode", request);
        if (reply == nullptr) return;
        const v1::Node& node = dynamic_cast<v1::GetNodeResponse&>(*reply).node();
        HostWorks(node);
        return;
      }
      case 4: {
        Try(mine, "AuditService/RepairDrift", v1::RepairDriftRequest());
        return;
      }
      default: {
        v1::UpgradeNodesRequest request;
        fill(request);
        request.set_image(ImageOf(dice.Below(kVersions)));
        Try(mine, "NodeService/UpgradeNodes", request);
        return;
      }
    }
  }

  // The node's host fetches its oldest command, and takes and carries it out. Others may have
  // withdrawn it meanwhile, or have reported for the same host: then nothing comes of it.
  void HostWorks(const v1::Node& node) {
    const PlainCaller host{
        .id = "agent." + node.host(), .org = "", .role = Role::kHost, .host_id = node.host_id()};
    Heard fetched = side_->Send("AgentService/FetchCommands", v1::FetchCommandsRequest(), host);
    ASSERT_FALSE(fetched.error.has_value()) << "seed " << seed_ << fetched.ToText();
    const auto& handed = dynamic_cast<v1::FetchCommandsResponse&>(*fetched.message);
    v1::ReportRequest request;
    request.set_sequence(handed.next_sequence());
    for (const v1::HandedCommand& command : handed.commands()) {
      if (command.node_id() != node.id()) continue;
      v1::Ack& ack = *request.add_acks();
      ack.set_command_id(command.command_id());
      ack.set_attempt(command.attempt());
      v1::Outcome& outcome = *request.add_outcomes();
      outcome.set_command_id(command.command_id());
      outcome.set_attempt(command.attempt());
      outcome.set_result(v1::OUTCOME_RESULT_OK);
      outcome.set_running_config_id(command.config_id());
      outcome.set_run_state(v1::RUN_STATE_RUNNING);
    }
    Heard reported = side_->Send("AgentService/Report", request, host);
    EXPECT_FALSE(reported.error.has_value()) << "seed " << seed_ << reported.ToText();
  }

  // The same request under the same id from every thread: it happens once.
  void SameStep(int thread, int round, Acknowledged& mine) {
    v1::CreateNodesRequest request;
    request.set_request_id("same-" + std::to_string(round));
    request.set_image(ImageOf(1));
    request.set_org("beta");
    request.set_name("same-" + std::to_string(round));
    request.mutable_by_region()->set_region("eu");
    auto reply = Try(mine, "NodeService/CreateNodes", request);
    same_answers_[thread] = reply == nullptr ? "" : Serialize(*reply);
  }

  void RunRound(int round) {
    side_->Begin(seed_ + static_cast<uint64_t>(round));
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([this, i, round] {
        Dice dice(seed_ * 1'000 + static_cast<uint64_t>(round * kThreads + i));
        Acknowledged& mine = own_[i];
        SameStep(i, round, mine);
        for (int step = 0; step < kStepsPerRound; ++step) {
          int64_t kind = dice.Below(4);
          if (kind == 0) {
            OwnStep(mine, dice);
          } else if (kind == 1) {
            CreateOrDelete(mine, dice);
          } else {
            SharedStep(mine, dice);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void CheckBooks() {
    auto audit = Must<v1::RunAuditResponse>("AuditService/RunAudit", v1::RunAuditRequest());
    EXPECT_TRUE(audit.balanced()) << audit.DebugString();
    EXPECT_EQ(audit.host_count(), kHosts);
    v1::ListNodesRequest all;
    all.set_page_size(1000);
    auto nodes = Must<v1::ListNodesResponse>("NodeService/ListNodes", all);
    EXPECT_EQ(nodes.next_page_token(), "");
    std::map<std::string, Books> sums;
    std::map<std::string, Resources> held;
    for (const v1::Node& node : nodes.nodes()) {
      Books& sum = sums[node.host()];
      sum = Plus(sum, {1, ValueOf(node.resources())});
      held[node.host()] = Plus(held[node.host()], ValueOf(node.held()));
    }
    for (int i = 1; i <= kHosts; ++i) {
      v1::GetHostRequest get;
      get.set_host("h" + std::to_string(i));
      auto host = Must<v1::GetHostResponse>("HostService/GetHost", get).host();
      EXPECT_EQ(Serialize(host.books()), Serialize(MessageOf(sums[host.name()])));
      EXPECT_EQ(Serialize(host.held()), Serialize(MessageOf(held[host.name()])));
      v1::ListLedgerRequest list;
      list.set_host(host.name());
      list.set_page_size(1);
      auto ledger = Must<v1::ListLedgerResponse>("LedgerService/ListLedger", list);
      EXPECT_EQ(Serialize(ledger.total()), Serialize(host.books()));
      EXPECT_EQ(ledger.entry_count(), host.ledger_seq());
    }
  }

  void CheckAcknowledged(int round) {
    for (const Acknowledged& mine : own_) {
      v1::GetNodeRequest get;
      get.set_node(mine.node);
      auto node = Must<v1::GetNodeResponse>("NodeService/GetNode", get).node();
      EXPECT_EQ(node.image(), mine.image) << mine.node;
      v1::ListLedgerRequest list;
      list.set_node(mine.node);
      list.set_page_size(1);
      auto ledger = Must<v1::ListLedgerResponse>("LedgerService/ListLedger", list);
      EXPECT_EQ(ledger.entry_count(), mine.entries) << mine.node;
      for (const std::string& id : mine.alive) ExpectThere(id, true);
      for (const std::string& id : mine.gone) ExpectThere(id, false);
      for (const std::string& id : mine.going)
        EXPECT_EQ(ExpectThere(id, true).next_state(), v1::NEXT_STATE_DELETING) << id;
    }
    // It may have been refused for want of room, and accepted when it was sent again.
    std::set<std::string> answers(same_answers_.begin(), same_answers_.end());
    answers.erase("");
    EXPECT_LE(answers.size(), 1U) << "one request id, two answers";
    v1::GetNodeRequest get;
    get.set_node("same-" + std::to_string(round));
    Heard same = side_->Send("NodeService/GetNode", get, {});
    EXPECT_EQ(same.message != nullptr, !answers.empty()) << same.ToText();
  }

  v1::Node ExpectThere(const std::string& id, bool there) {
    v1::GetNodeRequest get;
    get.set_node(id);
    auto node = Must<v1::GetNodeResponse>("NodeService/GetNode", get).node();
    EXPECT_EQ(!node.has_deleted_at(), there) << node.DebugString();
    return node;
  }

  uint64_t seed_ = 0;
  int rounds_ = 6;
  std::unique_ptr<Side> side_;
  std::array<Acknowledged, kThreads> own_;
  std::array<std::string, kThreads> same_answers_;
};

TEST_P(Concurrent, WhatWasAcknowledgedIsThereAndTheBooksBalance) {
  for (int round = 1; round <= rounds_ && !HasFailure(); ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed_) + ", round " + std::to_string(round));
    RunRound(round);
    CheckBooks();
    CheckAcknowledged(round);
  }
  int64_t accepted = 0, refused = 0;
  for (const Acknowledged& mine : own_) {
    accepted += mine.accepted;
    refused += mine.refused;
  }
  std::cout << accepted << " accepted, " << refused << " refused" << std::endl;
  EXPECT_GT(accepted, refused);
}

RUN_ON_ALL_BACKENDS(Concurrent);

}  // namespace
}  // namespace tallyman
