// Two servers, each with its own combiner, on one database; makes their transactions conflict.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "tests/support/server.h"
#include "tests/support/shared_database.h"
#include "tests/support/wait.h"

namespace tallyman {

// A fleet of three hosts of 64 cores and images chain/full@1.0.0 (2 cores), 2.0.0 (4), 3.0.0 (3).
class Races : public testing::TestWithParam<DatabaseParameter> {
 protected:
  void SetUp() override {
    a.AddFleet(3);
    a.AddImage("1.0.0", Needs(2, 4, 100));
    a.AddImage("2.0.0", Needs(4, 8, 200));
    a.AddImage("3.0.0", Needs(3, 6, 150));
    decided_by_set_up = a.store.decided();
  }
  void TearDown() override {
    a.store.Open();
    b.store.Open();
  }

  template <class Work>
  static auto InThread(Work work) {
    return std::async(std::launch::async, std::move(work));
  }
  template <class Future>
  static bool IsReady(const Future& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  // Server a stops in the middle of `first`, with its rows locked and its decision made. Then
  // `second` begins on server b, which has to wait for those locks; then both continue.
  template <class First, class Second>
  auto Meet(First first, Second second) {
    const int64_t decided = a.store.decided();
    const int64_t decided_b = b.store.decided();
    a.store.Shut();
    auto one = InThread(std::move(first));
    EXPECT_TRUE(WaitUntil([&] { return a.store.decided() > decided || IsReady(one); }));
    auto two = InThread(std::move(second));
    EXPECT_TRUE(WaitUntil(
        [&] { return database->Waiting() > 0 || b.store.decided() > decided_b || IsReady(two); }));
    EXPECT_EQ(b.store.decided(), decided_b) << "the second decided beside the first";
    EXPECT_FALSE(IsReady(two)) << "the second did not wait for the first";
    a.store.Open();
    auto answer_one = one.get();
    auto answer_two = two.get();
    return std::pair(std::move(answer_one), std::move(answer_two));
  }

  Result<v1::UpdateHostResponse> Limit(Server& server, const std::string& host, int64_t cores) {
    v1::UpdateHostRequest request;
    request.set_host(host);
    request.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
    request.mutable_capacity()->set_cpu_cores(cores);
    request.mutable_capacity()->set_memory_bytes(256 * kGiga);
    request.mutable_capacity()->set_disk_bytes(10'000 * kGiga);
    return server.Send<v1::UpdateHostResponse>("HostService/UpdateHost", request);
  }

  Result<v1::MoveNodesResponse> Move(Server& server, const std::string& node,
                                     const std::string& org) {
    v1::MoveNodesRequest request;
    request.add_nodes(node);
    request.set_org(org);
    return server.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", request);
  }

  // In a region, wherever there is room, best place first.
  Result<v1::CreateNodesResponse> Place(Server& server, const std::string& name,
                                        const std::string& version) {
    v1::CreateNodesRequest request;
    request.set_image("chain/full@" + version);
    request.set_org("acme");
    request.set_name(name);
    request.mutable_by_region()->set_region("eu");
    return server.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", request);
  }

  Books BooksOf(const std::string& host) { return FromMessage(a.Host(host).books()); }
  // What the host's ledger adds up to, entry by entry, must end at its books.
  void ExpectBalanced() {
    a.ExpectBalanced();
    b.ExpectBalanced();
  }

  std::unique_ptr<SharedDatabase> database = GetParam().make();
  Server a{database->Open(), 1};
  Server b{database->Open(), 2};
  int64_t decided_by_set_up = 0;
};

}  // namespace tallyman
