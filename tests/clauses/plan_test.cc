// What a plan shows, and what makes its token worthless.
#include "clauses/around.h"

namespace tallyman {
namespace {

class Plans : public Around {};

TEST_F(Plans, APlanTokenHoldsTheCapacityThatThePlanShowed) {
  auto plan = room.Upgrade({"a"}, "chain/full@2.0.0", "", "", true);
  ASSERT_OK(plan);
  v1::UpdateHostRequest update;
  update.set_host("host-1");
  update.mutable_capacity()->set_cpu_cores(65);
  update.mutable_capacity()->set_memory_bytes(256 * kGiga);
  update.mutable_capacity()->set_disk_bytes(10'000 * kGiga);
  ASSERT_OK(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", update));
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@2.0.0", "", plan->changes().plan_token()),
                 Code::kAborted, "PLAN_STALE");
}

TEST_F(Plans, APlanTokenHoldsTheConfigThatThePlanStartedFrom) {
  room.AddImage("5.0.0", Needs(2, 4, 100), {{"network", "", "main", {}}});
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@5.0.0"));
  auto plan = room.Upgrade({"a"}, "chain/full@2.0.0", "", "", true);
  ASSERT_OK(plan);
  ASSERT_OK(room.Set("a", "network", "test"));  // moves no number
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@2.0.0", "", plan->changes().plan_token()),
                 Code::kAborted, "PLAN_STALE");
}

TEST_F(Plans, APlanTokenHoldsTheCommandsThatThePlanWithdraws) {
  room.AddImage("5.0.0", Needs(1, 2, 50));
  room.Obey("a");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@5.0.0"));
  auto plan = room.Upgrade({"a"}, "chain/full@2.0.0", "", "", true);
  ASSERT_OK(plan);
  ASSERT_EQ(plan->changes().nodes(0).withdrawn_command_ids_size(), 1);
  // The host takes the smaller one meanwhile: all numbers stay, but it will be executed.
  room.Sql("UPDATE commands SET state = 'taken' WHERE kind = 'node_upgrade'");
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@2.0.0", "", plan->changes().plan_token()),
                 Code::kAborted, "PLAN_STALE");
}

TEST_F(Plans, APlanShowsTheDriftThatItWouldHeal) {
  room.Sql("UPDATE hosts SET node_cpu_cores = 50 WHERE name = 'host-1'");
  std::string before = room.Dump();
  auto plan = room.Upgrade({"a"}, "chain/full@2.0.0", "", "", true);
  ASSERT_OK(plan);
  EXPECT_EQ(room.Dump(), before);
  ASSERT_EQ(plan->changes().hosts(0).corrections_size(), 1);
  EXPECT_EQ(plan->changes().hosts(0).books_after().allocated().cpu_cores(), 4);
  auto done = room.Upgrade({"a"}, "chain/full@2.0.0", "", plan->changes().plan_token());
  ASSERT_OK(done);
  EXPECT_EQ(done->changes().hosts(0).corrections_size(), 1);
  room.ExpectBalanced();
}

TEST_F(Plans, APlanAlreadySaysThatANameIsTaken) {
  v1::CreateNodesRequest create;
  create.set_image("chain/full@1.0.0");
  create.set_org("acme");
  create.set_name("a");
  create.set_dry_run(true);
  auto* on = create.mutable_by_hosts()->add_hosts();
  on->set_host("host-2");
  on->set_count(1);
  EXPECT_REFUSED(room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", create),
                 Code::kAlreadyExists, "NODE_NAME_TAKEN");
}

}  // namespace
}  // namespace tallyman
