// Connections of a real server whose handler does what no handler should, and of peers that take
// their time.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include "http/server.h"
#include "tests/support/wait.h"

namespace tallyman::http {
namespace {

using std::chrono::milliseconds;

// Answers with what it got, or fails where the path says so.
class Handler final : public HttpHandler {
 public:
  std::optional<HttpResponse> Refuse(const HttpRequest& head) override {
    if (head.path() == "/throws-on-head") throw std::runtime_error("head");
    return std::nullopt;
  }
  size_t BodyBytesMax(const HttpRequest&) override { return size_t{1} << 20; }
  void Admit(HttpRequest head, std::shared_ptr<Exchange> exchange) override {
    ++admitted;
    if (head.path() == "/host") exchange->Recognized(Party::kHost);
    if (head.path() == "/person") exchange->Recognized(Party::kPerson);
    if (head.path() == "/refused") return exchange->Answer(Said(403, "no"));
    exchange->Admitted(BodyBytesMax(head));
  }
  void Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) override {
    if (request.path() == "/throws") throw std::runtime_error("request");
    if (request.path() == "/stream") {
      exchange->Stream({.status = 200, .body = {}}, std::make_unique<ThrowingBody>(ended));
      return;
    }
    exchange->Answer(Said(200, std::to_string(request.body.size())));
  }
  void PeerGone() override {}
  HttpResponse Malformed(PeerFault fault, std::string_view, std::string_view) override {
    return {.status = 400, .body = std::string(ToText(fault)), .close = true};
  }
  void Cut(PeerFault, std::string_view) override { ++cut; }

  std::atomic<int> admitted{0};
  std::atomic<int> cut{0};
  std::atomic<int> ended{0};

 private:
  struct ThrowingBody final : BodySource {
    explicit ThrowingBody(std::atomic<int>& counter) : ended(counter) {}
    Piece Next() override { throw std::runtime_error("stream"); }
    milliseconds Patience() override { return milliseconds(1000); }
    std::string Heartbeat() override { return {}; }
    void Ended(bool) override { ++ended; }
    std::atomic<int>& ended;
  };
  static HttpResponse Said(int status, std::string body) {
    return {.status = status, .body = std::move(body)};
  }
};

class Peer {
 public:
  explicit Peer(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Peer() { ::close(socket_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool Send(std::string_view bytes) {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // What comes until this text is there, or until the end.
  std::string Until(std::string_view text) {
    while (text.empty() || received_.find(text) == std::string::npos) {
      char bytes[4096];
      const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
      if (count <= 0) break;
      received_.append(bytes, static_cast<size_t>(count));
    }
    return std::exchange(received_, {});
  }
  std::string All() { return Until(""); }

 private:
  const int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string received_;
};

std::string Post(const std::string& path, size_t length, const std::string& body = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(length) +
         "\r\n\r\n" + body;
}

class Connections : public testing::Test {
 protected:
  void Start(ServerOptions options = {}) {
    options.port = 0;
    options.io_threads = 1;
    server.emplace(options, handler, clock, log);
    ASSERT_TRUE(server->Start());
  }
  void ExpectAlive() {
    Peer peer(server->port());
    peer.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(peer.All().starts_with("HTTP/1.1 200"));
  }
  bool HasEnded() {
    return WaitUntil([&] { return server->connections() == 0; });
  }

  Handler handler;
  ManualClock clock{Time()};
  MemoryLog log;
  std::optional<Server> server;
};

// A connection that fails ends alone, and leaves nothing that a drain could stumble over.
TEST_F(Connections, EndWithWhatTheirHandlerThrows) {
  Start();
  for (const char* path : {"/throws-on-head", "/throws", "/stream"}) {
    Peer peer(server->port());
    ASSERT_TRUE(peer.Send(Post(path, 0)));
    peer.All();
    EXPECT_TRUE(HasEnded()) << path;
  }
  EXPECT_EQ(handler.ended, 1);
  ASSERT_EQ(log.lines().size(), 3u);
  EXPECT_EQ(log.lines()[0].event, "unexpected_exception");
  ExpectAlive();
  server->Drain();
}

TEST_F(Connections, AskWhoSendsABodyThatHasNotComeWithItsHead) {
  Start();
  Peer whole(server->port());
  whole.Send(Post("/", 5, "hello"));
  EXPECT_TRUE(whole.Until("\r\n\r\n5").starts_with("HTTP/1.1 200"));
  EXPECT_EQ(handler.admitted, 0) << "no hop more than before";
  whole.Send(Post("/", 10, "hello"));
  ASSERT_TRUE(WaitUntil([&] { return handler.admitted == 1; }));
  whole.Send("hello");
  EXPECT_TRUE(whole.Until("\r\n\r\n10").starts_with("HTTP/1.1 200"));
  whole.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  ASSERT_TRUE(WaitUntil([&] { return handler.admitted == 2; }));
  whole.Send("0\r\n\r\n");
  EXPECT_TRUE(whole.Until("\r\n\r\n3").starts_with("HTTP/1.1 200")) << "the connection goes on";
}

TEST_F(Connections, AnswerWithoutABodyThatIsNotAdmitted) {
  Start();
  Peer peer(server->port());
  peer.Send(Post("/refused", 1'000'000, "a part"));
  const std::string answer = peer.All();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
}

TEST_F(Connections, CutWhoSendsABodyTooSlowly) {
  ServerOptions options;
  options.body_patience = milliseconds(300);
  options.body_bytes_per_second_min = 1'000'000;
  Start(options);
  Peer silent(server->port());
  silent.Send(Post("/", 1'000'000));
  EXPECT_EQ(silent.All(), "");
  EXPECT_TRUE(WaitUntil([&] { return handler.cut == 1; }));
  // A byte now and then is no rate.
  Peer dripping(server->port());
  dripping.Send(Post("/", 1'000'000));
  EXPECT_TRUE(WaitUntil([&] {
    dripping.Send("x");
    return handler.cut == 2;
  }));
  ExpectAlive();
}

TEST_F(Connections, OfOneAddressAreFewUntilSomebodyIsRecognized) {
  ServerOptions options;
  options.strangers_max = 2;
  Start(options);
  Peer one(server->port());
  Peer two(server->port());
  two.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  two.Until("\r\n\r\n0");
  Peer three(server->port());
  EXPECT_NE(three.All().find("TOO_MANY_STRANGERS"), std::string::npos);
  one.Send(Post("/person", 2, "a"));
  ASSERT_TRUE(WaitUntil([&] { return handler.admitted == 1; }));
  one.Send("b");
  one.Until("\r\n\r\n2");
  ExpectAlive();
}

// What is announced is not what is charged, and hosts do not take the share of people.
TEST_F(Connections, ChargeBodiesAsTheyComeAndToWhoseTheyAre) {
  ServerOptions options;
  options.bodies_bytes_max = 100'000;
  Start(options);
  std::vector<std::unique_ptr<Peer>> announcing;
  for (int i = 0; i < 10; ++i) {
    announcing.push_back(std::make_unique<Peer>(server->port()));
    announcing.back()->Send(Post("/host", 90'000));
  }
  ASSERT_TRUE(WaitUntil([&] { return handler.admitted == 10; }));
  announcing[0]->Send(std::string(90'000, 'a'));
  EXPECT_TRUE(announcing[0]->Until("90000").starts_with("HTTP/1.1 200"));
  announcing[1]->Send(std::string(89'999, 'a'));
  // The other one gets no further than what is left.
  EXPECT_TRUE(WaitUntil([&] {
    Peer other(server->port());
    other.Send(Post("/host", 50'000));
    other.Send(std::string(50'000, 'a'));
    return other.Until("\r\n\r\n").starts_with("HTTP/1.1 400");
  }));
  Peer person(server->port());
  person.Send(Post("/person", 90'000));
  person.Send(std::string(90'000, 'a'));
  EXPECT_TRUE(person.Until("90000").starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace tallyman::http
