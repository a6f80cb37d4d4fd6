// The real runtime on the real machine: runc, control groups, loop devices. Needs root.
#include "agent/oci/oci_runtime.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <future>

#include "agent/file.h"
#include "agent/oci/testing_oci.h"
#include "tests/support/test_registry.h"

namespace tallyman::agent::oci {
namespace {

TEST_F(OciRuntimeTest, TheKernelEnforcesWhatTheConfigAsksFor) {
  NodeSpec spec = Spec(layout_->Add({.tag = "v1"}), kSmall);
  Run(spec);
  ObservedNode observed = Observed();
  EXPECT_TRUE(observed.running);
  EXPECT_EQ(observed.config_id, spec.config_id);
  EXPECT_EQ(observed.image_id, spec.image_id);
  EXPECT_EQ(observed.image_uri, spec.image_uri);
  EXPECT_EQ(observed.limits, kSmall);

  // More than the disk holds does not fit, however it is written.
  std::vector<std::string> fill = {
      "runc", "--root",       runc_root().string(), "exec",       node_id_.ToString(),
      "dd",   "if=/dev/zero", "of=/data/fill",      "bs=1048576", "count=64"};
  auto filled = RunProcess(fill);
  ASSERT_TRUE(filled.has_value());
  EXPECT_NE(filled->exit_status, 0);
  EXPECT_NE(filled->err.find("No space left"), std::string::npos) << filled->err;
}

TEST_F(OciRuntimeTest, MemoryThatIsNoWholeNumberOfPagesIsSeenAsItWasAsked) {
  Run(Spec(layout_->Add({.tag = "v1"}), kLarge));
  EXPECT_EQ(Observed().limits, kLarge);
}

TEST_F(OciRuntimeTest, DataSurviveAnUpgradeAndTheDiskGrowsAndShrinks) {
  std::string uri = layout_->Add({.tag = "v1", .volumes = {"/data", "/var/lib/chain"}});
  Run(Spec(uri, kSmall));
  std::ofstream(volume("var+lib+chain") / "block") << "genesis";
  for (const Resources& resources : {kLarge, kSmall, kLarge}) {
    NodeSpec spec = Spec(uri, resources);
    Run(spec);
    if (IsSkipped()) return;
    EXPECT_EQ(Observed().limits, resources);
    EXPECT_EQ(Observed().config_id, spec.config_id);
    auto block = ReadFile(volume("var+lib+chain") / "block");
    ASSERT_TRUE(block.has_value());
    EXPECT_EQ(*block, "genesis");
  }
}

TEST_F(OciRuntimeTest, ADiskThatAContainerBeingStartedStillHasIsWaitedFor) {
  const std::string uri = layout_->Add({.tag = "v1"});
  Run(Spec(uri, kLarge));
  const NodeSpec small = Spec(uri, kSmall);
  OtherMounts other;
  auto run = std::async(std::launch::async, [&] { Run(small); });
  // It cannot end before the disk is let go.
  EXPECT_EQ(run.wait_for(std::chrono::seconds(1)), std::future_status::timeout);
  other.LetGo();
  run.get();
  if (IsSkipped()) return;
  EXPECT_EQ(Observed().limits, kSmall);
  EXPECT_EQ(Observed().config_id, small.config_id);
}

TEST_F(OciRuntimeTest, ADiskThatAnotherMountNamespaceKeepsIsTakenOutOfIt) {
  const std::string uri = layout_->Add({.tag = "v1"});
  Run(Spec(uri, kLarge));
  const NodeSpec small = Spec(uri, kSmall);
  OtherMounts other;
  Run(small);
  EXPECT_EQ(Observed().limits, kSmall);
  EXPECT_EQ(Observed().config_id, small.config_id);
}

TEST_F(OciRuntimeTest, ADiskThatIsTooFullDoesNotShrinkAndStaysAsItWas) {
  std::string uri = layout_->Add({.tag = "v1"});
  NodeSpec large = Spec(uri, kLarge);
  Run(large);
  std::ofstream(volume("data") / "chain") << std::string(60 * kMebi, 'x');
  NodeSpec small = Spec(uri, kSmall);
  small.image_id = large.image_id;

  // Seen before anything is disturbed ...
  Status prepared = Finish([&] { return runtime_->Prepare(small); });
  ASSERT_FALSE(prepared.has_value());
  EXPECT_EQ(prepared.error().reason, "DISK_DATA_DOES_NOT_FIT");
  EXPECT_TRUE(Observed().running);

  // ... and again where it counts.
  ASSERT_DONE(runtime_->Stop(node_id_));
  Status installed = Finish([&] { return runtime_->Install(small); });
  ASSERT_FALSE(installed.has_value());
  EXPECT_EQ(installed.error().reason, "DISK_DATA_DOES_NOT_FIT");
  ASSERT_DONE(runtime_->Install(large));
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_EQ(Observed().limits, kLarge);
  EXPECT_EQ(std::filesystem::file_size(volume("data") / "chain"), 60u * kMebi);
}

TEST_F(OciRuntimeTest, AVersionThatComesBackHasTheVolumesThatItHadAndNoOther) {
  const std::string one = layout_->Add({.tag = "v1", .volumes = {"/data"}});
  const std::string two = layout_->Add({.tag = "v2", .volumes = {"/data", "/extra"}});
  auto mounted = [&] {
    auto config = ReadFile(node() / "bundle" / "config.json");
    return ReadInstalled(config.value())->volume_names;
  };
  const NodeSpec first = Spec(one, kSmall);
  Run(first);
  Run(Spec(two, kSmall));
  EXPECT_EQ(mounted(), (std::vector<std::string>{"data", "extra"}));
  std::ofstream(volume("extra") / "begun") << "yes";

  Run(first);
  EXPECT_EQ(mounted(), std::vector<std::string>{"data"});
  EXPECT_FALSE(std::filesystem::exists(volume("extra")));

  // What it wrote there is found by the next version that declares it; kept, it stays.
  Run(Spec(two, kSmall));
  EXPECT_TRUE(std::filesystem::exists(volume("extra") / "begun"));
  ASSERT_DONE(runtime_->DropLeftovers(node_id_));
  Run(Spec(one, kSmall));
  EXPECT_EQ(mounted(), (std::vector<std::string>{"data", "extra"}));
}

TEST_F(OciRuntimeTest, WhatWasWrittenOutsideTheVolumesEndsWithTheConfigThatIsReplacedForGood) {
  std::string uri = layout_->Add({.tag = "v1",
                                  .script = "echo mine >/etc/own; while :; do sleep 1; "
                                            "done",
                                  .labels = {"tallyman.stop-grace-seconds=0"}});
  NodeSpec first = Spec(uri, kSmall);
  Run(first);
  ASSERT_TRUE(
      WaitUntil([&] { return std::filesystem::exists(node() / "rootfs" / "etc" / "own"); }));
  auto layer = [&](const NodeSpec& spec) {
    return node() / "disk" / "layers" / spec.config_id.ToString();
  };
  NodeSpec second = Spec(uri, kSmall);
  Run(second);
  // Still there, for a rollback.
  EXPECT_TRUE(std::filesystem::exists(layer(first) / "upper" / "etc" / "own"));
  ASSERT_DONE(runtime_->DropLeftovers(node_id_));
  EXPECT_FALSE(std::filesystem::exists(layer(first)));
  EXPECT_TRUE(std::filesystem::exists(layer(second)));
}

TEST_F(OciRuntimeTest, StopSendsTheStopSignalThenKills) {
  std::string polite = layout_->Add(
      {.tag = "polite",
       .script = "trap 'echo bye >/data/farewell; exit 0' TERM; echo up >/data/up; while :; do "
                 "sleep 0.1; done"});
  Run(Spec(polite, kSmall));
  ASSERT_TRUE(WaitUntil([&] { return std::filesystem::exists(volume("data") / "up"); }));
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_FALSE(Observed().running);
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_TRUE(std::filesystem::exists(volume("data") / "farewell"));

  std::string stubborn = layout_->Add({.tag = "stubborn",
                                       .script = "trap '' TERM; while :; do sleep 0.1; done",
                                       .labels = {"tallyman.stop-grace-seconds=1"}});
  Run(Spec(stubborn, kSmall));
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_FALSE(Observed().running);
}

TEST_F(OciRuntimeTest, HealthIsWhatTheHealthCommandSays) {
  Run(Spec(layout_->Add({.tag = "v1", .health = "test -e /data/healthy"}), kSmall));
  auto healthy = [&] { return Health().health == NodeHealth::kHealthy; };
  EXPECT_FALSE(healthy());
  EXPECT_EQ(runtime_->CheckRuns(node_id_)->health, NodeHealth::kHealthy);
  std::ofstream(volume("data") / "healthy") << "yes";
  EXPECT_TRUE(healthy());

  NodeSpec own = Spec(layout_->Add({.tag = "v2", .health = "test -e /data/healthy"}), kSmall);
  own.values["health_command"] = R"(["/bin/test", "-e", "/data/very"])";
  Run(own);
  EXPECT_FALSE(healthy());

  Run(Spec(layout_->Add({.tag = "v3", .health = "sleep 1000"}), kSmall));
  EXPECT_FALSE(healthy());  // and it came back in time
  EXPECT_TRUE(Observed().running);
}

TEST_F(OciRuntimeTest, AContainerThatEndedIsSeenAndStartedAgain) {
  Run(Spec(layout_->Add({.tag = "v1",
                         .script = "test -e /data/second || { echo >/data/second; exit "
                                   "3; }; while :; do sleep 0.1; done",
                         .labels = {"tallyman.stop-grace-seconds=0"}}),
           kSmall));
  ASSERT_TRUE(WaitUntil([&] { return !Observed().running; }));
  EXPECT_EQ(Health().health, NodeHealth::kNotRunning);
  EXPECT_EQ(runtime_->CheckRuns(node_id_)->health, NodeHealth::kNotRunning);
  ASSERT_DONE(runtime_->Start(node_id_));
  ASSERT_TRUE(WaitUntil([&] { return std::filesystem::exists(volume("data") / "second"); }));
  EXPECT_TRUE(Observed().running);
}

TEST_F(OciRuntimeTest, ANodeSaysItselfThatItIsBusy) {
  Run(Spec(layout_->Add({.tag = "v1"}), kSmall));
  auto job = [&] { return runtime_->FindBlockingJob(node_id_).value(); };
  EXPECT_FALSE(job().has_value());
  std::filesystem::path file = node() / "disk" / "jobs" / "blocking-job";
  std::ofstream(file) << "90 taking a snapshot\n";
  ASSERT_TRUE(job().has_value());
  EXPECT_EQ(job()->retry_after_seconds, 90);
  EXPECT_EQ(job()->description, "\"taking a snapshot\"");

  // A node is not to be believed more than that.
  std::ofstream(file) << "99999999999999999999999 \x1b[2J";
  EXPECT_EQ(job()->retry_after_seconds, 60);
  EXPECT_EQ(job()->description.find('\x1b'), std::string::npos);
  std::filesystem::remove(file);
  std::filesystem::create_symlink("/etc/shadow", file);
  EXPECT_FALSE(job().has_value());
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_FALSE(job().has_value());
}

TEST_F(OciRuntimeTest, AnAgentThatComesBackFindsWhatRuns) {
  NodeSpec spec = Spec(layout_->Add({.tag = "v1"}), kSmall);
  Run(spec);
  ObservedNode before = Observed();
  Open();
  EXPECT_EQ(Observed(), before);
  ASSERT_DONE(runtime_->Start(node_id_));  // nothing to do
  EXPECT_EQ(Observed(), before);
  ASSERT_DONE(runtime_->Remove(node_id_));
  EXPECT_TRUE(runtime_->List()->empty());
  EXPECT_FALSE(std::filesystem::exists(node()));
  ASSERT_DONE(runtime_->Remove(node_id_));  // nothing to do
}

TEST_F(OciRuntimeTest, ValuesAndNamesReachTheContainer) {
  NodeSpec spec =
      Spec(layout_->Add({.tag = "v1",
                         .script = "env >/data/env; trap 'exit 0' TERM; while :; do sleep "
                                   "0.1; done"}),
           kSmall);
  spec.values = {{"network-id", "main net $(id)"}, {"PATH", "/bin"}};
  Run(spec);
  ASSERT_TRUE(WaitUntil([&] {
    auto text = ReadFile(volume("data") / "env");
    return text && text->find("NETWORK_ID=main net $(id)\n") != std::string::npos &&
           text->find("TALLYMAN_NODE_NAME=node-1\n") != std::string::npos &&
           text->find("PATH=/usr/local/sbin:") != std::string::npos;
  }));
}

TEST_F(OciRuntimeTest, ImagesThatCannotBeHadAreTypedErrors) {
  struct Case {
    std::string uri;
    Code code;
    std::string_view reason;
  };
  for (const Case& bad :
       {Case{"ftp://x", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED"},
        Case{"oci:relative:1", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED"},
        Case{"docker://--help", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED"},
        Case{"docker://x@sha256:123", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED"},
        Case{layout_->Uri("none"), Code::kNotFound, "IMAGE_NOT_FOUND"},
        Case{"docker://127.0.0.1:9/none:1", Code::kUnavailable, "IMAGE_NOT_PULLED"}}) {
    const NodeSpec spec = Spec(bad.uri, kSmall);
    Status prepared = Finish([&] { return runtime_->Prepare(spec); });
    ASSERT_FALSE(prepared.has_value()) << bad.uri;
    EXPECT_EQ(prepared.error().code, bad.code) << bad.uri;
    EXPECT_EQ(prepared.error().reason, bad.reason) << prepared.error().message;
  }
  EXPECT_TRUE(std::filesystem::is_empty(data() / "nodes"));
}

TEST_F(OciRuntimeTest, AnImageComesFromARegistryByTagOrDigest) {
  layout_->Add({.tag = "v1"});
  TestRegistry registry(dir_.path() / "layout");
  const std::string digest = registry.DigestOf("v1");
  OciRuntimeOptions options = options_;
  options.registries.all_plain_http = true;
  Open(options);
  for (const std::string& behind : {std::string(":v1"), "@" + digest, ":v1@" + digest}) {
    const NodeSpec by = Spec(registry.Uri(behind), kSmall);
    EXPECT_DONE(runtime_->Prepare(by));
  }
  NodeSpec spec = Spec(registry.Uri(":v1"), kSmall);
  Run(spec);
  EXPECT_TRUE(Observed().running);

  std::string other = digest;
  other.back() = other.back() == '0' ? '1' : '0';
  for (const std::string& behind : {"@" + other, ":v1@" + other}) {
    const NodeSpec gone = Spec(registry.Uri(behind), kSmall);
    Status missing = Finish([&] { return runtime_->Prepare(gone); });
    ASSERT_FALSE(missing.has_value()) << behind;
    EXPECT_EQ(missing.error().reason, "IMAGE_NOT_FOUND");
  }
}

TEST_F(OciRuntimeTest, ADigestNamesOneImageOfALayoutAndNoOther) {
  const std::string uri = layout_->Add({.tag = "v1"});
  const std::string digest = TestRegistry(dir_.path() / "layout").DigestOf("v1");
  const NodeSpec by_digest = Spec(uri + "@" + digest, kSmall);
  EXPECT_DONE(runtime_->Prepare(by_digest));
  // The tag is moved.
  layout_->Add({.tag = "v1", .script = "echo replaced"});
  NodeSpec spec = Spec(uri + "@" + digest, kSmall);
  Status moved = Finish([&] { return runtime_->Prepare(spec); });
  ASSERT_FALSE(moved.has_value());
  EXPECT_EQ(moved.error().reason, "IMAGE_DIGEST_DIFFERS");
  EXPECT_FALSE(std::filesystem::exists(data() / "image-store" / spec.image_id.ToString()));
}

TEST_F(OciRuntimeTest, APullIsEndedWhenTheAgentIsToEndAndIsBegunAnew) {
  NodeSpec spec = Spec(layout_->Add({.tag = "v1"}), kSmall);
  std::stop_source source;
  source.request_stop();
  OciRuntimeOptions options = options_;
  options.stop = source.get_token();
  Open(options);
  Status stopped = Finish([&] { return runtime_->Prepare(spec); });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, Code::kCanceled);
  Open();
  Run(spec);
  EXPECT_TRUE(Observed().running);
}

TEST_F(OciRuntimeTest, AnImageIsPulledOnceAndDroppedWhenNothingNeedsIt) {
  std::string uri = layout_->Add({.tag = "v1"});
  NodeSpec spec = Spec(uri, kSmall);
  Run(spec);
  std::filesystem::remove_all(dir_.path() / "layout");
  ASSERT_DONE(runtime_->Prepare(spec));
  ASSERT_DONE(runtime_->DropImagesExcept({spec.image_id}));
  EXPECT_TRUE(std::filesystem::exists(data() / "image-store" / spec.image_id.ToString()));
  ASSERT_DONE(runtime_->Remove(node_id_));
  ASSERT_DONE(runtime_->DropImagesExcept({}));
  EXPECT_FALSE(std::filesystem::exists(data() / "image-store" / spec.image_id.ToString()));
}

TEST_F(OciRuntimeTest, ASecondMountOfADiskIsTheSameFileSystem) {
  Run(Spec(layout_->Add({.tag = "v1"}), kSmall));
  // As an agent in another mount namespace would do it.
  std::filesystem::path other = dir_.path() / "other";
  std::filesystem::create_directories(other);
  Volume again(node() / "disk.img", other, -1);
  ASSERT_DONE(again.Mount());
  std::ofstream(volume("data") / "seen") << "both";
  EXPECT_TRUE(std::filesystem::exists(other / "volumes" / "data" / "seen"));
  ASSERT_DONE(again.Unmount());
}

TEST_F(OciRuntimeTest, ADataDirectoryThatCannotBeQuotedIsRefused) {
  for (const char* path : {"relative", "/tmp/a,b", "/tmp/a:b", "/tmp/../x", "/tmp/sp ace"}) {
    auto opened = OciRuntime::Open({.data_directory = path});
    ASSERT_FALSE(opened.has_value()) << path;
    EXPECT_EQ(opened.error().reason, "INVALID_DATA_DIRECTORY");
  }
}

}  // namespace
}  // namespace tallyman::agent::oci
