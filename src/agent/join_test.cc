#include "agent/join.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "agent/file.h"
#include "base/system.h"
#include "tallyman/v1/agent.pb.h"
#include "tests/support/temp_dir.h"

namespace tallyman::agent {
namespace {

// Takes joins as the control plane does: a join token serves once, or again with the same nonce.
class JoinDesk final : public client::Client {
 public:
  Status Call(std::string_view method, const google::protobuf::Message& request,
              google::protobuf::Message& response) override {
    EXPECT_EQ(method, "tallyman.v1.AgentService/Join");
    last = static_cast<const v1::JoinRequest&>(request);
    if (last.join_token() != "join-1" || (!nonce.empty() && nonce != last.nonce()))
      return Fail(Error(Code::kUnauthenticated, "JOIN_TOKEN_INVALID", "no such join token"));
    nonce = last.nonce();
    auto& answer = static_cast<v1::JoinResponse&>(response);
    answer.set_host_id(host_id);
    answer.set_host("host-1");
    answer.set_host_token("token-" + std::to_string(++given));
    if (lose_answer) return Fail(Error(Code::kUnavailable, "CUT", "the answer is lost"));
    return {};
  }
  v1::JoinRequest last;
  std::string nonce;
  std::string host_id = "host-id";
  int given = 0;
  bool lose_answer = false;
};

class JoinTest : public testing::Test {
 protected:
  std::unique_ptr<SqliteJournal> Open() {
    return std::move(*SqliteJournal::Open((dir_.path() / "journal.db").string()));
  }
  Result<HostIdentity> Try(const std::string& token = "join-1", int64_t disk_bytes = 32) {
    auto journal = Open();
    return Join(
        desk_, *journal, secrets_, token_file_, token,
        {.hostname = "m", .capacity = {8, 16, disk_bytes}, .agent_version = "1", .runtime = "r"});
  }

  TempDir dir_;
  JoinDesk desk_;
  SystemSecrets secrets_;
  std::filesystem::path token_file_ = dir_.path() / "host-token";
};

TEST_F(JoinTest, KeepsItsTokenInAFileThatOnlyItsOwnerCanRead) {
  EXPECT_FALSE(LoadIdentity(*Open(), token_file_)->has_value());
  auto joined = Try();
  ASSERT_TRUE(joined.has_value()) << joined.error().message;
  struct stat info{};
  ASSERT_EQ(::stat(token_file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto loaded = LoadIdentity(*Open(), token_file_);
  ASSERT_TRUE(loaded.has_value() && loaded->has_value());
  EXPECT_EQ((*loaded)->token, "token-1");
  EXPECT_EQ((*loaded)->host, "host-1");
  EXPECT_EQ((*loaded)->host_id, "host-id");
  EXPECT_EQ(desk_.last.facts().capacity().memory_bytes(), 16);
  EXPECT_EQ(desk_.last.facts().hostname(), "m");
}

TEST_F(JoinTest, AMachineWithoutRoomForNodesSaysSoAndKeepsItsJoinToken) {
  auto refused = Try("join-1", 0);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "HOST_DISK_FULL");
  EXPECT_NE(refused.error().message.find(dir_.path().string()), std::string::npos);
  EXPECT_EQ(desk_.given, 0);
  EXPECT_TRUE(Try().has_value());
}

TEST_F(JoinTest, TheTokenOfTheLastReleaseIsTakenIntoTheJournal) {
  ASSERT_TRUE(Open()->SetFact("host_id", "host-id").has_value());
  ASSERT_TRUE(Open()->SetFact("host", "host-1").has_value());
  ASSERT_TRUE(WriteFileAtomically(token_file_, "token-of-old\n", 0600).has_value());
  EXPECT_EQ((*LoadIdentity(*Open(), token_file_))->token, "token-of-old");
  // The file may be lost, or empty after a power cut.
  std::filesystem::remove(token_file_);
  auto loaded = LoadIdentity(*Open(), token_file_);
  ASSERT_TRUE(loaded.has_value() && loaded->has_value());
  EXPECT_EQ((*loaded)->token, "token-of-old");
}

TEST_F(JoinTest, JoinsThoughItsTokensFileCannotBeWritten) {
  token_file_ = dir_.path() / "no-such-directory" / "host-token";
  ASSERT_TRUE(Try().has_value());
  EXPECT_EQ((*LoadIdentity(*Open(), token_file_))->token, "token-1");
}

TEST_F(JoinTest, AnAnswerThatIsLostLocksNobodyOut) {
  desk_.lose_answer = true;
  EXPECT_FALSE(Try().has_value());
  EXPECT_FALSE(LoadIdentity(*Open(), token_file_)->has_value());
  desk_.lose_answer = false;
  auto joined = Try();
  ASSERT_TRUE(joined.has_value()) << joined.error().message;
  EXPECT_EQ(joined->token, "token-2");
}

TEST_F(JoinTest, ADataDirectoryStaysThatOfItsHost) {
  ASSERT_TRUE(Try().has_value());
  std::filesystem::remove(token_file_);
  desk_.host_id = "another-id";
  auto joined = Try();
  ASSERT_FALSE(joined.has_value());
  EXPECT_EQ(joined.error().reason, "OTHER_HOST");
  EXPECT_FALSE(std::filesystem::exists(token_file_));
  // A server of this release is told in time to refuse by itself.
  EXPECT_EQ(desk_.last.host_id(), "host-id");
  desk_.host_id = "host-id";
  EXPECT_TRUE(Try().has_value());
}

TEST_F(JoinTest, AnotherAgentCannotUseTheSameJoinToken) {
  ASSERT_TRUE(Try().has_value());
  std::filesystem::remove(dir_.path() / "journal.db");
  auto second = Try();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().reason, "JOIN_TOKEN_INVALID");
}

}  // namespace
}  // namespace tallyman::agent
