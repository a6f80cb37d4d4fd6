#include "rpc/call_head.h"

#include <gtest/gtest.h>

namespace tallyman::rpc {
namespace {

CallHead Plain() {
  CallHead head;
  head.verb = "POST";
  head.content_type = "application/json";
  return head;
}

Refusal Refused(const CallHead& head, MethodKind kind = MethodKind::kUnary) {
  auto terms = ReadCallHead(head, kind);
  EXPECT_FALSE(terms.has_value());
  return terms ? Refusal() : terms.error();
}

TEST(CallHead, TakesJsonAndBinaryOfEachKind) {
  CallHead head = Plain();
  EXPECT_EQ(ReadCallHead(head, MethodKind::kUnary)->codec, Codec::kJson);
  for (const char* type : {"Application/JSON", "application/json; charset=utf-8",
                           "application/json;charset=UTF-8", "application/json ; "}) {
    head.content_type = type;
    EXPECT_TRUE(ReadCallHead(head, MethodKind::kUnary).has_value()) << type;
  }
  head.content_type = "application/proto";
  EXPECT_EQ(ReadCallHead(head, MethodKind::kUnary)->codec, Codec::kProto);
  head.content_type = "application/connect+json";
  EXPECT_EQ(ReadCallHead(head, MethodKind::kServerStream)->codec, Codec::kJson);
  head.content_type = "application/connect+proto";
  EXPECT_EQ(ReadCallHead(head, MethodKind::kServerStream)->codec, Codec::kProto);
}

TEST(CallHead, RefusesOtherContentTypesWith415) {
  for (const char* type :
       {"", "text/plain", "application/x-www-form-urlencoded", "application/grpc",
        "application/grpc-web+proto", "application/grpc-web-text", "application/connect+json",
        "application/json; charset=latin1", "application/jsonx", "json"}) {
    CallHead head = Plain();
    head.content_type = type;
    Refusal refusal = Refused(head);
    EXPECT_EQ(refusal.http_status, 415) << type;
    EXPECT_EQ(refusal.error.code, Code::kUnimplemented);
    EXPECT_EQ(refusal.error.reason, "UNSUPPORTED_CONTENT_TYPE");
  }
  EXPECT_EQ(Refused(Plain(), MethodKind::kServerStream).http_status, 415);
}

TEST(CallHead, RefusesOtherVerbsWith405) {
  for (const char* verb : {"GET", "PUT", "DELETE", "OPTIONS", "HEAD", "post", ""}) {
    CallHead head = Plain();
    head.verb = verb;
    EXPECT_EQ(Refused(head).http_status, 405) << verb;
    EXPECT_EQ(Refused(head).error.code, Code::kUnimplemented);
  }
}

TEST(CallHead, ReadsTimeouts) {
  CallHead head = Plain();
  EXPECT_FALSE(ReadCallHead(head, MethodKind::kUnary)->timeout.has_value());
  head.timeout_ms = "0";
  EXPECT_EQ(ReadCallHead(head, MethodKind::kUnary)->timeout, std::chrono::milliseconds(0));
  head.timeout_ms = "9999999999";
  EXPECT_EQ(ReadCallHead(head, MethodKind::kUnary)->timeout,
            std::chrono::milliseconds(9'999'999'999));
  for (const char* text : {"10000000000", "-1", "1.5", " 1", "1 ", "5s", "+1", "0x10"}) {
    head.timeout_ms = text;
    Refusal refusal = Refused(head);
    EXPECT_EQ(refusal.error.reason, "INVALID_TIMEOUT") << text;
    EXPECT_EQ(refusal.error.code, Code::kInvalidArgument);
    EXPECT_FALSE(refusal.http_status.has_value());
  }
}

TEST(CallHead, TakesProtocolVersionOneOrNone) {
  CallHead head = Plain();
  head.protocol_version = "1";
  EXPECT_TRUE(ReadCallHead(head, MethodKind::kUnary).has_value());
  for (const char* version : {"2", "01", "v1", "1, 1"}) {
    head.protocol_version = version;
    EXPECT_EQ(Refused(head).error.reason, "WRONG_PROTOCOL_VERSION") << version;
    EXPECT_EQ(Refused(head).error.code, Code::kInvalidArgument);
  }
}

TEST(CallHead, RefusesCompressedRequestsAndSaysWhatIsSupported) {
  CallHead head = Plain();
  for (const char* encoding : {"gzip", "br", "identity, gzip", "none"}) {
    head.content_encoding = encoding;
    EXPECT_EQ(Refused(head).error.code, Code::kUnimplemented) << encoding;
    EXPECT_EQ(Refused(head).error.reason, "COMPRESSED_REQUEST");
    EXPECT_NE(Refused(head).error.message.find("identity"), std::string::npos);
  }
  head.content_encoding = "identity";
  EXPECT_TRUE(ReadCallHead(head, MethodKind::kUnary).has_value());
  head.content_type = "application/connect+proto";
  head.stream_content_encoding = "gzip";
  EXPECT_EQ(Refused(head, MethodKind::kServerStream).error.reason, "COMPRESSED_REQUEST");
  head.stream_content_encoding = "";
  head.content_encoding = "gzip";
  EXPECT_EQ(Refused(head, MethodKind::kServerStream).error.reason, "COMPRESSED_REQUEST");
}

TEST(CallHead, KnowsWhoTakesGzip) {
  const std::pair<const char*, bool> cases[] = {{"", false},          {"gzip", true},
                                                {"br, gzip", true},   {"br,GZIP", true},
                                                {"gzip;q=0", false},  {"gzip;q=0.0", false},
                                                {"gzip;q=0.5", true}, {"br;q=1, gzip ; q=1", true},
                                                {"gzipped", false},   {"identity", false},
                                                {",,,", false},       {"*", false}};
  for (const auto& [text, accepted] : cases) {
    CallHead head = Plain();
    head.accept_encoding = text;
    EXPECT_EQ(ReadCallHead(head, MethodKind::kUnary)->gzip_accepted, accepted) << text;
  }
}

}  // namespace
}  // namespace tallyman::rpc
