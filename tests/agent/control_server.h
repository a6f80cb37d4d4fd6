// A control plane on a socket for tests of the agent's process: it serves what TestingControl hands
// out, with a method for joining and a stream of wake-ups. It decides nothing; the real one is in
// tests/e2e.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/testing_control.h"
#include "base/log.h"
#include "base/system.h"
#include "http/server.h"

namespace tallyman {

// Listens on 127.0.0.1. Takes the join token "join-me" and, from then on, the token "host-token".
class ControlServer final : public http::HttpHandler {
  template <class Look>
  auto Locked(Look look) {
    std::lock_guard lock(mutex_);
    return look();
  }

 public:
  ControlServer();
  ~ControlServer() override { Stop(); }
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Ends the streams and stops listening until it is started again, at the same port.
  void Stop();
  bool Start();
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  agent::TestingControl& control() { return control_; }
  void HandOut(const v1::HandedCommand& command);
  // Sends a wake-up on every stream.
  void Wake();
  // Answers no stream, so that agents have to poll.
  void RefuseStreams() { streams_refused_ = true; }
  void SetHostToken(const std::string& token) {
    Locked([&] { host_token_ = token; });
  }

  // The outcomes that it received.
  std::vector<v1::Outcome> Outcomes();
  bool AwaitOutcomes(size_t count);
  int joins() {
    return Locked([&] { return joins_; });
  }
  // The cursors that streams began with.
  std::vector<std::string> Cursors() {
    return Locked([&] { return cursors_; });
  }

  std::optional<http::HttpResponse> Refuse(const http::HttpRequest& head) override;
  size_t BodyBytesMax(const http::HttpRequest&) override { return size_t{64} << 20; }
  void Admit(http::HttpRequest head, std::shared_ptr<http::Exchange> exchange) override {
    exchange->Admitted(BodyBytesMax(head));
  }
  void Handle(http::HttpRequest request, std::shared_ptr<http::Exchange> exchange) override;
  void PeerGone() override {}
  http::HttpResponse Malformed(http::PeerFault fault, std::string_view what,
                               std::string_view address) override;
  void Cut(http::PeerFault, std::string_view) override {}

 private:
  class WakeUps;
  Status Join(const v1::JoinRequest& request, v1::JoinResponse& response);
  http::HttpResponse Unary(const http::HttpRequest& request);

  agent::TestingControl control_;
  SystemClock clock_;
  MemoryLog log_;
  uint16_t port_ = 0;
  std::atomic<bool> streams_refused_{false};
  std::mutex mutex_;
  std::string host_token_ = "host-token";
  int joins_ = 0;
  std::vector<std::string> cursors_;
  int64_t wakes_ = 0;
  std::vector<std::weak_ptr<http::Exchange>> streams_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace tallyman
