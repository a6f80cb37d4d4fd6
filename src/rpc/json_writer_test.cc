#include "rpc/json_writer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <memory>
#include <random>

#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/ledger.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Json(const Message& message) {
  std::string text;
  EXPECT_TRUE(AppendJson(text, message));
  return text;
}

// Fills messages at random: edges of numbers, text that needs escapes, fields left out.
class Filler {
 public:
  explicit Filler(uint64_t seed) : engine_(seed) {}

  // As text of JSON differs by escapes, only `plain` text can be compared as text.
  void Fill(Message& message, bool plain, int depth = 0) {
    const Descriptor& type = *message.GetDescriptor();
    if (type.full_name() == "google.protobuf.Timestamp") return FillTimestamp(message);
    if (type.full_name() == "google.protobuf.Duration") return FillDuration(message);
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (!type.options().map_entry() && Draw(4) == 0) continue;
      if (!field.is_repeated()) {
        FillOne(message, field, plain, depth);
        continue;
      }
      // The other writer has the entries of a map in any order.
      const int count = Draw(field.is_map() && plain ? 2 : 4);
      for (int k = 0; k < count && depth < 4; ++k) Add(message, field, plain, depth);
    }
  }

 private:
  int Draw(int below) { return static_cast<int>(engine_() % static_cast<uint64_t>(below)); }

  int64_t Number() {
    switch (Draw(4)) {
      case 0:
        return std::numeric_limits<int64_t>::max();
      case 1:
        return std::numeric_limits<int64_t>::min();
      case 2:
        return 0;
      default:
        return static_cast<int64_t>(engine_()) >> Draw(64);
    }
  }

  std::string Text(bool plain) {
    static constexpr std::string_view kOdd[] = {
        "",     "\"",        "\\",       "\n",           "\x01",
        "\x7f", "</script>", "\xc3\xa9", "\xe2\x80\xa8", "\xf0\x9f\x9a\x80"};
    std::string text = "text " + std::to_string(++texts_);  // no key of a map comes twice
    if (!plain) text += kOdd[Draw(static_cast<int>(std::size(kOdd)))];
    return text;
  }

  void FillTimestamp(Message& message) {
    auto& time = static_cast<google::protobuf::Timestamp&>(message);
    // The years 1 to 9999 are all that the mapping knows.
    constexpr int64_t kFirst = -62'135'596'800;
    constexpr int64_t kLast = 253'402'300'799;
    time.set_seconds(kFirst + static_cast<int64_t>(engine_() % (kLast - kFirst)));
    time.set_nanos(Nanos());
  }

  void FillDuration(Message& message) {
    auto& duration = static_cast<google::protobuf::Duration&>(message);
    const int sign = Draw(2) == 0 ? 1 : -1;
    duration.set_seconds(sign * Draw(100'000));
    duration.set_nanos(sign * Nanos());
  }

  int32_t Nanos() {
    static constexpr int32_t kUnits[] = {0, 1, 1'000, 1'000'000};
    return kUnits[Draw(4)] * Draw(1'000);
  }

  void FillOne(Message& message, const FieldDescriptor& field, bool plain, int depth) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.SetInt32(&message, &field, static_cast<int32_t>(Number()));
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection.SetUInt32(&message, &field, static_cast<uint32_t>(Number()));
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.SetInt64(&message, &field, Number());
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection.SetUInt64(&message, &field, static_cast<uint64_t>(Number()));
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection.SetBool(&message, &field, Draw(2) == 0);
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection.SetEnumValue(&message, &field, Draw(8));
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.SetString(&message, &field, Text(plain));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (depth < 4) Fill(*reflection.MutableMessage(&message, &field), plain, depth + 1);
        return;
      default:
        FAIL() << field.full_name() << " is of a type that no test fills";
    }
  }

  void Add(Message& message, const FieldDescriptor& field, bool plain, int depth) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection.AddUInt32(&message, &field, static_cast<uint32_t>(Number()));
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.AddInt64(&message, &field, Number());
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection.AddEnumValue(&message, &field, Draw(8));
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.AddString(&message, &field, Text(plain));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(*reflection.AddMessage(&message, &field), plain, depth + 1);
      default:
        FAIL() << field.full_name() << " is of a type that no test fills";
    }
  }

  std::mt19937_64 engine_;
  int texts_ = 0;
};

// Every message of the API, and of every message some at random.
template <class Check>
void ForEachMessage(bool plain, const Check& check) {
  const FileDescriptor* files[] = {
      v1::JoinRequest::descriptor()->file(), v1::Drift::descriptor()->file(),
      v1::Image::descriptor()->file(),       v1::Command::descriptor()->file(),
      v1::Event::descriptor()->file(),       v1::Host::descriptor()->file(),
      v1::LedgerEntry::descriptor()->file(), v1::Node::descriptor()->file(),
      v1::Org::descriptor()->file(),         v1::Region::descriptor()->file(),
      v1::Token::descriptor()->file()};
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Filler filler(seed);
  auto& factory = *google::protobuf::MessageFactory::generated_factory();
  for (const FileDescriptor* file : files) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      for (int round = 0; round < 20; ++round) {
        std::unique_ptr<Message> message(factory.GetPrototype(file->message_type(i))->New());
        filler.Fill(*message, plain);
        check(*message);
      }
    }
  }
}

TEST(JsonWriter, WritesWhatProtobufWrites) {
  ForEachMessage(true, [](const Message& message) {
    std::string expected;
    ASSERT_TRUE(google::protobuf::util::MessageToJsonString(message, &expected).ok());
    ASSERT_EQ(Json(message), expected) << message.GetTypeName();
  });
}

TEST(JsonWriter, WritesWhatProtobufReads) {
  ForEachMessage(false, [](const Message& message) {
    std::unique_ptr<Message> again(message.New());
    const std::string text = Json(message);
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(text, again.get()).ok()) << text;
    ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*again, message)) << text;
  });
}

// No message of the API has bytes; one of protobuf has.
TEST(JsonWriter, PadsBytes) {
  for (const auto& [bytes, text] :
       std::map<std::string, std::string>{{"a", "YQ=="}, {"ab", "YWI="}, {"abc", "YWJj"}}) {
    google::protobuf::UninterpretedOption option;
    option.set_string_value(bytes);
    EXPECT_EQ(Json(option), R"({"stringValue":")" + text + R"("})");
  }
}

TEST(JsonWriter, PutsMapsInOrder) {
  v1::CreateNodesRequest request;
  for (const char* key : {"b", "a\"", "c", "a"}) (*request.mutable_values())[key] = "v";
  EXPECT_EQ(Json(request), R"({"values":{"a":"v","a\"":"v","b":"v","c":"v"}})");
}

TEST(JsonWriter, MendsBrokenText) {
  v1::Org org;
  org.set_name(
      "a\xff"
      "b\xc3");
  EXPECT_EQ(Json(org),
            "{\"name\":\"a\xef\xbf\xbd"
            "b\xef\xbf\xbd\"}");
}

}  // namespace
}  // namespace tallyman::rpc
