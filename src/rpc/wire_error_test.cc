#include "rpc/wire_error.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/base64.h"
#include "tallyman/v1/error.pb.h"

namespace tallyman::rpc {
namespace {

Error SomeError() {
  return Error(Code::kFailedPrecondition, "UPGRADE_SAME_IMAGE", "node eth-1 runs it already")
      .About("node eth-1")
      .With("image", "p/v@1.0.0+1")
      .With("need", "3");
}

TEST(ErrorJson, HasCodeMessageAndOneTypedDetail) {
  auto object = boost::json::parse(ErrorJson(SomeError())).as_object();
  EXPECT_EQ(object.at("code").as_string(), "failed_precondition");
  EXPECT_EQ(object.at("message").as_string(), "node eth-1 runs it already");
  ASSERT_EQ(object.at("details").as_array().size(), 1u);
  auto& detail = object.at("details").as_array().at(0).as_object();
  EXPECT_EQ(detail.at("type").as_string(), "tallyman.v1.ErrorDetail");
  std::string value(detail.at("value").as_string());
  EXPECT_EQ(value.find('='), std::string::npos) << "the specification wants it unpadded";
  v1::ErrorDetail message;
  ASSERT_TRUE(message.ParseFromString(FromBase64(value).value()));
  EXPECT_EQ(message.reason(), "UPGRADE_SAME_IMAGE");
  EXPECT_EQ(message.resource(), "node eth-1");
  EXPECT_EQ(message.facts().at("need"), "3");
  EXPECT_EQ(boost::json::serialize(detail.at("debug")),
            R"({"reason":"UPGRADE_SAME_IMAGE","resource":"node eth-1",)"
            R"("facts":{"image":"p/v@1.0.0+1","need":"3"}})");
}

TEST(ErrorJson, IsReadBackAsItWasForEveryCode) {
  for (const CodeRow& row : CodeTable()) {
    Error error = SomeError();
    error.code = row.code;
    EXPECT_EQ(ErrorFromResponse(row.http_status, ErrorJson(error)), error) << row.name;
    auto ended = ParseEndStream(EndStreamJson(Fail(error)));
    ASSERT_FALSE(ended.has_value());
    EXPECT_EQ(ended.error(), error) << row.name;
  }
}

TEST(ErrorJson, StaysUtf8WhateverAnErrorQuotes) {
  Error error = InvalidArgument("BAD", "bytes \xff\xfe").With("value", "\xc3\x28");
  auto object = boost::json::parse(ErrorJson(error)).as_object();
  EXPECT_NE(std::string(object.at("message").as_string()).find("\\xff"), std::string::npos);
}

// The table of the specification, "HTTP to Error Code".
TEST(ErrorFromResponse, DerivesTheCodeFromTheStatusWhereTheBodySaysNothing) {
  const std::pair<int, Code> table[] = {
      {400, Code::kInternal},      {401, Code::kUnauthenticated}, {403, Code::kPermissionDenied},
      {404, Code::kUnimplemented}, {429, Code::kUnavailable},     {502, Code::kUnavailable},
      {503, Code::kUnavailable},   {504, Code::kUnavailable},     {500, Code::kUnknown},
      {418, Code::kUnknown},       {302, Code::kUnknown}};
  for (const auto& [status, code] : table) {
    for (const char* body :
         {"", "<html>\x1b[31m", "{}", "[1]", "{\"code\": 7}", "{\"code\": null}"}) {
      Error error = ErrorFromResponse(status, body);
      EXPECT_EQ(error.code, code) << status << body;
      EXPECT_EQ(error.reason, "HTTP_STATUS");
      EXPECT_EQ(error.Fact("status"), std::to_string(status));
      EXPECT_EQ(error.message.find('\x1b'), std::string::npos);
    }
  }
}

TEST(ErrorFromResponse, TakesErrorsWithoutDetailsOrWithThoseOfOthers) {
  EXPECT_EQ(ErrorFromResponse(503, R"({"code":"unavailable"})").code, Code::kUnavailable);
  Error error = ErrorFromResponse(
      404, R"({"code":"not_found","message":"m","details":[7,{"type":"google.rpc.RetryInfo",)"
           R"("value":"CgIIPA"},{"type":"tallyman.v1.ErrorDetail","value":"!!"}]})");
  EXPECT_EQ(error, Error(Code::kNotFound, "", "m"));
  EXPECT_EQ(ErrorFromResponse(503, R"({"code":"a_later_code"})").code, Code::kUnavailable);
}

TEST(EndStream, IsAnEmptyObjectWhenAllIsWell) {
  EXPECT_EQ(EndStreamJson({}), "{}");
  EXPECT_TRUE(ParseEndStream("{}").has_value());
  EXPECT_TRUE(ParseEndStream(R"({"metadata": {"a": ["b"]}})").has_value());
}

TEST(EndStream, RefusesWhatTheProtocolDoesNotKnow) {
  for (const char* text :
       {"", "[]", "{", R"({"error": null})", R"({"error": {}})", R"({"error": {"code": null}})"}) {
    auto status = ParseEndStream(text);
    ASSERT_FALSE(status.has_value()) << text;
    EXPECT_EQ(status.error().reason, "MALFORMED_END_STREAM") << text;
  }
}

}  // namespace
}  // namespace tallyman::rpc
