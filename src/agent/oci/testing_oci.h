// The real runtime on the real machine, for tests of it: calls made until they are done, and one
// node.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "agent/file.h"
#include "agent/oci/mounts.h"
#include "agent/oci/oci_runtime.h"
#include "agent/oci/process.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/id_source.h"
#include "base/system.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_image.h"
#include "tests/support/wait.h"

// `expr` is a call of the runtime, or a job.
#define ASSERT_DONE(expr)                                    \
  do {                                                       \
    Status done_ = Finish([&] { return (expr); });           \
    ASSERT_TRUE(done_.has_value()) << done_.error().message; \
  } while (false)

#define EXPECT_DONE(expr)                                    \
  do {                                                       \
    Status done_ = Finish([&] { return (expr); });           \
    EXPECT_TRUE(done_.has_value()) << done_.error().message; \
  } while (false)

namespace tallyman::agent::oci {

inline constexpr Resources kSmall{
    .cpu_cores = 1, .memory_bytes = 64 * kMebi, .disk_bytes = 32 * kMebi};
inline constexpr Resources kLarge{
    .cpu_cores = 2, .memory_bytes = 100 * kMega, .disk_bytes = 96 * kMebi};

// Makes a call again and again until it says that it is done.
template <class Call>
Status Finish(const Call& call) {
  if constexpr (std::is_same_v<decltype(call()), Status>) {
    return call();
  } else if constexpr (std::is_same_v<decltype(call()), Job<void>>) {
    Job<void> job = call();
    std::optional<Status> result;
    EXPECT_TRUE(WaitUntil([&] {
      result = job.Poll();
      return result.has_value();
    }));
    return result ? *result : Status();
  } else {
    std::optional<Result<Progress>> result;
    EXPECT_TRUE(WaitUntil(
                    [&] {
                      result = call();
                      // As the agent does: who holds a disk lets go of it in the end.
                      if (!*result) return result->error().reason != kDiskBusy;
                      return (*result)->done;
                    },
                    std::chrono::seconds(60)) ||
                !*result)
        << "the call is never done";
    if (!*result) return Fail(result->error());
    return {};
  }
}

// Whether a tool ended well.
inline Status Done(const Result<ProcessResult>& result) {
  RETURN_IF_ERROR(result);
  if (result->exit_status == 0) return {};
  return Fail(Internal("TOOL_FAILED", result->err));
}

// Somebody with a copy of all mounts, as a container has that is being started, until it is let go.
class OtherMounts {
 public:
  OtherMounts() {
    int ready[2] = {-1, -1};
    int held[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(held, O_CLOEXEC), 0);
    pid_ = ::fork();
    char byte = 0;
    if (pid_ == 0) {
      ::close(held[1]);
      const bool copied = ::unshare(CLONE_NEWNS) == 0 &&
                          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
      if (copied && ::write(ready[1], "x", 1) == 1) ::read(held[0], &byte, 1);
      ::_exit(0);
    }
    ::close(held[0]);
    ::close(ready[1]);
    EXPECT_EQ(::read(ready[0], &byte, 1), 1) << "the mounts were not copied";
    ::close(ready[0]);
    hold_ = held[1];
  }
  ~OtherMounts() { LetGo(); }
  OtherMounts(const OtherMounts&) = delete;
  OtherMounts& operator=(const OtherMounts&) = delete;

  pid_t pid() const { return pid_; }
  void LetGo() {
    if (pid_ <= 0) return;
    ::close(hold_);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  int hold_ = -1;
};

class OciRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoContainers(); !why.empty()) GTEST_SKIP() << why;
    layout_.emplace(dir_.path() / "layout");
    Open();
  }

  void TearDown() override {
    if (!runtime_) return;
    auto nodes = runtime_->List();
    ASSERT_TRUE(nodes.has_value());
    for (const ObservedNode& node : *nodes) EXPECT_DONE(runtime_->Remove(node.node_id));
    EXPECT_TRUE(WaitUntil([&] { return Unmount(data() / "image-store").has_value(); }));
    auto mounts = ListMounts();
    for (const MountPoint& mount : *mounts)
      EXPECT_FALSE(mount.path.starts_with(data().string())) << mount.path << " is still mounted";
  }

  // Also stands for an agent that was killed and started again: it knows nothing.
  void Open() { Open(options_); }
  void Open(const OciRuntimeOptions& options) {
    auto opened = OciRuntime::Open(options);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    runtime_ = std::move(*opened);
  }

  NodeSpec Spec(const std::string& uri, const Resources& resources) {
    NodeSpec spec;
    spec.node_id = node_id_;
    spec.name = "node-1";
    spec.config_id = ids_.New<ConfigId>();
    spec.image_id = ids_.New<ImageId>();
    spec.image_uri = uri;
    spec.resources = resources;
    return spec;
  }

  void Run(const NodeSpec& spec) {
    ASSERT_DONE(runtime_->Prepare(spec));
    ASSERT_DONE(runtime_->Stop(spec.node_id));
    const Status installed = Finish([&] { return runtime_->Install(spec); });
    if (!installed && installed.error().reason == kDiskBusy)
      GTEST_SKIP() << "somebody beside this test holds on to its disk: "
                   << installed.error().message;
    ASSERT_DONE(installed);
    ASSERT_DONE(runtime_->Start(spec.node_id));
  }

  ObservedNode Observed() {
    auto nodes = runtime_->List();
    EXPECT_TRUE(nodes.has_value());
    return nodes && nodes->size() == 1 ? nodes->front() : ObservedNode();
  }

  HealthReport Health() {
    std::optional<HealthReport> report;
    EXPECT_TRUE(WaitUntil([&] {
      auto found = runtime_->CheckHealth(node_id_);
      EXPECT_TRUE(found.has_value()) << found.error().message;
      if (found) report = *found;
      return !found || report.has_value();
    }));
    return report.value_or(HealthReport());
  }

  std::filesystem::path data() const { return dir_.path() / "data"; }
  std::filesystem::path run() const { return dir_.path() / "run"; }
  std::filesystem::path ImageRoot(const ImageId& id) const {
    return data() / "image-store" / id.ToString() / "rootfs";
  }
  // What this boot knows of the node: its monitor's.
  std::filesystem::path life() const {
    return BootDirectory(options_) / "nodes" / node_id_.ToString();
  }
  // The container's first process.
  pid_t Pid() const {
    auto text = ReadFile(life() / "pid");
    return text ? static_cast<pid_t>(std::stol(*text)) : 0;
  }
  // Where runc has its records of this boot.
  std::filesystem::path runc_root() const { return BootDirectory(options_) / "runc"; }
  std::filesystem::path node() const { return data() / "nodes" / node_id_.ToString(); }
  std::filesystem::path volume(const std::string& name) const {
    return node() / "disk" / "volumes" / name;
  }

  TempDir dir_;
  SystemClock clock_;
  SeededRandom random_{SystemSeed()};
  IdSource ids_{clock_, random_};
  NodeId node_id_ = ids_.New<NodeId>();
  std::optional<TestLayout> layout_;
  OciRuntimeOptions options_ = {.data_directory = data(),
                                .run_directory = run(),
                                .health_timeout = std::chrono::milliseconds(500),
                                .stop_grace_max = std::chrono::seconds(3),
                                .monitor_program = TALLYMAN_MONITOR,
                                .image_room_bytes = 64 * kMebi};
  std::unique_ptr<OciRuntime> runtime_;
};

}  // namespace tallyman::agent::oci
