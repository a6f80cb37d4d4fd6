#include "cli/document.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <boost/json.hpp>

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

namespace tallyman::cli {
namespace {

v1::HostSpec Example() {
  v1::HostSpec host;
  host.set_name("h \"1\"\n");
  host.set_region("no");
  host.mutable_capacity()->set_cpu_cores(INT64_MAX);
  return host;
}

TEST(Document, JsonHasAllFieldsByTheirNamesAndLargeNumbersAsText) {
  EXPECT_EQ(ToJsonText(ToDocument(Example())),
            "{\n"
            "  \"name\": \"h \\\"1\\\"\\n\",\n"
            "  \"region\": \"no\",\n"
            "  \"capacity\": {\n"
            "    \"cpu_cores\": \"9223372036854775807\",\n"
            "    \"memory_bytes\": \"0\",\n"
            "    \"disk_bytes\": \"0\"\n"
            "  },\n"
            "  \"capacity_policy\": \"CAPACITY_POLICY_UNSPECIFIED\"\n"
            "}\n");
}

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Every field, the lists with two elements.
void Fill(Message& message, int depth = 0) {
  const auto& reflection = *message.GetReflection();
  if (auto* time = dynamic_cast<google::protobuf::Timestamp*>(&message)) {
    time->set_seconds(1'700'000'000 + depth);
    return time->set_nanos(depth * 1000);
  }
  if (auto* duration = dynamic_cast<google::protobuf::Duration*>(&message))
    return duration->set_seconds(90 + depth);
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count() && depth < 5; ++i) {
    const FieldDescriptor& field = *type.field(i);
    for (int item = 0; item < (field.is_repeated() ? 2 : 1); ++item) {
      const std::string text = "a \"1\"\n" + std::to_string(item);
      const bool many = field.is_repeated();
      switch (field.cpp_type()) {
        case FieldDescriptor::CPPTYPE_INT32:
          many ? reflection.AddInt32(&message, &field, -7)
               : reflection.SetInt32(&message, &field, -7);
          break;
        case FieldDescriptor::CPPTYPE_UINT32:
          many ? reflection.AddUInt32(&message, &field, 4'000'000'000)
               : reflection.SetUInt32(&message, &field, 4'000'000'000);
          break;
        case FieldDescriptor::CPPTYPE_INT64:
          many ? reflection.AddInt64(&message, &field, INT64_MIN)
               : reflection.SetInt64(&message, &field, INT64_MIN);
          break;
        case FieldDescriptor::CPPTYPE_BOOL:
          many ? reflection.AddBool(&message, &field, true)
               : reflection.SetBool(&message, &field, true);
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          many ? reflection.AddEnumValue(&message, &field, 1 + 98 * item)
               : reflection.SetEnumValue(&message, &field, 1);
          break;
        case FieldDescriptor::CPPTYPE_STRING:
          many ? reflection.AddString(&message, &field, text)
               : reflection.SetString(&message, &field, text);
          break;
        case FieldDescriptor::CPPTYPE_MESSAGE:
          Fill(many ? *reflection.AddMessage(&message, &field)
                    : *reflection.MutableMessage(&message, &field),
               depth + 1);
          break;
        default:
          ADD_FAILURE() << field.full_name() << ": ToDocument does not know this type";
      }
    }
  }
}

boost::json::value AsProtobufSays(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(message, &text, options).ok());
  return boost::json::parse(text);
}

TEST(Document, OfEveryAnswerIsThatOfTheProtobufMapping) {
  int answers = 0;
  for (const Message* of_file : std::initializer_list<const Message*>{
           &v1::RequestEntry::default_instance(), &v1::Image::default_instance(),
           &v1::Command::default_instance(), &v1::Event::default_instance(),
           &v1::Host::default_instance(), &v1::LedgerEntry::default_instance(),
           &v1::Node::default_instance(), &v1::Org::default_instance(),
           &v1::Region::default_instance(), &v1::Token::default_instance()}) {
    const auto& file = *of_file->GetDescriptor()->file();
    for (int i = 0; i < file.message_type_count(); ++i) {
      const Message& prototype =
          *google::protobuf::MessageFactory::generated_factory()->GetPrototype(
              file.message_type(i));
      std::unique_ptr<Message> message(prototype.New());
      EXPECT_EQ(ToDocument(*message), AsProtobufSays(*message)) << message->GetTypeName();
      Fill(*message);
      EXPECT_EQ(ToDocument(*message), AsProtobufSays(*message)) << message->GetTypeName();
      ++answers;
    }
  }
  EXPECT_GT(answers, 100);
}

class ListTextTest : public testing::TestWithParam<ListText::Form> {
 protected:
  static v1::ListLedgerResponse Page(int first, int count) {
    v1::ListLedgerResponse page;
    for (int i = first; i < first + count; ++i) {
      page.add_entries()->set_seq(i);
      page.mutable_entries(i - first)->set_host("h \"1\"");
    }
    page.set_entry_count(7);
    page.mutable_total()->set_node_count(3);
    return page;
  }
  std::string Whole(const Message& answer) const {
    return GetParam() == ListText::Form::kJson ? ToJsonText(ToDocument(answer))
                                               : ToYamlText(ToDocument(answer));
  }
  // Whether a reader takes the text for a document.
  bool IsReadable(const std::string& text) const {
    if (GetParam() == ListText::Form::kJson) {
      boost::system::error_code bad;
      boost::json::parse(text, bad);
      return !bad;
    }
    try {
      return YAML::Load(text).IsDefined();
    } catch (const YAML::Exception&) {
      return false;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Forms, ListTextTest,
                         testing::Values(ListText::Form::kJson, ListText::Form::kYaml));

TEST_P(ListTextTest, PagesTogetherAreTheWholeAnswer) {
  ListText text(GetParam());
  v1::ListLedgerResponse first = Page(0, 2);
  first.set_next_page_token("more");
  std::string written = text.Add(first);
  written += text.Add(Page(2, 0));
  written += text.Add(Page(2, 1));
  written += text.End(Page(2, 1));
  EXPECT_EQ(written, Whole(Page(0, 3)));
  EXPECT_TRUE(IsReadable(written));
}

TEST_P(ListTextTest, AnEmptyListIsAWholeAnswerToo) {
  ListText text(GetParam());
  const std::string written = text.Add(Page(0, 0));
  EXPECT_EQ(written + text.End(Page(0, 0)), Whole(Page(0, 0)));
}

TEST_P(ListTextTest, NoReaderTakesABrokenListForWhole) {
  ListText text(GetParam());
  EXPECT_EQ(text.Break(), "");
  std::string written = text.Add(Page(0, 2));
  written += text.Add(Page(2, 2));
  EXPECT_FALSE(IsReadable(written + text.Break())) << written + text.Break();
}

TEST(Document, YamlQuotesWhatWouldBeReadAsSomethingElse) {
  EXPECT_EQ(ToYamlText(ToDocument(Example())),
            "name: \"h \\\"1\\\"\\n\"\n"
            "region: \"no\"\n"
            "capacity:\n"
            "  cpu_cores: \"9223372036854775807\"\n"
            "  memory_bytes: \"0\"\n"
            "  disk_bytes: \"0\"\n"
            "capacity_policy: CAPACITY_POLICY_UNSPECIFIED\n");
}

TEST(Document, EmptyListsAndBooleansStayWhatTheyAre) {
  const boost::json::value document = {{"list", boost::json::array()}, {"yes", true}, {"n", 3}};
  EXPECT_EQ(ToJsonText(document), "{\n  \"list\": [],\n  \"yes\": true,\n  \"n\": 3\n}\n");
  EXPECT_EQ(ToYamlText(document), "list: []\nyes: true\nn: 3\n");
}

TEST(Document, KeysThatAreNoWordsAreQuoted) {
  const boost::json::value document = {{"a: b", "#"}, {"", boost::json::object()}, {"1", nullptr}};
  const YAML::Node read = YAML::Load(ToYamlText(document));
  EXPECT_EQ(read["a: b"].as<std::string>(), "#");
  EXPECT_EQ(read[""].size(), 0u);
  EXPECT_TRUE(read["1"].IsNull());
}

TEST(Document, BrokenTextBecomesReplacementCharacters) {
  EXPECT_EQ(ToJsonString("a\xff"
                         "b"),
            "a\xef\xbf\xbd"
            "b");
}

}  // namespace
}  // namespace tallyman::cli
