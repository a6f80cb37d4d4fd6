// Bytes from strangers at the door of a real server: whatever comes, each answer is HTTP, and the
// connection ends when the stranger has said all.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/server.h"

namespace tallyman {
namespace {

using namespace tallyman::http;

// Says how long the body was.
class Echo final : public HttpHandler {
 public:
  std::optional<HttpResponse> Refuse(const HttpRequest& head) override {
    if (head.path() != "/refused") return std::nullopt;
    return HttpResponse{.status = 404, .body = "no"};
  }
  size_t BodyBytesMax(const HttpRequest&) override { return 2048; }
  void Admit(HttpRequest head, std::shared_ptr<Exchange> exchange) override {
    exchange->Admitted(BodyBytesMax(head));
  }
  void Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) override {
    exchange->Answer({.status = 200, .body = std::to_string(request.body.size())});
  }
  void PeerGone() override {}
  HttpResponse Malformed(PeerFault fault, std::string_view, std::string_view) override {
    return {.status = 400, .body = std::string(ToText(fault)), .close = true};
  }
  void Cut(PeerFault, std::string_view) override {}
};

Server& RunningServer() {
  static Echo echo;
  static ManualClock clock{Time()};
  static MemoryLog log;
  static ServerOptions options = [] {
    ServerOptions o;
    o.port = 0;
    o.io_threads = 1;
    o.header_bytes_max = 512;
    return o;
  }();
  static Server* server = [] {
    auto* made = new Server(options, echo, clock, log);
    if (!made->Start()) std::abort();
    return made;
  }();
  return *server;
}

}  // namespace
}  // namespace tallyman

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int peer = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(tallyman::RunningServer().port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // The fuzzer's own timer interrupts whoever waits.
  while (::connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EISCONN) break;
    if (errno != EINTR && errno != EALREADY) std::abort();
  }
  linger at_once{.l_onoff = 1, .l_linger = 0};  // or all ports would soon be waiting
  ::setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::send(peer, data, size, MSG_NOSIGNAL);
  ::shutdown(peer, SHUT_WR);
  std::string answer;
  char bytes[4096];
  ssize_t count = 0;
  while ((count = ::recv(peer, bytes, sizeof bytes, 0)) > 0 || (count < 0 && errno == EINTR)) {
    if (count > 0) answer.append(bytes, static_cast<size_t>(count));
  }
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) std::abort();  // it hangs
  if (!answer.empty() && !answer.starts_with("HTTP/1.")) std::abort();
  ::close(peer);
  return 0;
}
