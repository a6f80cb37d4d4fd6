// Nodes with user namespaces, on the real runtime. Needs root, and a kernel that has them.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "agent/oci/testing_oci.h"
#include "agent/oci/user_ranges.h"

namespace tallyman::agent::oci {
namespace {

// Who owns a file, as the host sees it.
std::string OwnerOf(const std::filesystem::path& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return "nothing";
  return std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid);
}

// The user id of a process, as the host sees it.
int64_t UserOf(pid_t pid) {
  std::istringstream lines(ReadFile("/proc/" + std::to_string(pid) + "/status").value_or(""));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("Uid:\t"))
      return ParseInt64(line.substr(5, line.find('\t', 5) - 5)).value_or(-1);
  return -1;
}

// errno of a signal to `pid` by a process of that user and with no capabilities; 0: it may.
int SignalAs(int64_t user, pid_t pid) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto id = static_cast<uid_t>(user);
    if (::setresgid(id, id, id) != 0 || ::setresuid(id, id, id) != 0) ::_exit(255);
    ::_exit(::kill(pid, 0) == 0 ? 0 : errno);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

// Writes as root and as user 7, into the volume and elsewhere, and says that it did.
constexpr const char* kScript =
    "set -e; echo r >>/data/root; echo r >/etc/root; busybox mkdir -p /data/own; "
    "busybox chown 7:8 /data/own; busybox su -s /bin/sh seven -c 'echo u >>/data/own/user'; "
    "echo said >/dev/stdout; echo y >/data/done; trap 'exit 0' TERM; while :; do sleep 0.1; done";

class UserNamespacesTest : public OciRuntimeTest {
 protected:
  void SetUp() override {
    OciRuntimeTest::SetUp();
    if (!runtime_) return;
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
    options_.user_namespaces = true;
    auto opened = OciRuntime::Open(options_);
    if (!opened && opened.error().reason == "USER_NAMESPACES_UNAVAILABLE") {
      runtime_.reset();
      GTEST_SKIP() << opened.error().message;
    }
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    runtime_ = std::move(*opened);
    const std::filesystem::path root = dir_.path() / "more";
    std::filesystem::create_directories(root / "etc");
    std::ofstream(root / "etc" / "passwd") << "root::0:0::/:/bin/sh\nseven::7:8::/:/bin/sh\n";
    std::ofstream(root / "etc" / "group") << "root::0:\neight::8:\n";
    Insert(root / "etc" / "passwd", "/etc/passwd");
    Insert(root / "etc" / "group", "/etc/group");
  }

  std::string Base() const { return (dir_.path() / "layout").string() + ":base"; }
  void Insert(const std::filesystem::path& from, const std::string& to) {
    auto inserted = RunTool({"umoci", "insert", "--image", Base(), from.string(), to});
    ASSERT_TRUE(inserted.has_value()) << inserted.error().message;
  }
  void Reopen(bool user_namespaces) {
    options_.user_namespaces = user_namespaces;
    Open();
  }
  void AwaitDone() {
    ASSERT_TRUE(WaitUntil([&] { return std::filesystem::exists(volume("data") / "done"); }))
        << "its script failed";
    std::filesystem::remove(volume("data") / "done");
  }
  std::optional<UserRange> Range() const { return UserRanges(data() / "nodes").Find(node_id_); }
  // Of what a run of the script has made, as it lies on the disk.
  void ExpectPlainOwners() {
    EXPECT_EQ(OwnerOf(volume("data") / "root"), "0:0");
    EXPECT_EQ(OwnerOf(volume("data") / "own"), "7:8");
    EXPECT_EQ(OwnerOf(volume("data") / "own" / "user"), "7:8");
  }
  std::string TextOf(const std::string& name) {
    return ReadFile(volume("data") / name).value_or("");
  }
};

TEST_F(UserNamespacesTest, ItsRootIsNobodyOnTheHostAndItsDiskHasPlainIds) {
  Run(Spec(layout_->Add({.tag = "v1", .script = kScript, .health = "echo well >/dev/stdout"}),
           kSmall));
  AwaitDone();
  ASSERT_TRUE(Range().has_value());
  const HealthReport health = Health();
  EXPECT_EQ(health.health, NodeHealth::kHealthy) << health.message;
  EXPECT_EQ(UserOf(Pid()), Range()->first);
  ExpectPlainOwners();
  auto said = runtime_->ReadLog(node_id_, {}, 10);
  ASSERT_TRUE(said.has_value()) << said.error().message;
  ASSERT_EQ(said->lines.size(), 1u);
  EXPECT_EQ(said->lines[0].text, "said");
}

TEST_F(UserNamespacesTest, KeepsOwnersAndRangeOverRestartsUpgradesAndRollbacks) {
  const NodeSpec first = Spec(layout_->Add({.tag = "v1", .script = kScript}), kSmall);
  const NodeSpec second = Spec(layout_->Add({.tag = "v2", .script = kScript}), kLarge);
  Run(first);
  AwaitDone();
  const auto range = Range();
  // The agent was killed and started again; the node runs on.
  const pid_t pid = Pid();
  Reopen(true);
  EXPECT_TRUE(Observed().running);
  EXPECT_EQ(Pid(), pid);
  for (const NodeSpec& spec : {second, first}) {
    Run(spec);
    AwaitDone();
    ExpectPlainOwners();
    EXPECT_EQ(Range(), range);
    EXPECT_EQ(UserOf(Pid()), range->first);
  }
  EXPECT_EQ(TextOf("root"), "r\nr\nr\n");
  EXPECT_EQ(TextOf("own/user"), "u\nu\nu\n");
}

TEST_F(UserNamespacesTest, CanBeTurnedOffAndOnAgain) {
  const NodeSpec spec = Spec(layout_->Add({.tag = "v1", .script = kScript}), kSmall);
  Reopen(false);
  Run(spec);
  AwaitDone();
  EXPECT_EQ(UserOf(Pid()), 0);
  for (const bool on : {true, false, true}) {
    Reopen(on);
    ASSERT_DONE(runtime_->Stop(node_id_));
    ASSERT_DONE(runtime_->Start(node_id_));
    AwaitDone();
    ExpectPlainOwners();
    EXPECT_EQ(Range().has_value(), on);
    EXPECT_EQ(UserOf(Pid()), on ? Range()->first : 0);
  }
  EXPECT_EQ(TextOf("root"), "r\nr\nr\nr\n");
  EXPECT_EQ(TextOf("own/user"), "u\nu\nu\nu\n");
}

TEST_F(UserNamespacesTest, TwoNodesAreDifferentUsersAndADeletedOnesRangeIsFree) {
  const NodeSpec first = Spec(layout_->Add({.tag = "v1"}), kSmall);
  Run(first);
  const pid_t first_pid = Pid();
  const auto first_range = Range();
  node_id_ = ids_.New<NodeId>();
  NodeSpec second = first;
  second.node_id = node_id_;
  Run(second);
  const pid_t second_pid = Pid();
  ASSERT_TRUE(first_range.has_value() && Range().has_value());
  EXPECT_NE(*first_range, *Range());
  EXPECT_EQ(UserOf(first_pid), first_range->first);
  EXPECT_EQ(UserOf(second_pid), Range()->first);
  // Not even one that saw the other's process could send it a signal.
  EXPECT_EQ(SignalAs(first_range->first, first_pid), 0);
  EXPECT_EQ(SignalAs(first_range->first, second_pid), EPERM);
  EXPECT_EQ(SignalAs(Range()->first, first_pid), EPERM);

  ASSERT_DONE(runtime_->Remove(first.node_id));
  node_id_ = ids_.New<NodeId>();
  NodeSpec third = first;
  third.node_id = node_id_;
  Run(third);
  EXPECT_EQ(Range(), first_range);
}

TEST_F(UserNamespacesTest, RefusesWhatHasIdsBeyondItsRange) {
  const NodeSpec user = Spec(layout_->Add({.tag = "v1"}), kSmall);
  const std::filesystem::path file = dir_.path() / "file";
  std::ofstream(file) << "x";
  ASSERT_EQ(::chown(file.c_str(), 100'000, 0), 0);
  Insert(file, "/srv/file");
  const NodeSpec files = Spec(layout_->Add({.tag = "v2"}), kSmall);
  const Status refused = Finish([&] { return runtime_->Prepare(files); });
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "USER_ID_BEYOND_RANGE");
  EXPECT_NE(refused.error().message.find("/srv/file\" belongs to user 100000"), std::string::npos)
      << refused.error().message;

  // Of a node that had it before: its data stay as they are, and it runs without.
  Reopen(false);
  Run(user);
  ASSERT_EQ(::chown(volume("data").c_str(), 100'000, 0), 0);
  Reopen(true);
  EXPECT_TRUE(Observed().running);
  ASSERT_DONE(runtime_->Stop(node_id_));
  const Status start = Finish([&] { return runtime_->Start(node_id_); });
  ASSERT_FALSE(start.has_value());
  EXPECT_EQ(start.error().reason, "USER_ID_BEYOND_RANGE") << start.error().message;
  Reopen(false);
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_TRUE(Observed().running);
}

TEST_F(UserNamespacesTest, TakesDownWhatAnAgentThatWasKilledHasMounted) {
  const NodeSpec spec = Spec(layout_->Add({.tag = "v1", .script = kScript}), kSmall);
  Run(spec);
  AwaitDone();
  const NodePlaces places(data(), BootDirectory(options_), node_id_);
  const std::vector<std::filesystem::path> upwards = {places.mapped_root(), places.mapped_sys(),
                                                      places.mapped_disk(), places.mapped_image()};
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_FALSE(std::filesystem::exists(places.mapped));
  // It may have been killed after any of its mounts.
  for (size_t missing = 1; missing <= upwards.size(); ++missing) {
    ASSERT_DONE(runtime_->Start(node_id_));
    AwaitDone();
    ::kill(Pid(), SIGKILL);
    ASSERT_TRUE(WaitUntil([&] { return !Observed().running; }));
    for (size_t i = 0; i < missing; ++i)
      ASSERT_TRUE(WaitUntil([&] { return Unmount(upwards[i]).has_value(); }));
    Reopen(true);
  }
  ASSERT_DONE(runtime_->Start(node_id_));
  AwaitDone();
  ExpectPlainOwners();
}

TEST_F(UserNamespacesTest, AnAgentWithoutThemTakesAwayWhatATrialThatWasKilledHasLeft) {
  const NodePlaces places(data() / "trial", BootDirectory(options_) / "trial", NodeId());
  for (const auto& mounted : {places.mapped_root(), places.mapped_image()}) {
    std::filesystem::create_directories(mounted);
    ASSERT_TRUE(Mount("tmpfs", mounted, "tmpfs", 0, "").has_value());
  }
  std::filesystem::create_directories(places.disk);
  Reopen(false);
  EXPECT_FALSE(std::filesystem::exists(data() / "trial"));
  EXPECT_FALSE(std::filesystem::exists(BootDirectory(options_) / "trial"));
}

TEST_F(UserNamespacesTest, TheAgentSaysWhatAHostIsMissing) {
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0700), 0);
  auto refused = OciRuntime::Open(options_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "USER_NAMESPACES_UNAVAILABLE");
  EXPECT_NE(refused.error().message.find(dir_.path().string() + " lets nobody but its owner pass"),
            std::string::npos)
      << refused.error().message;
}

}  // namespace
}  // namespace tallyman::agent::oci
