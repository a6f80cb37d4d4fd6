#include "agent/stop_all.h"

#include <gmock/gmock.h>

#include "agent/simulated_runtime.h"
#include "base/id_source.h"
#include "base/system.h"

namespace tallyman::agent {
namespace {

class StopAllTest : public testing::Test {
 protected:
  void AddNode() {
    NodeSpec spec;
    spec.node_id = id_source_.New<NodeId>();
    spec.config_id = id_source_.New<ConfigId>();
    spec.image_id = id_source_.New<ImageId>();
    ids_.push_back(spec.node_id);
    ASSERT_TRUE(runtime_.Prepare(spec).has_value());
    ASSERT_TRUE(runtime_.Install(spec).has_value());
    ASSERT_TRUE(runtime_.Start(spec.node_id).has_value());
  }
  size_t Running() {
    const auto nodes = runtime_.List().value();
    return std::ranges::count_if(nodes, [](const auto& node) { return node.running; });
  }

  SystemClock clock_;
  SeededRandom random_{7};
  IdSource id_source_{clock_, random_};
  SimulatedRuntime runtime_{Resources{8, 1 << 30, 1 << 30}};
  MemoryLog log_;
  std::vector<NodeId> ids_;
};

TEST_F(StopAllTest, StopsEveryNodeAndRemovesNone) {
  for (int i = 0; i < 3; ++i) AddNode();
  EXPECT_TRUE(StopAllNodes(runtime_, log_).has_value());
  EXPECT_EQ(Running(), 0u);
  EXPECT_EQ(runtime_.List().value().size(), 3u);
}

TEST_F(StopAllTest, OneThatDoesNotEndKeepsNoOther) {
  for (int i = 0; i < 3; ++i) AddNode();
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

TEST_F(StopAllTest, TriesAgainWhatMayPass) {
  AddNode();
  bool busy = true;
  runtime_.SetHook([&busy](RuntimeStep, const NodeSpec&) -> Status {
    if (std::exchange(busy, false))
      return Fail(Error(Code::kUnavailable, "MOUNT_BUSY", "somebody holds on"));
    return {};
  });
  std::chrono::milliseconds waited{0};
  EXPECT_TRUE(StopAllNodes(runtime_, log_, [&](auto pause) { waited += pause; }).has_value());
  EXPECT_EQ(Running(), 0u);
  EXPECT_GT(waited.count(), 0);
}

TEST_F(StopAllTest, AMachineWithoutNodesIsStoppedAtOnce) {
  EXPECT_TRUE(StopAllNodes(runtime_, log_).has_value());
}

}  // namespace
}  // namespace tallyman::agent
