// Bad nights: power cuts, agents that are killed, records that cannot be read, calls that change
// their mind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <csignal>
#include <fstream>

#include "agent/file.h"
#include "agent/oci/node_lock.h"
#include "agent/oci/testing_oci.h"

namespace tallyman::agent::oci {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class NodeRecoveryTest : public OciRuntimeTest {
 protected:
  std::filesystem::path record() const { return runc_root() / node_id_.ToString() / "state.json"; }
  // How many processes of the node there are that are the first one of a container.
  int Containers() const {
    int found = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      auto groups = ReadFile(entry.path() / "cgroup");
      auto status = ReadFile(entry.path() / "status");
      if (!groups || !status || groups->find(node_id_.ToString()) == std::string::npos ||
          status->find("State:\tZ") != std::string::npos)
        continue;
      const size_t line = status->find("\nNSpid:") + 1;
      if (status->substr(line, status->find('\n', line) - line).ends_with("\t1")) ++found;
    }
    return found;
  }
  std::string Steady() const {
    return layout_->Add(
        {.tag = "v1", .script = "trap 'exit 0' TERM; while :; do sleep 0.05; done"});
  }
};

TEST_F(NodeRecoveryTest, ARecordThatCannotBeReadIsOneUnreadableNode) {
  Run(Spec(Steady(), kSmall));
  NodeSpec other = Spec(layout_->Uri("v1"), kSmall);
  other.node_id = ids_.New<NodeId>();
  Run(other);
  std::filesystem::resize_file(record(), 0);
  auto nodes = runtime_->List();
  ASSERT_TRUE(nodes.has_value());
  ASSERT_EQ(nodes->size(), 2u);
  for (const ObservedNode& node : *nodes) {
    EXPECT_EQ(node.unreadable.empty(), node.node_id != node_id_) << node.unreadable;
    EXPECT_EQ(node.running, node.node_id != node_id_);
  }
  // It is ended by its own signal all the same, and starts anew.
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_EQ(Containers(), 0);
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_EQ(Containers(), 1);
  std::filesystem::resize_file(record(), 0);
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_EQ(Containers(), 1);
  std::filesystem::resize_file(record(), 0);
  ASSERT_DONE(runtime_->Remove(node_id_));
  EXPECT_EQ(Containers(), 0);
  EXPECT_EQ(runtime_->List()->size(), 1u);
}

TEST_F(NodeRecoveryTest, NothingOfAnEarlierBootIsBelieved) {
  Run(Spec(Steady(), kSmall));
  const std::string kept = ReadFile(record()).value();
  // As a power cut leaves it: processes and mounts are gone, the disk was not unmounted.
  ASSERT_DONE(runtime_->Stop(node_id_));
  std::filesystem::remove_all(run());
  Open();
  ObservedNode node = Observed();
  EXPECT_FALSE(node.running);
  EXPECT_TRUE(node.unreadable.empty());
  EXPECT_TRUE(node.config_id.has_value());
  // Even a record of then, whose number is another process's now, is not.
  std::filesystem::create_directories(record().parent_path());
  std::ofstream(record()) << kept;
  EXPECT_FALSE(Observed().running);
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_TRUE(Observed().running);
  EXPECT_EQ(Containers(), 1);
}

TEST_F(NodeRecoveryTest, AContainerOfTheLastReleaseIsTakenOverAndOneOfAnEarlierBootIsNot) {
  const NodeSpec spec = Spec(Steady(), kSmall);
  Run(spec);
  ASSERT_DONE(runtime_->Stop(node_id_));
  // As the last release ran it: runc's records in the data directory, its output in a file.
  Volume disk(node() / "disk.img", node() / "disk", -1);
  ASSERT_DONE(disk.Mount());
  const auto layer = node() / "disk" / "layers" / spec.config_id.ToString();
  ASSERT_DONE(Mount("overlay", node() / "rootfs", "overlay", 0,
                    "lowerdir=" + ImageRoot(spec.image_id).string() + ",upperdir=" +
                        (layer / "upper").string() + ",workdir=" + (layer / "work").string()));
  std::vector<std::string> words = {
      "runc", "--root",   (data() / "runc").string(),   "run",
      "-d",   "--bundle", (node() / "bundle").string(), node_id_.ToString()};
  ASSERT_DONE(Done(RunProcess(words, {.output_file = (node() / "log").string()})));
  std::filesystem::create_directories(data() / "runc" / ids_.New<NodeId>().ToString());
  Open();
  EXPECT_FALSE(std::filesystem::exists(data() / "runc"));
  ObservedNode node = Observed();
  EXPECT_TRUE(node.running);
  EXPECT_EQ(node.config_id, spec.config_id);
  EXPECT_EQ(node.limits, kSmall);
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_EQ(Containers(), 1);
  // What it prints is bounded, whatever it makes of the file.
  std::filesystem::resize_file(this->node() / "log", int64_t{1} << 40);
  Observed();
  EXPECT_LT(std::filesystem::file_size(this->node() / "log"), 1u << 20);
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_EQ(Containers(), 0);
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_TRUE(Observed().running);
  EXPECT_FALSE(std::filesystem::exists(this->node() / "log"));
}

TEST_F(NodeRecoveryTest, AnAgentKilledAtAnyMomentOfAStartLeavesAtMostOneContainer) {
  const NodeSpec spec = Spec(Steady(), kSmall);
  ASSERT_DONE(runtime_->Prepare(spec));
  ASSERT_DONE(runtime_->Install(spec));
  for (int looks = 1; looks < 40; looks += 3) {
    for (int i = 0; i < looks; ++i) {
      auto begun = runtime_->Start(node_id_);
      ASSERT_TRUE(begun.has_value()) << begun.error().message;
      if (begun->done) break;
    }
    Open();
    EXPECT_LE(Containers(), 1);
    ASSERT_DONE(runtime_->Start(node_id_));
    EXPECT_EQ(Containers(), 1);
    EXPECT_TRUE(Observed().running);
    ASSERT_DONE(runtime_->Stop(node_id_));
    EXPECT_EQ(Containers(), 0);
  }
}

TEST_F(NodeRecoveryTest, SlowStopsAndPullsDoNotDelayAnotherNode) {
  const std::string stubborn = layout_->Add({.tag = "stubborn",
                                             .script = "trap '' TERM; while :; do sleep 0.05; done",
                                             .labels = {"tallyman.stop-grace-seconds=600"}});
  options_.stop_grace_max = seconds(30);
  Open();
  std::vector<NodeSpec> slow;
  for (int i = 0; i < 4; ++i) {
    NodeSpec spec = Spec(stubborn, kSmall);
    if (i > 0) spec.image_id = slow.front().image_id;
    spec.node_id = ids_.New<NodeId>();
    Run(spec);
    slow.push_back(spec);
  }
  auto look_after_them = [&] {
    for (const NodeSpec& spec : slow) {
      const auto begun = std::chrono::steady_clock::now();
      auto stopped = runtime_->Stop(spec.node_id);
      ASSERT_TRUE(stopped.has_value());
      EXPECT_FALSE(stopped->done);
      EXPECT_LT(std::chrono::steady_clock::now() - begun, milliseconds(500));
    }
  };
  look_after_them();
  Run(Spec(Steady(), kSmall));
  look_after_them();
  auto nodes = runtime_->List();
  ASSERT_EQ(nodes->size(), 5u);
  for (const ObservedNode& node : *nodes) EXPECT_TRUE(node.running);
  // A grace is no longer than the operator allows, also for an agent that comes later.
  options_.stop_grace_max = milliseconds(100);
  Open();
  for (const NodeSpec& spec : slow) ASSERT_DONE(runtime_->Stop(spec.node_id));
}

TEST_F(NodeRecoveryTest, ADeleteEndsWhatIsUnderWay) {
  Run(Spec(layout_->Add({.tag = "v1",
                         .script = "trap '' TERM; while :; do sleep 0.05; done",
                         .labels = {"tallyman.stop-grace-seconds=1"}}),
           kSmall));
  // A tool of an earlier agent that hangs with the node's lock.
  Result<FileDescriptor> lock = Fail(Error());
  Job<FileDescriptor> locking =
      LockNodeJob(data() / "locks" / node_id_.ToString(), milliseconds(0));
  lock = std::move(*locking.Poll());
  ASSERT_TRUE(lock.has_value());
  std::vector<std::string> words = {"tail", "-f", "/dev/null"};
  auto hanging = Process::Start(words, {.inherited = lock->get()});
  ASSERT_TRUE(hanging.has_value());
  *lock = FileDescriptor();
  EXPECT_FALSE(runtime_->Stop(node_id_)->done);
  ASSERT_DONE(runtime_->Remove(node_id_));
  EXPECT_EQ(Containers(), 0);
  EXPECT_FALSE(std::filesystem::exists(node()));
}

TEST_F(NodeRecoveryTest, AnotherCallEndsTheOneUnderWay) {
  Run(Spec(layout_->Add({.tag = "v1",
                         .script = "trap '' TERM; while :; do sleep 0.05; done",
                         .labels = {"tallyman.stop-grace-seconds=600"}}),
           kSmall));
  EXPECT_FALSE(runtime_->Stop(node_id_)->done);
  // It was not ended yet: nothing to do.
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_TRUE(Observed().running);
}

}  // namespace
}  // namespace tallyman::agent::oci
