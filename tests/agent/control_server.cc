#include "tests/agent/control_server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "rpc/envelope.h"
#include "rpc/message_codec.h"
#include "rpc/wire_error.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using namespace tallyman::http;
using namespace tallyman::rpc;

HttpResponse ErrorResponse(const Error& error) {
  HttpResponse response;
  response.status = RowOf(error.code).http_status;
  response.body = ErrorJson(error);
  return response;
}

}  // namespace

// One stream: says at once where it stands, and then every wake-up.
class ControlServer::WakeUps final : public BodySource {
 public:
  explicit WakeUps(ControlServer& server) : server_(server) {}
  Piece Next() override {
    const int64_t now = server_.Locked([&] { return server_.wakes_; });
    Piece piece;
    if (now == said_) return piece;
    v1::WatchCommandsResponse message;
    message.set_cursor("at-" + std::to_string(now));
    message.set_wake(said_ >= 0);
    said_ = now;
    AppendEnvelope(piece.bytes, 0, message.SerializeAsString());
    return piece;
  }
  std::chrono::milliseconds Patience() override { return std::chrono::hours(1); }
  std::string Heartbeat() override { return {}; }
  void Ended(bool) override {}

 private:
  ControlServer& server_;
  int64_t said_ = -1;
};

ControlServer::ControlServer() {
  // Below those that the kernel gives to outgoing connections: one of them may take the port while
  // this is stopped.
  constexpr uint16_t kFirst = 20'000;
  constexpr uint16_t kCount = 12'000;
  port_ = static_cast<uint16_t>(kFirst + ::getpid() % kCount);
  while (!Start()) port_ = static_cast<uint16_t>(kFirst + (port_ - kFirst + 1) % kCount);
}

bool ControlServer::Start() {
  ServerOptions options;
  options.host = "127.0.0.1";
  options.port = port_;
  server_ = std::make_unique<Server>(options, *this, clock_, log_);
  return server_->Start().has_value();
}

void ControlServer::Stop() {
  if (server_) server_->Drain(true);
  server_.reset();
}

void ControlServer::HandOut(const v1::HandedCommand& command) {
  control_.Locked([&] { control_.open[command.command_id()] = command; });
}

void ControlServer::Wake() {
  Locked([&] { ++wakes_; });
  for (const auto& stream : Locked([&] { return streams_; }))
    if (auto exchange = stream.lock()) exchange->Wake();
}

std::vector<v1::Outcome> ControlServer::Outcomes() {
  return control_.Locked([&] { return control_.outcomes; });
}

bool ControlServer::AwaitOutcomes(size_t count) {
  return WaitUntil([&] { return Outcomes().size() >= count; });
}

std::optional<HttpResponse> ControlServer::Refuse(const HttpRequest& head) {
  if (head.path().ends_with("/Join")) return std::nullopt;
  const std::string wanted = "Bearer " + Locked([&] { return host_token_; });
  if (head.Header("Authorization") != wanted)
    return ErrorResponse({Code::kUnauthenticated, "TOKEN_REVOKED", "the token was revoked"});
  if (head.path().ends_with("/WatchCommands") && streams_refused_)
    return ErrorResponse({Code::kUnimplemented, "UNKNOWN_METHOD", "no such method"});
  return std::nullopt;
}

Status ControlServer::Join(const v1::JoinRequest& request, v1::JoinResponse& response) {
  if (request.join_token() != "join-me")
    return Fail(Error(Code::kUnauthenticated, "INVALID_TOKEN", "not a token of this server"));
  response.set_host_id("host-id");
  response.set_host("host-1");
  std::lock_guard lock(mutex_);
  ++joins_;
  response.set_host_token(host_token_);
  return {};
}

HttpResponse ControlServer::Unary(const HttpRequest& request) {
  const auto answer = [&](auto message, auto reply) -> HttpResponse {
    Status status = ParseMessage(Codec::kProto, request.body, message);
    if (status) {
      if constexpr (std::is_same_v<decltype(message), v1::JoinRequest>) {
        status = Join(message, reply);
      } else {
        status = control_.Call(request.path(), message, reply);
      }
    }
    if (!status) return ErrorResponse(status.error());
    HttpResponse response;
    response.content_type = "application/proto";
    response.body = reply.SerializeAsString();
    return response;
  };
  if (request.path().ends_with("/Join")) return answer(v1::JoinRequest(), v1::JoinResponse());
  if (request.path().ends_with("/Report")) return answer(v1::ReportRequest(), v1::ReportResponse());
  return answer(v1::FetchCommandsRequest(), v1::FetchCommandsResponse());
}

void ControlServer::Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) {
  if (!request.path().ends_with("/WatchCommands")) {
    exchange->Answer(Unary(request));
    return;
  }
  v1::WatchCommandsRequest watch;
  auto message = OnlyMessageOf(request.body);
  EXPECT_TRUE(message.has_value() && watch.ParseFromString(*message));
  Locked([&] {
    cursors_.push_back(watch.cursor());
    streams_.push_back(exchange);
  });
  HttpResponse head;
  head.content_type = "application/connect+proto";
  exchange->Stream(std::move(head), std::make_unique<WakeUps>(*this));
}

HttpResponse ControlServer::Malformed(PeerFault fault, std::string_view, std::string_view) {
  HttpResponse response;
  response.status = 400;
  response.body = std::string(ToText(fault));
  return response;
}

}  // namespace tallyman
