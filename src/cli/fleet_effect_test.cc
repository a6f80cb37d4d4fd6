#include "cli/fleet_effect.h"

#include <gtest/gtest.h>

namespace tallyman::cli {
namespace {

void AddHost(const char* name, int64_t before, int64_t after, v1::Changes& changes) {
  v1::HostChange& host = *changes.add_hosts();
  host.set_host(name);
  host.mutable_books_before()->set_node_count(before);
  host.mutable_books_after()->set_node_count(after);
  host.mutable_difference()->set_node_count(after - before);
}

TEST(FleetEffect, GoesFromBeforeTheFirstStepToAfterTheLast) {
  v1::ApplyFleetResponse response;
  response.set_plan_token("t");
  v1::Changes& first = *response.add_results()->mutable_upgrade_nodes()->mutable_changes();
  v1::NodeChange* node = first.add_nodes();
  node->set_node("n");
  node->set_from_image("a");
  node->set_to_image("b");
  node->mutable_before()->set_cpu_cores(1);
  node->mutable_after()->set_cpu_cores(3);
  node->mutable_difference()->set_cpu_cores(2);
  AddHost("h2", 1, 2, first);
  v1::Warning* warning = first.add_warnings();
  warning->set_reason("OVER_CAPACITY");
  warning->set_host("h2");
  warning->set_message("by 1");
  v1::Changes& second = *response.add_results()->mutable_update_node()->mutable_changes();
  node = second.add_nodes();
  node->set_node("n");
  node->set_from_image("b");
  node->set_to_image("b");
  node->mutable_before()->set_cpu_cores(3);
  node->mutable_after()->set_cpu_cores(4);
  node->mutable_difference()->set_cpu_cores(1);
  AddHost("h2", 2, 3, second);
  AddHost("h1", 0, 1, second);
  warning = second.add_warnings();
  *warning = first.warnings(0);
  warning->set_message("by 2");
  response.add_results()->mutable_create_org();

  const v1::Changes effect = EffectOf(response);
  EXPECT_EQ(effect.plan_token(), "t");
  ASSERT_EQ(effect.nodes_size(), 1);
  EXPECT_EQ(effect.nodes(0).from_image(), "a");
  EXPECT_EQ(effect.nodes(0).to_image(), "b");
  EXPECT_EQ(effect.nodes(0).before().cpu_cores(), 1);
  EXPECT_EQ(effect.nodes(0).after().cpu_cores(), 4);
  EXPECT_EQ(effect.nodes(0).difference().cpu_cores(), 3);
  ASSERT_EQ(effect.hosts_size(), 2);
  EXPECT_EQ(effect.hosts(0).host(), "h1");
  EXPECT_EQ(effect.hosts(1).books_before().node_count(), 1);
  EXPECT_EQ(effect.hosts(1).books_after().node_count(), 3);
  EXPECT_EQ(effect.hosts(1).difference().node_count(), 2);
  ASSERT_EQ(effect.warnings_size(), 1);
  EXPECT_EQ(effect.warnings(0).message(), "by 2");
}

}  // namespace
}  // namespace tallyman::cli
