#include "api/dispatcher.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/random.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"

namespace tallyman::api {
namespace {

using namespace tallyman::store;
using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using ::testing::HasSubstr;

// Nothing here gets as far as the database.
class NoStore : public Store {
 public:
  Status Read(const std::function<Status(ReadTx&)>&) override { return Refuse(); }
  Status Write(const std::function<Status(WriteTx&)>&) override { return Refuse(); }
  Status Together(const std::function<Result<bool>(Store&)>&) override { return Refuse(); }
  Result<std::optional<Time>> Now() override { return std::nullopt; }

 private:
  static Status Refuse() {
    return Fail(Error(Code::kUnavailable, "NO_STORE", "this test has no store"));
  }
};

class ThrowingStore : public Store {
 public:
  Status Read(const std::function<Status(ReadTx&)>&) override {
    throw std::runtime_error("the disk sang");
  }
  Status Write(const std::function<Status(WriteTx&)>&) override { throw 1; }
  Status Together(const std::function<Result<bool>(Store&)>&) override { throw 1; }
  Result<std::optional<Time>> Now() override { return std::nullopt; }
};

template <class StoreType>
struct Room {
  StoreType store;
  ManualClock clock{Time(std::chrono::seconds(1'700'000'000))};
  SeededRandom random{1};
  MemoryLog log;
  Metrics metrics;
  control::Control control{store, clock, random, log, metrics};
  Dispatcher dispatcher{control};
  Caller admin{.actor = {.id = "test", .role = Role::kAdmin}};

  // The error of a call that is answered on this thread.
  Error Refusal(std::string_view method, const Message& request) {
    Error error;
    int answers = 0;
    dispatcher.Dispatch(method, request, admin, [&](Result<Reply> answer) {
      ++answers;
      if (!answer) error = answer.error();
    });
    EXPECT_EQ(answers, 1);
    return error;
  }
};

// Every method of every service that the definition has, by full name.
std::map<std::string, const MethodDescriptor*> DefinedMethods() {
  std::map<std::string, const MethodDescriptor*> methods;
  for (const auto& entry : std::filesystem::directory_iterator(TALLYMAN_PROTO_DIR "/tallyman/v1")) {
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    if (entry.path().extension() != ".proto" || text.str().find("\nservice ") == std::string::npos)
      continue;
    const FileDescriptor* file = DescriptorPool::generated_pool()->FindFileByName(
        "tallyman/v1/" + entry.path().filename().string());
    EXPECT_NE(file, nullptr) << entry.path() << " has a service that nothing here implements";
    for (int s = 0; file != nullptr && s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const MethodDescriptor* method = file->service(s)->method(m);
        methods[file->service(s)->full_name() + "/" + method->name()] = method;
      }
    }
  }
  return methods;
}

TEST(Dispatcher, HasExactlyTheMethodsOfTheDefinitionWithTheirTypes) {
  Room<NoStore> room;
  auto defined = DefinedMethods();
  EXPECT_EQ(defined.size(), 66u);
  for (const auto& [name, method] : defined) {
    EXPECT_FALSE(method->client_streaming()) << name;
    if (method->server_streaming()) {
      ASSERT_TRUE(room.dispatcher.stream_methods().contains(name)) << name;
      const StreamMethod& stream = room.dispatcher.stream_methods().find(name)->second;
      EXPECT_EQ(stream.request->GetDescriptor(), method->input_type()) << name;
      EXPECT_EQ(stream.response->GetDescriptor(), method->output_type()) << name;
      continue;
    }
    auto found = room.dispatcher.methods().find(name);
    ASSERT_NE(found, room.dispatcher.methods().end()) << name << " is not in the table";
    EXPECT_EQ(found->second.request->GetDescriptor(), method->input_type()) << name;
    EXPECT_EQ(found->second.response->GetDescriptor(), method->output_type()) << name;
  }
  for (const auto& [name, method] : room.dispatcher.methods())
    EXPECT_TRUE(defined.contains(name)) << name;
  for (const auto& [name, method] : room.dispatcher.stream_methods())
    EXPECT_TRUE(defined.contains(name)) << name;
}

TEST(Dispatcher, CallsThoseMutationsWhoseRequestsCarryARequestId) {
  Room<NoStore> room;
  for (const auto& [name, method] : room.dispatcher.methods()) {
    EXPECT_EQ(method.mutates,
              method.request->GetDescriptor()->FindFieldByName("request_id") != nullptr)
        << name;
  }
}

TEST(Dispatcher, AuthorizesEveryMethodBeforeAnythingIsRead) {
  Room<NoStore> room;
  for (const auto& [name, method] : room.dispatcher.methods()) {
    room.admin.actor.role = name.ends_with("/Join") ? Role::kViewer : Role::kJoin;
    auto request = room.dispatcher.NewRequest(name);
    // What the definition calls required stands before the question who may call.
    if (auto* create = dynamic_cast<v1::CreateNodesRequest*>(request.get())) {
      create->mutable_by_region()->set_region("r");
    }
    EXPECT_EQ(room.Refusal(name, *request).reason, "NOT_PERMITTED") << name;
  }
  for (const auto& [name, method] : room.dispatcher.stream_methods()) {
    auto stream = room.dispatcher.OpenStream(name, *method.request, room.admin, [] {});
    ASSERT_FALSE(stream.has_value()) << name;
    EXPECT_EQ(stream.error().reason, "NOT_PERMITTED") << name;
  }
}

TEST(Dispatcher, RefusesStreamsAsItRefusesCalls) {
  Room<ThrowingStore> room;
  auto open = [&](std::string_view name, const Message& request) {
    auto stream = room.dispatcher.OpenStream(name, request, room.admin, [] {});
    return stream ? "" : stream.error().reason;
  };
  constexpr std::string_view kWatch = "tallyman.v1.EventService/WatchEvents";
  EXPECT_EQ(open("tallyman.v1.EventService/ListEvents", v1::ListEventsRequest()), "UNKNOWN_METHOD");
  EXPECT_EQ(open(kWatch, v1::GetOrgRequest()), "WRONG_MESSAGE");
  v1::WatchEventsRequest request;
  EXPECT_EQ(open(kWatch, request), "UNEXPECTED_EXCEPTION");
  request.set_filter(std::string("a\0b", 3));
  EXPECT_EQ(open(kWatch, request), "INVALID_TEXT");
}

TEST(Dispatcher, RefusesAMethodThatIsNotThere) {
  Room<NoStore> room;
  Error error = room.Refusal("tallyman.v1.NodeService/Explode\n", v1::GetNodeRequest());
  EXPECT_EQ(error.code, Code::kUnimplemented);
  EXPECT_EQ(error.reason, "UNKNOWN_METHOD");
  EXPECT_THAT(error.message, HasSubstr("Explode\\x0a"));
}

TEST(Dispatcher, RefusesAMessageOfAnotherType) {
  Room<NoStore> room;
  EXPECT_EQ(room.Refusal("tallyman.v1.NodeService/GetNode", v1::GetOrgRequest()).reason,
            "WRONG_MESSAGE");
}

TEST(Dispatcher, TurnsAnExceptionIntoAnInternalErrorAndAnswersOnce) {
  Room<ThrowingStore> room;
  v1::GetOrgRequest request;
  request.set_org("acme");
  Error error = room.Refusal("tallyman.v1.OrgService/GetOrg", request);
  EXPECT_EQ(error.code, Code::kInternal);
  EXPECT_EQ(error.reason, "UNEXPECTED_EXCEPTION");
  EXPECT_THAT(error.message, HasSubstr("the disk sang"));
}

TEST(Dispatcher, RefusesUnsetChoicesOfACreate) {
  Room<NoStore> room;
  constexpr const char* kMethod = "tallyman.v1.NodeService/CreateNodes";
  v1::CreateNodesRequest request;
  EXPECT_EQ(room.Refusal(kMethod, request).reason, "NO_PLACEMENT");
  request.mutable_by_hosts();
  EXPECT_EQ(room.Refusal(kMethod, request).reason, "NO_HOSTS");
  request.mutable_by_region();
  EXPECT_EQ(room.Refusal(kMethod, request).reason, "NO_REGION");
  request.set_name("");
  EXPECT_EQ(room.Refusal(kMethod, request).Fact("field"), "name");
}

TEST(Dispatcher, RefusesCountsThatDoNotAddUp) {
  Room<NoStore> room;
  constexpr const char* kMethod = "tallyman.v1.NodeService/CreateNodes";
  v1::CreateNodesRequest request;
  auto add = [&](int64_t count) {
    auto* host = request.mutable_by_hosts()->add_hosts();
    host->set_host("h");
    host->set_count(count);
  };
  add(2);
  request.set_count(3);
  EXPECT_EQ(room.Refusal(kMethod, request).Fact("field"), "count");
  request.set_count(0);
  add(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(room.Refusal(kMethod, request).Fact("field"), "by_hosts.hosts[1].count");
  request.mutable_by_hosts()->mutable_hosts(1)->set_count(-1);
  EXPECT_EQ(room.Refusal(kMethod, request).Fact("field"), "by_hosts.hosts[1].count");
}

TEST(Dispatcher, RefusesNodesBesideASelector) {
  Room<NoStore> room;
  v1::UpgradeNodesRequest request;
  request.add_nodes("a");
  request.mutable_selector()->set_protocol("p");
  EXPECT_EQ(room.Refusal("tallyman.v1.NodeService/UpgradeNodes", request).reason,
            "NODES_AND_SELECTOR");
}

TEST(Dispatcher, NamesTheItemOfABatchWhoseTimeIsImpossible) {
  Room<NoStore> room;
  v1::CreateImagesRequest request;
  request.add_images();
  request.add_images()->mutable_committed_at()->set_nanos(-1);
  Error error = room.Refusal("tallyman.v1.CatalogService/CreateImages", request);
  EXPECT_EQ(error.reason, "INVALID_TIME");
  EXPECT_EQ(error.Fact("index"), "1");
  EXPECT_EQ(error.Fact("field"), "images[1].committed_at");
}

TEST(Reply, SaysSoWhenAStoredAnswerCannotBeRead) {
  auto message =
      Reply(v1::GetOrgResponse::default_instance(), std::string("\x0a\xff", 2)).ToMessage();
  ASSERT_FALSE(message.has_value());
  EXPECT_EQ(message.error().code, Code::kDataLoss);
  EXPECT_EQ(message.error().reason, "STORED_ANSWER_UNREADABLE");
}

TEST(Reply, GivesTheBytesOfAMessageAndTheMessageOfBytes) {
  v1::GetOrgResponse response;
  response.mutable_org()->set_name("acme");
  std::string bytes = Reply(std::make_unique<v1::GetOrgResponse>(response)).ToBytes();
  EXPECT_EQ(bytes, response.SerializeAsString());
  auto message = Reply(response, bytes).ToMessage();
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ((*message)->SerializeAsString(), bytes);
}

TEST(Serialize, GivesTheSameBytesWhateverTheOrderOfAMap) {
  v1::CreateNodesRequest forth, back;
  for (int i = 0; i < 50; ++i) (*forth.mutable_values())[std::to_string(i)] = "v";
  for (int i = 49; i >= 0; --i) (*back.mutable_values())[std::to_string(i)] = "v";
  EXPECT_EQ(Serialize(forth), Serialize(back));
}

}  // namespace
}  // namespace tallyman::api
