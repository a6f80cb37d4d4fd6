// Secrets of nodes, on the real runtime.
#include "agent/oci/node_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "agent/file.h"
#include "agent/oci/testing_oci.h"

namespace tallyman::agent::oci {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kSecret = "hunter2-of-node-1";
// Tells what it sees, as the user that it is.
constexpr const char* kTellSecrets =
    "cat /tallyman/secrets/token >/data/token; "
    "busybox stat -c '%a %u:%g' /tallyman/secrets/token >/data/owner; "
    "busybox grep ' /tallyman/secrets ' /proc/mounts >/data/mount; env >/data/env; "
    "cat /tallyman/node.json >/data/info; (echo x >/tallyman/secrets/token) 2>/dev/null || "
    "(echo x >/tallyman/secrets/more) 2>/dev/null || echo refused >/data/written; "
    "echo y >/data/done; trap 'exit 0' TERM; while :; do sleep 0.05; done";

class NodeSecretsTest : public OciRuntimeTest {
 protected:
  NodeSpec SpecWith(const std::map<std::string, std::string>& secrets,
                    const std::string& user = "") {
    NodeSpec spec = Spec(layout_->Add({.tag = "v1", .script = kTellSecrets, .user = user}), kSmall);
    spec.secrets = secrets;
    return spec;
  }
  // What the node wrote about it, once it has written everything.
  std::string Told(const std::string& name) {
    EXPECT_TRUE(WaitUntil([&] { return ReadFile(volume("data") / "done").has_value(); }));
    return ReadFile(volume("data") / name).value_or("nothing");
  }
  // It forgets what it told. REQUIRES: its disk is mounted.
  void Again() {
    for (const char* name : {"token", "owner", "mount", "env", "info", "written", "done"})
      std::filesystem::remove(volume("data") / name);
  }
  std::filesystem::path secrets() const {
    return BootDirectory(options_) / "secrets" / node_id_.ToString();
  }
  std::filesystem::path kept() const { return node() / "bundle" / "secrets.json"; }
};

TEST_F(NodeSecretsTest, ANodeReadsThemFromMemoryAndNobodyWritesThem) {
  Run(SpecWith({{"token", kSecret}, {"key.pem", "two\nlines"}}));
  EXPECT_EQ(Told("token"), kSecret);
  EXPECT_EQ(Told("owner"), "400 0:0\n");
  EXPECT_EQ(Told("written"), "refused\n");
  EXPECT_THAT(Told("mount"), HasSubstr("tmpfs /tallyman/secrets tmpfs ro,nosuid,nodev,noexec"));
  EXPECT_THAT(Told("env"), Not(HasSubstr(kSecret)));
  EXPECT_THAT(Told("info"), Not(HasSubstr(kSecret)));
  EXPECT_EQ(ReadFile(secrets() / "key.pem").value_or(""), "two\nlines");
  // On the host's disk there is one file, for root only.
  struct stat info{};
  ASSERT_EQ(::stat(kept().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           node(), std::filesystem::directory_options::skip_permission_denied)) {
    if (!entry.is_regular_file() || entry.file_size() > (1 << 20) || entry.path() == kept() ||
        entry.path().parent_path() == volume("data"))
      continue;
    EXPECT_THAT(ReadFile(entry.path()).value_or(""), Not(HasSubstr(kSecret))) << entry.path();
  }
}

TEST_F(NodeSecretsTest, TheyAreForTheUserOfTheImage) {
  Run(SpecWith({{"token", kSecret}}));  // makes the volume
  EXPECT_EQ(Told("owner"), "400 0:0\n");
  Again();
  NodeSpec spec = SpecWith({{"token", kSecret}}, "7:8");
  spec.values["chown_data"] = "7:8";
  Run(spec);
  EXPECT_EQ(Told("token"), kSecret);
  EXPECT_EQ(Told("owner"), "400 7:8\n");
}

TEST_F(NodeSecretsTest, TheyComeBackAtEachStartAndAreNowhereWhileItIsStopped) {
  Run(SpecWith({{"token", kSecret}}));
  EXPECT_EQ(Told("token"), kSecret);
  Again();
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_FALSE(std::filesystem::exists(secrets()));
  // An agent that knows nothing, as after a boot without its control plane.
  Open();
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_EQ(Told("token"), kSecret);
  // It ends by itself, and is started again.
  ::kill(Pid(), SIGKILL);
  ASSERT_TRUE(WaitUntil([&] { return !Observed().running; }));
  Again();
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_EQ(Told("token"), kSecret);
}

TEST_F(NodeSecretsTest, AnotherConfigHasItsOwnAndWithoutAnyNothingIsLeft) {
  const NodeSpec first = SpecWith({{"token", kSecret}});
  Run(first);
  EXPECT_EQ(Told("token"), kSecret);
  Again();
  ASSERT_DONE(runtime_->Stop(node_id_));
  NodeSpec second = first;
  second.config_id = ids_.New<ConfigId>();
  second.secrets = {{"token", "another"}};
  Run(second);
  EXPECT_EQ(Told("token"), "another");
  Again();
  ASSERT_DONE(runtime_->Stop(node_id_));
  NodeSpec third = first;
  third.config_id = ids_.New<ConfigId>();
  third.secrets.clear();
  Run(third);
  EXPECT_EQ(Told("token"), "");
  EXPECT_FALSE(std::filesystem::exists(secrets()));
  EXPECT_FALSE(std::filesystem::exists(kept()));
  Again();
  ASSERT_DONE(runtime_->Stop(node_id_));
  // As an upgrade that is undone.
  Run(first);
  EXPECT_EQ(Told("token"), kSecret);
  ASSERT_DONE(runtime_->Remove(node_id_));
  EXPECT_FALSE(std::filesystem::exists(secrets()));
  EXPECT_FALSE(std::filesystem::exists(node()));
}

TEST_F(NodeSecretsTest, ANodeWithAUserNamespaceReadsThem) {
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
  options_.user_namespaces = true;
  auto opened = OciRuntime::Open(options_);
  if (!opened && opened.error().reason == "USER_NAMESPACES_UNAVAILABLE")
    GTEST_SKIP() << opened.error().message;
  ASSERT_TRUE(opened) << opened.error().message;
  runtime_ = std::move(*opened);
  Run(SpecWith({{"token", kSecret}}));
  EXPECT_EQ(Told("token"), kSecret);
  EXPECT_EQ(Told("owner"), "400 0:0\n");
  EXPECT_EQ(Told("written"), "refused\n");
}

}  // namespace
}  // namespace tallyman::agent::oci
