// The bare HTTP layer: a server that answers every POST with the same bytes, to measure calls
// against.
//
//   bare_http BYTES     prints its port and serves until its standard input ends
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/log.h"
#include "base/system.h"
#include "http/server.h"

namespace tallyman {
namespace {

using namespace tallyman::http;

class Constant final : public HttpHandler {
 public:
  explicit Constant(size_t bytes) : body_(bytes, 'x') {}
  std::optional<HttpResponse> Refuse(const HttpRequest&) override { return std::nullopt; }
  size_t BodyBytesMax(const HttpRequest&) override { return size_t{64} << 20; }
  void Admit(HttpRequest head, std::shared_ptr<Exchange> exchange) override {
    exchange->Admitted(BodyBytesMax(head));
  }
  void Handle(HttpRequest, std::shared_ptr<Exchange> exchange) override {
    HttpResponse response;
    response.headers = {{"Cache-Control", "no-store"}, {"Vary", "Accept-Encoding"}};
    response.body = body_;
    exchange->Answer(std::move(response));
  }
  void PeerGone() override {}
  HttpResponse Malformed(PeerFault fault, std::string_view, std::string_view) override {
    HttpResponse response;
    response.status = 400;
    response.body = std::string(ToText(fault));
    return response;
  }
  void Cut(PeerFault, std::string_view) override {}

 private:
  const std::string body_;
};

int Serve(size_t bytes) {
  Constant handler(bytes);
  MemoryLog log;
  ServerOptions options;
  options.port = 0;
  SystemClock clock;
  Server server(options, handler, clock, log);
  if (auto started = server.Start(); !started) {
    std::fprintf(stderr, "bare_http: %s\n", started.error().message.c_str());
    return 1;
  }
  std::printf("%d\n", server.port());
  std::fflush(stdout);
  std::cin.ignore(std::numeric_limits<std::streamsize>::max());
  return 0;
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bare_http BYTES\n");
    return 2;
  }
  return tallyman::Serve(std::strtoul(argv[1], nullptr, 10));
}
