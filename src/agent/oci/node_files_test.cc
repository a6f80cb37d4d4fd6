#include "agent/oci/node_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "agent/file.h"
#include "tests/support/temp_dir.h"

namespace tallyman::agent::oci {
namespace {

class NodeFilesTest : public testing::Test {
 protected:
  std::string Text(const std::string& name) {
    return ReadFile(info() / "etc" / name).value_or("missing");
  }
  void HostSays(const std::string& text) {
    // As programs replace it.
    ASSERT_TRUE(WriteFileAtomically(resolv_conf(), text).has_value());
  }
  std::filesystem::path info() const { return dir_.path() / "info"; }
  std::filesystem::path resolv_conf() const { return dir_.path() / "resolv.conf"; }

  TempDir dir_;
};

TEST_F(NodeFilesTest, NameTheNodeAndTheHostsResolvers) {
  HostSays("nameserver 192.0.2.1\n");
  ASSERT_TRUE(WriteNodeFiles(info(), "node-1", resolv_conf()).has_value());
  EXPECT_EQ(Text("hosts"),
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tnode-1\n");
  EXPECT_EQ(Text("hostname"), "node-1\n");
  EXPECT_EQ(Text("resolv.conf"), "nameserver 192.0.2.1\n");
}

TEST_F(NodeFilesTest, WhoHasTheFileOpenSeesWhatTheHostsBecame) {
  HostSays("nameserver 192.0.2.1\nsearch a.long.domain.example\n");
  ASSERT_TRUE(WriteNodeFiles(info(), "node-1", resolv_conf()).has_value());
  // A mount holds the inode, as this does.
  FileDescriptor held(::open((info() / "etc" / "resolv.conf").c_str(), O_RDONLY | O_CLOEXEC));
  HostSays("nameserver 192.0.2.2\n");
  RenewResolvConf(info(), resolv_conf());
  std::string text(100, '\0');
  text.resize(static_cast<size_t>(::pread(held.get(), text.data(), text.size(), 0)));
  EXPECT_EQ(text, "nameserver 192.0.2.2\n");
}

TEST_F(NodeFilesTest, AreReadableToEveryUserWhateverTheAgentsMask) {
  const mode_t before = ::umask(0077);
  const Status written = WriteNodeFiles(info(), "node-1", resolv_conf());
  ::umask(before);
  ASSERT_TRUE(written.has_value());
  for (const char* name : {"hosts", "hostname", "resolv.conf"}) {
    struct stat found{};
    ASSERT_EQ(::stat((info() / "etc" / name).c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0644u) << name;
  }
}

TEST_F(NodeFilesTest, AHostWithoutAResolvConfIsNoObstacle) {
  ASSERT_TRUE(WriteNodeFiles(info(), "node-1", resolv_conf()).has_value());
  EXPECT_EQ(Text("resolv.conf"), "# This host has no resolv.conf.\n");
}

TEST_F(NodeFilesTest, ANodeThatHasNoCopyIsLeftAlone) {
  HostSays("nameserver 192.0.2.1\n");
  RenewResolvConf(info(), resolv_conf());
  EXPECT_FALSE(std::filesystem::exists(info()));
}

}  // namespace
}  // namespace tallyman::agent::oci
