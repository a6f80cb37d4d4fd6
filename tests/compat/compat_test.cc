// Programs of this version with those of the last release: its database, its command line and its
// agent at a server of today, and today's at a server of its time.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/generated_message_reflection.h>

#include <algorithm>
#include <memory>

#include "compat/old_server.h"
#include "compat/talk.h"
#include "server/http_peer.h"
#include "server/server_process.h"
#include "sqlite/connection.h"
#include "support/postgres_cluster.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/error.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/ledger.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"
#include "tallyman/v1/token.pb.h"
#include "tests/cli/program.h"
#include "tests/support/child_process.h"

namespace tallyman {
namespace {

using compat::CommandTalk;
using compat::Exchange;
using compat::OldApi;
using compat::OldServer;
using compat::Talk;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using testing::HasSubstr;

bool IsStream(const Exchange& exchange) { return exchange.request.contains("connect+proto"); }

std::string Line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += word + " ";
  return line;
}

// --- what is defined -------------------------------------------------------------------------

void ExpectFieldsOf(const Descriptor& old) {
  const Descriptor* now = DescriptorPool::generated_pool()->FindMessageTypeByName(old.full_name());
  ASSERT_NE(now, nullptr) << old.full_name() << " is gone";
  for (int i = 0; i < old.field_count(); ++i) {
    const FieldDescriptor& field = *old.field(i);
    SCOPED_TRACE(field.full_name());
    const FieldDescriptor* same = now->FindFieldByNumber(field.number());
    ASSERT_NE(same, nullptr) << "is gone";
    EXPECT_EQ(same->name(), field.name());
    EXPECT_EQ(same->type_name(), std::string(field.type_name()));
    EXPECT_EQ(same->label(), field.label());
    if (field.message_type() != nullptr) {
      EXPECT_EQ(same->message_type()->full_name(), field.message_type()->full_name());
    }
    if (field.enum_type() != nullptr) {
      EXPECT_EQ(same->enum_type()->full_name(), field.enum_type()->full_name());
    }
  }
  for (int i = 0; i < old.nested_type_count(); ++i) ExpectFieldsOf(*old.nested_type(i));
}

void ExpectValuesOf(const EnumDescriptor& old) {
  const EnumDescriptor* now = DescriptorPool::generated_pool()->FindEnumTypeByName(old.full_name());
  ASSERT_NE(now, nullptr) << old.full_name() << " is gone";
  for (int i = 0; i < old.value_count(); ++i) {
    const auto* same = now->FindValueByNumber(old.value(i)->number());
    ASSERT_NE(same, nullptr) << old.value(i)->full_name() << " is gone";
    EXPECT_EQ(same->name(), old.value(i)->name());
  }
}

void ExpectMethodsOf(const google::protobuf::ServiceDescriptor& old) {
  for (int i = 0; i < old.method_count(); ++i) {
    const auto& method = *old.method(i);
    SCOPED_TRACE(method.full_name());
    const auto* same = DescriptorPool::generated_pool()->FindMethodByName(method.full_name());
    ASSERT_NE(same, nullptr) << "is gone";
    EXPECT_EQ(same->input_type()->full_name(), method.input_type()->full_name());
    EXPECT_EQ(same->output_type()->full_name(), method.output_type()->full_name());
    EXPECT_EQ(same->server_streaming(), method.server_streaming());
  }
}

// Links what a library would leave out.
bool HasAllFiles() {
  const google::protobuf::Descriptor* const kOfEachFile[] = {
      v1::JoinRequest::descriptor(),        v1::RunAuditRequest::descriptor(),
      v1::GetImageRequest::descriptor(),    v1::GetCommandRequest::descriptor(),
      v1::ErrorDetail::descriptor(),        v1::ListEventsRequest::descriptor(),
      v1::GetHostRequest::descriptor(),     v1::ListLedgerRequest::descriptor(),
      v1::GetNodeRequest::descriptor(),     v1::GetOrgRequest::descriptor(),
      v1::ListRegionsRequest::descriptor(), v1::ListTokensRequest::descriptor()};
  return std::ranges::none_of(kOfEachFile, [](const auto* each) { return each == nullptr; });
}

TEST(OldApi, IsStillThereWithItsNumbersNamesAndTypes) {
  const OldApi api;
  ASSERT_TRUE(HasAllFiles());
  int messages = 0;
  for (const auto& proto : api.files().file()) {
    if (proto.package() != "tallyman.v1") continue;
    const auto* file = api.pool().FindFileByName(proto.name());
    ASSERT_NE(file, nullptr);
    // Options of methods say what a server takes, not what is sent.
    if (proto.name().ends_with("options.proto")) continue;
    for (int i = 0; i < file->message_type_count(); ++i, ++messages)
      ExpectFieldsOf(*file->message_type(i));
    for (int i = 0; i < file->enum_type_count(); ++i) ExpectValuesOf(*file->enum_type(i));
    for (int i = 0; i < file->service_count(); ++i) ExpectMethodsOf(*file->service(i));
  }
  EXPECT_GT(messages, 80);
}

// --- old programs, and a server of today ------------------------------------------------------

// A server of today on the database of the release, which it migrates as it starts.
class OldCallersTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = sqlite::SqliteConnection::Open(server_.PathOf("fleet.db"), {.create = true});
    ASSERT_TRUE(opened.has_value());
    ASSERT_TRUE((*opened)->Execute(compat::ReadRecording("fleet.sqlite.sql")));
    opened->reset();
    const Ran migrated = RunProgram(TALLYMAN_PROGRAM, {"db", "migrate", "--db", server_.dsn()}, {});
    ASSERT_EQ(migrated.status, 0) << migrated.err;
    ASSERT_TRUE(server_.Start()) << server_.Log();
  }

  // Sends the recorded request, and expects what the old caller made of the recorded answer.
  void Repeat(const Exchange& exchange) {
    SCOPED_TRACE(exchange.path);
    auto peer = std::make_unique<HttpPeer>(server_.port());
    ASSERT_TRUE(peer->Send(compat::Replaced(exchange.request, recorded_host_token_, host_token_)));
    if (IsStream(exchange)) {
      EXPECT_EQ(peer->ReceiveHead().status, compat::StatusOf(exchange.response));
      streams_.push_back(std::move(peer));
      return;
    }
    const PeerAnswer answer = peer->Receive();
    ASSERT_EQ(answer.status, compat::StatusOf(exchange.response)) << answer.body;
    if (answer.status != 200) return;
    const std::string recorded = compat::BodyOf(exchange.response);
    EXPECT_EQ(api_.Shown(exchange.path, answer.body), api_.Shown(exchange.path, recorded));
    if (!exchange.path.ends_with("/Join")) return;
    recorded_host_token_ = api_.FieldOf(exchange.path, recorded, "host_token");
    host_token_ = api_.FieldOf(exchange.path, answer.body, "host_token");
  }
  Ran Tallyman(const std::vector<std::string>& words) const {
    return RunProgram(TALLYMAN_PROGRAM, words,
                      {"TALLYMAN_SERVER=" + server_.Url(), "TALLYMAN_TOKEN=" + talk_.token});
  }

  const Talk talk_ = compat::ReadTalk();
  const OldApi api_;
  ServerProcess server_;
  std::string recorded_host_token_ = "none yet", host_token_ = "none yet";
  std::vector<std::unique_ptr<HttpPeer>> streams_;
};

TEST_F(OldCallersTest, AnOldAgentAndAnOldCommandLineAreServedAsBefore) {
  ASSERT_FALSE(talk_.agent.empty());
  for (const Exchange& exchange : talk_.agent) Repeat(exchange);
  // The agent's report reached the books.
  const Ran nodes = Tallyman({"node", "list"});
  EXPECT_THAT(nodes.out, HasSubstr("running")) << nodes.err;
  EXPECT_EQ(Tallyman({"command", "list", "--host", "h1", "--filter", "state=settled"}).status, 0);
  ASSERT_FALSE(talk_.commands.empty());
  for (const CommandTalk& command : talk_.commands) {
    SCOPED_TRACE(Line(command.words));
    for (const Exchange& exchange : command.exchanges) Repeat(exchange);
  }
  EXPECT_EQ(Tallyman({"audit"}).status, 0);
}

// The other databases of the release are opened by tests of their migrations; this one is whole.
TEST(OldDatabase, OfPostgresIsMigratedAndWorks) {
  const PostgresDatabase database({}, false);
  database.Sql(compat::ReadRecording("fleet.postgres.sql"));
  const std::vector<std::string> environment = {"TALLYMAN_DB=" + database.dsn()};
  const auto must = [&](const std::vector<std::string>& words) {
    const Ran ran = RunProgram(TALLYMAN_PROGRAM, words, environment);
    EXPECT_EQ(ran.status, 0) << Line(words) << ran.err;
    return ran.out;
  };
  const Ran too_old = RunProgram(TALLYMAN_PROGRAM, {"audit"}, environment);
  EXPECT_THAT(too_old.err, HasSubstr("SCHEMA_TOO_OLD"));
  must({"db", "migrate"});
  EXPECT_THAT(must({"audit"}), HasSubstr("Balanced"));
  EXPECT_THAT(must({"node", "list"}), HasSubstr("n-2"));
  EXPECT_THAT(must({"node", "upgrade", "n-1", "--image", "p/v@2.0.0"}), HasSubstr("16"));
  EXPECT_THAT(must({"audit", "trail"}), HasSubstr("UpgradeNodes"));
  EXPECT_THAT(must({"audit"}), HasSubstr("Balanced"));
}

// --- programs of today, and an old server -----------------------------------------------------

TEST(OldServer, IsUnderstoodByTheCommandLine) {
  const Talk talk = compat::ReadTalk();
  for (const CommandTalk& command : talk.commands) {
    SCOPED_TRACE(Line(command.words));
    const OldServer server(command.exchanges, talk.unknown_method);
    const Ran ran = RunProgram(TALLYMAN_PROGRAM, command.words,
                               {"TALLYMAN_SERVER=" + server.url(), "TALLYMAN_TOKEN=" + talk.token});
    EXPECT_EQ(ran.status, command.status) << ran.err;
    for (const std::string& word : command.shows) EXPECT_THAT(ran.out, HasSubstr(word));
  }
}

TEST(OldServer, ThatLacksAMethodIsCalledTooOld) {
  const Talk talk = compat::ReadTalk();
  const OldServer server({}, talk.unknown_method);
  const Ran ran = RunProgram(TALLYMAN_PROGRAM, {"host", "cordon", "h1", "--reason", "disk"},
                             {"TALLYMAN_SERVER=" + server.url(), "TALLYMAN_TOKEN=" + talk.token});
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("SERVER_TOO_OLD"));
}

TEST(OldServer, IsServedByTheAgent) {
  const Talk talk = compat::ReadTalk();
  std::set<std::string> handed_out;
  for (const Exchange& exchange : talk.agent) {
    if (!exchange.path.ends_with("/FetchCommands")) continue;
    v1::FetchCommandsResponse answer;
    ASSERT_TRUE(answer.ParseFromString(compat::BodyOf(exchange.response)));
    for (const auto& command : answer.commands()) handed_out.insert(command.command_id());
  }
  ASSERT_EQ(handed_out.size(), 2u);
  const TempDir directory;
  const OldServer server(talk.agent, talk.unknown_method);
  ChildProcess agent(directory.path() / "agent.log");
  agent.Start({TALLYMAN_PROGRAM, "agent", "--server", server.url(), "--data",
               directory.path() / "data", "--runtime", "simulated", "--poll-seconds", "1"},
              {"TALLYMAN_JOIN_TOKEN=" + talk.join_token});
  EXPECT_TRUE(WaitUntil([&] { return server.Done() == handed_out; })) << agent.Log();
  EXPECT_EQ(agent.Stop(), 0) << agent.Log();
}

}  // namespace
}  // namespace tallyman
