#include "rpc/message_codec.h"

#include <gtest/gtest.h>

#include "tallyman/v1/node.pb.h"

namespace tallyman {
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

TEST(MessageCodec, NamesTheFieldThatIsToBlame) {
  EXPECT_EQ(Refused(R"({"nods": ["a"]})").Fact("field"), "nods");
  EXPECT_EQ(Refused(R"({"dryRun": "perhaps"})").Fact("field"), "dry_run");
  EXPECT_NE(Refused(R"({"nods": ["a"]})").message.find("nods"), std::string::npos);
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
}  // namespace tallyman
