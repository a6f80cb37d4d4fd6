// Streams over real sockets: first message, events, resuming, ends, and the other side going away.
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <csignal>
#include <memory>
#include <optional>
#include <vector>

#include "rpc/envelope.h"
#include "rpc/message_codec.h"
#include "rpc/wire_error.h"
#include "server/http_peer.h"
#include "server/server_process.h"
#include "tallyman/v1/event.pb.h"

namespace tallyman {
namespace {

using namespace tallyman::rpc;

constexpr const char* kWatch = "EventService/WatchEvents";
constexpr size_t kMessageMax = size_t{1} << 20;

std::string Enveloped(const std::string& message) {
  std::string bytes;
  AppendEnvelope(bytes, 0, message);
  return bytes;
}

// An open stream in JSON or binary, read envelope by envelope.
class StreamPeer {
 public:
  StreamPeer(const ServerProcess& server, const v1::WatchEventsRequest& request,
             Codec codec = Codec::kJson)
      : codec_(codec), peer_(server.port()), reader_(kMessageMax) {
    std::string type =
        codec == Codec::kJson ? "application/connect+json" : "application/connect+proto";
    peer_.Send(
        PostOf(kWatch, server.token(), Enveloped(FormatMessage(codec, request).value()), type));
    head_ = peer_.ReceiveHead();
  }

  // The next message; nullopt at the end of the stream, whose status is then in `ended`.
  std::optional<v1::WatchEventsResponse> Next() {
    while (true) {
      auto envelope = reader_.Next();
      if (!envelope) return std::nullopt;
      if (*envelope && (*envelope)->end_stream()) {
        ended = ParseEndStream((*envelope)->message);
        return std::nullopt;
      }
      if (*envelope) {
        v1::WatchEventsResponse response;
        EXPECT_TRUE(ParseMessage(codec_, (*envelope)->message, response));
        return response;
      }
      std::string bytes = peer_.ReceiveChunk();
      if (bytes.empty()) return std::nullopt;
      reader_.Append(bytes);
    }
  }
  PeerAnswer& head() { return head_; }
  HttpPeer& peer() { return peer_; }

  std::optional<Status> ended;

 private:
  const Codec codec_;
  HttpPeer peer_;
  PeerAnswer head_;
  EnvelopeReader reader_;
};

class Streams : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server.Start()) << server.Log(); }
  void CreateOrg(const std::string& name) {
    HttpPeer peer(server.port());
    peer.Send(PostOf("OrgService/CreateOrg", server.token(), "{\"name\": \"" + name + "\"}"));
    ASSERT_EQ(peer.Receive().status, 200);
  }
  ServerProcess server;
};

TEST_F(Streams, ShowEventsAsTheyHappenInBothForms) {
  StreamPeer json(server, {}, Codec::kJson), proto(server, {}, Codec::kProto);
  EXPECT_EQ(json.head().status, 200);
  EXPECT_EQ(json.head().headers["content-type"], "application/connect+json");
  EXPECT_EQ(proto.head().headers["content-type"], "application/connect+proto");
  for (StreamPeer* stream : {&json, &proto}) {
    auto first = stream->Next();
    ASSERT_TRUE(first.has_value());
    EXPECT_FALSE(first->has_event());
    EXPECT_FALSE(first->cursor().empty());
  }
  CreateOrg("acme");
  for (StreamPeer* stream : {&json, &proto}) {
    auto message = stream->Next();
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->event().kind(), "org_created");
    EXPECT_EQ(message->event().org(), "acme");
    EXPECT_EQ(message->cursor(), message->event().id());
  }
}

TEST_F(Streams, EndWithTheServerAndGoOnAfterwards) {
  std::vector<std::string> seen;
  v1::WatchEventsRequest request;
  {
    StreamPeer stream(server, request);
    ASSERT_TRUE(stream.Next().has_value());
    CreateOrg("one");
    auto message = stream.Next();
    ASSERT_TRUE(message.has_value());
    seen.push_back(message->event().org());
    server.Signal(SIGTERM);
    EXPECT_FALSE(stream.Next().has_value());
    ASSERT_TRUE(stream.ended.has_value()) << "the end is said, not only done";
    ASSERT_FALSE(stream.ended->has_value());
    const Error& error = stream.ended->error();
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_EQ(error.reason, "SERVER_STOPPING");
    EXPECT_EQ(error.Fact("cursor"), message->cursor());
    request.set_after(std::string(error.Fact("cursor")));
  }
  EXPECT_EQ(server.Wait(), 0);
  ASSERT_TRUE(server.Start()) << server.Log();
  CreateOrg("two");
  StreamPeer stream(server, request);
  ASSERT_TRUE(stream.Next().has_value());
  auto message = stream.Next();
  ASSERT_TRUE(message.has_value());
  seen.push_back(message->event().org());
  EXPECT_EQ(seen, (std::vector<std::string>{"one", "two"}));
}

TEST_F(Streams, SayInTheStreamWhatIsWrong) {
  auto refused = [&](const std::string& body, const std::string& headers = "") {
    HttpPeer peer(server.port());
    peer.Send(PostOf(kWatch, server.token(), body, "application/connect+json", headers));
    PeerAnswer answer = peer.Receive();
    EXPECT_EQ(answer.status, 200) << "streams have one status";
    EnvelopeReader reader(kMessageMax);
    reader.Append(answer.body);
    auto envelope = reader.Next();
    EXPECT_TRUE(envelope && *envelope && (*envelope)->end_stream()) << answer.body;
    EXPECT_TRUE(reader.empty());
    if (!envelope || !*envelope) return Error();
    Status status = ParseEndStream((*envelope)->message);
    return status ? Error() : status.error();
  };
  EXPECT_EQ(refused("").reason, "MALFORMED_ENVELOPE");
  EXPECT_EQ(refused("{}").reason, "MALFORMED_ENVELOPE");
  EXPECT_EQ(refused(Enveloped("{}") + Enveloped("{}")).reason, "MALFORMED_ENVELOPE");
  EXPECT_EQ(refused(Enveloped("no json")).reason, "MALFORMED_MESSAGE");
  EXPECT_EQ(refused(Enveloped(R"({"filter": "colour=red"})")).reason, "INVALID_FILTER");
  EXPECT_EQ(refused(Enveloped(R"({"after": "999"})")).reason, "INVALID_CURSOR");
  EXPECT_EQ(refused(Enveloped("{}"), "Connect-Content-Encoding: gzip\r\n").code,
            Code::kUnimplemented);
  EXPECT_EQ(refused(Enveloped("{}"), "Connect-Timeout-Ms: x\r\n").reason, "INVALID_TIMEOUT");
}

TEST_F(Streams, WantATokenAndTheRightContentType) {
  HttpPeer peer(server.port());
  peer.Send(PostOf(kWatch, "wrong", Enveloped("{}"), "application/connect+json"));
  PeerAnswer answer = peer.Receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, ::testing::HasSubstr("unauthenticated"));
  HttpPeer other(server.port());
  other.Send(PostOf(kWatch, server.token(), "{}"));
  answer = other.Receive();
  EXPECT_EQ(answer.status, 415);
  EXPECT_EQ(answer.headers["accept-post"], "application/connect+json, application/connect+proto");
}

TEST_F(Streams, EndAtTheCallersTime) {
  HttpPeer peer(server.port());
  auto begun = std::chrono::steady_clock::now();
  peer.Send(PostOf(kWatch, server.token(), Enveloped("{}"), "application/connect+json",
                   "Connect-Timeout-Ms: 300\r\n"));
  PeerAnswer answer = peer.Receive();
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.body, ::testing::HasSubstr("deadline_exceeded"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(8));
}

// connect-node sends chunks and may forget to end a stream that nobody reads any more.
TEST_F(Streams, TakeNoShareOfTheBodiesWhileTheyLast) {
  EXPECT_EQ(server.Stop(), 0);
  ASSERT_TRUE(server.Start({"--body-max-mib", "1"})) << server.Log();
  // Seventy such bodies may be there at once.
  const std::string body = Enveloped("{" + std::string(60'000, ' ') + "}");
  std::vector<std::unique_ptr<HttpPeer>> peers;
  for (int i = 0; i < 140; ++i) {
    peers.push_back(std::make_unique<HttpPeer>(server.port()));
    peers.back()->Send(
        fmt::format("POST /tallyman.v1.EventService/WatchEvents HTTP/1.1\r\nHost: x\r\n"
                    "Authorization: Bearer {}\r\nContent-Type: application/connect+json\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                    server.token(), body.size(), body));
    ASSERT_EQ(peers.back()->ReceiveHead().status, 200) << i;
    EXPECT_THAT(peers.back()->ReceiveChunk(), ::testing::HasSubstr("cursor"));
  }
  CreateOrg("acme");
}

}  // namespace
}  // namespace tallyman
