#include "agent/stop_all.h"

#include <gmock/gmock.h>

#include "agent/simulated_runtime.h"

namespace tallyman {
namespace {

class StopAllTest : public testing::Test {
 protected:
  void AddNode(uint64_t number) {
    NodeSpec spec;
    spec.node_id = NodeId{Uuid::V7(Time{}, number, number)};
    ids_.push_back(spec.node_id);
    ASSERT_TRUE(runtime_.Prepare(spec).has_value());
    ASSERT_TRUE(runtime_.Install(spec).has_value());
    ASSERT_TRUE(runtime_.Start(spec.node_id).has_value());
  }
  size_t Running() {
    const auto nodes = runtime_.List().value();
    return std::ranges::count_if(nodes, [](const auto& node) { return node.running; });
  }

  SimulatedRuntime runtime_{Resources{8, 1 << 30, 1 << 30}};
  MemoryLog log_;
  std::vector<NodeId> ids_;
};

TEST_F(StopAllTest, StopsEveryNodeAndRemovesNone) {
  for (uint64_t number : {1, 2, 3}) AddNode(number);
  EXPECT_TRUE(StopAllNodes(runtime_, log_).has_value());
  EXPECT_EQ(Running(), 0u);
  EXPECT_EQ(runtime_.List().value().size(), 3u);
}

TEST_F(StopAllTest, OneThatDoesNotEndKeepsNoOther) {
  for (uint64_t number : {1, 2, 3}) AddNode(number);
  runtime_.SetHook([this](RuntimeStep step, const NodeSpec& spec) -> Status {
    if (step == RuntimeStep::kStop && spec.node_id == ids_[1])
      return Fail(Internal("CONTAINER_NOT_STOPPED", "it hangs in the kernel"));
    return {};
  });
  const Status stopped = StopAllNodes(runtime_, log_);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().reason, "NODES_NOT_STOPPED");
  EXPECT_EQ(Running(), 1u);
  bool told = false;
  for (const LogLine& line : log_.lines())
    told |=
        line.message.find(ids_[1].ToString() + " is not stopped: it hangs") != std::string::npos;
  EXPECT_TRUE(told);
}

TEST_F(StopAllTest, AMachineWithoutNodesIsStoppedAtOnce) {
  EXPECT_TRUE(StopAllNodes(runtime_, log_).has_value());
}

}  // namespace
}  // namespace tallyman
