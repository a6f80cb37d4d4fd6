#include "rpc/message_codec.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "tallyman/v1/ledger.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::rpc {
namespace {

Error Refused(std::string_view json) {
  v1::UpgradeNodesRequest request;
  auto status = ParseMessage(Codec::kJson, json, request);
  EXPECT_FALSE(status.has_value()) << json;
  if (status) return {};
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  EXPECT_EQ(status.error().reason, "MALFORMED_MESSAGE");
  return status.error();
}

TEST(MessageCodec, GoesThereAndBackInBothForms) {
  v1::UpgradeNodesRequest request;
  request.add_nodes("eth-1");
  request.set_image("p/v@1.0.0");
  request.set_dry_run(true);
  for (Codec codec : {Codec::kJson, Codec::kProto}) {
    auto bytes = FormatMessage(codec, request);
    ASSERT_TRUE(bytes.has_value());
    v1::UpgradeNodesRequest again;
    ASSERT_TRUE(ParseMessage(codec, *bytes, again).has_value());
    EXPECT_EQ(again.SerializeAsString(), request.SerializeAsString());
  }
}

TEST(MessageCodec, WritesNamesAsTheMappingSays) {
  v1::UpgradeNodesRequest request;
  request.set_dry_run(true);
  EXPECT_EQ(FormatMessage(Codec::kJson, request).value(), R"({"dryRun":true})");
  EXPECT_TRUE(
      ParseMessage(Codec::kJson, R"({"dry_run":true,"planToken":""})", request).has_value());
}

// What is read here without protobuf is read as protobuf would: documents of strings with bytes
// exchanged, lost and doubled at random.
TEST(MessageCodec, ReadsWhatProtobufReads) {
  static constexpr std::string_view kDocuments[] = {
      R"({"node":"eth-1","image":"p/v@1.0.0","requestId":"r","plan_token":""})",
      R"( { "host" : "a" , "pageToken":"b", "order_by":"c" }  )",
      R"({"host":"a","node":"b"})",
      R"({"node":"a","node":"b"})",
      R"({"image":"a\u0041\\","requestId":"\n"})",
      R"({"image":"a","dryRun":"true"})",
      R"({"nodes":["a"],"image":"b"})",
      R"({"namePrefix":"a","count":"3"})"};
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto draw = [&random](size_t below) { return static_cast<size_t>(random() % below); };
  for (int round = 0; round < 4'000; ++round) {
    std::string text(kDocuments[draw(std::size(kDocuments))]);
    for (size_t changes = draw(4); changes > 0; --changes) {
      const size_t at = draw(text.size());
      const size_t other = draw(text.size());
      switch (draw(3)) {
        case 0:
          text[at] = text[other];
          break;
        case 1:
          text.erase(at, 1);
          break;
        default:
          text.insert(at, 1, text[other]);
      }
    }
    const std::unique_ptr<google::protobuf::Message> messages[] = {
        std::make_unique<v1::GetNodeRequest>(), std::make_unique<v1::UpgradeNodesRequest>(),
        std::make_unique<v1::ListLedgerRequest>(), std::make_unique<v1::CreateNodesRequest>()};
    for (const auto& message : messages) {
      std::unique_ptr<google::protobuf::Message> expected(message->New());
      const bool is_read = google::protobuf::util::JsonStringToMessage(text, expected.get()).ok();
      ASSERT_EQ(ParseMessage(Codec::kJson, text, *message).has_value(), is_read) << text;
      if (is_read) {
        ASSERT_EQ(message->SerializeAsString(), expected->SerializeAsString()) << text;
      }
    }
  }
}

TEST(MessageCodec, NamesTheFieldThatIsToBlame) {
  EXPECT_EQ(Refused(R"({"nods": ["a"]})").Fact("field"), "nods");
  EXPECT_EQ(Refused(R"({"dryRun": "perhaps"})").Fact("field"), "dry_run");
  EXPECT_NE(Refused(R"({"nods": ["a"]})").message.find("nods"), std::string::npos);
}

TEST(MessageCodec, ShowsNothingOfAValueOfAMap) {
  for (std::string_view body :
       {R"({"setValues": {"k": 4711815}})", R"({"setValues": {"k": {"x": "4711815"}}})",
        R"({"setValues": {"k": ["4711815"]}})", R"({"setValues": "4711815"})",
        R"({"setValues": {"k": "4711815)", R"({"setValues": {"k": 4711815x}})",
        R"({"setValues": {"k": true}, "expectedVersion": "4711815x"})"}) {
    v1::UpdateNodeRequest request;
    const auto status = ParseMessage(Codec::kJson, body, request);
    if (status) continue;  // protobuf takes numbers for strings
    EXPECT_EQ(status.error().message.find("4711815"), std::string::npos) << status.error().message;
  }
}

TEST(MessageCodec, RefusesWhatIsNoJson) {
  for (std::string_view body : {"", " \n", "{", "[]", "7", "{\"nodes\": [}", "{\"nodes\"",
                                "\xff\xfe", "{\"image\": \"\xc3\x28\"}", "null null"})
    EXPECT_FALSE(Refused(body).message.empty());
}

TEST(MessageCodec, EchoesNoControlCharactersAndNoLongInput) {
  Error error = Refused("{\"no\x1b[31m\nsuch\": \"" + std::string(100'000, 'x') + "\"}");
  EXPECT_EQ(error.message.find('\x1b'), std::string::npos);
  EXPECT_LT(error.message.size(), 300u);
}

TEST(MessageCodec, RefusesDeepNesting) {
  EXPECT_FALSE(Refused(std::string(100'000, '[')).message.empty());
  std::string objects;
  for (int i = 0; i < 50'000; ++i) objects += "{\"values\":";
  EXPECT_FALSE(Refused(objects).message.empty());
}

TEST(MessageCodec, RefusesBrokenBinary) {
  v1::UpgradeNodesRequest request;
  auto status = ParseMessage(Codec::kProto, "\x0a\xff", request);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "MALFORMED_MESSAGE");
  EXPECT_TRUE(ParseMessage(Codec::kProto, "", request).has_value());
}

}  // namespace
}  // namespace tallyman::rpc
