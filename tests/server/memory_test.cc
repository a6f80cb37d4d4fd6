// What requests cost that nobody should send: every method, with bodies that are short on the wire
// and long in memory, from strangers and from those who may only look.
#include <fmt/core.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "server/http_peer.h"
#include "server/server_process.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/fleet.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/ledger.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/options.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman {
namespace {

// With the address sanitizer each allocation costs more, and is kept for a while.
#ifdef __SANITIZE_ADDRESS__
constexpr int64_t kAllowance = 8;
#else
constexpr int64_t kAllowance = 1;
#endif
constexpr int64_t kStrangerBytesMax = kAllowance * (int64_t{1} << 20);
constexpr int64_t kViewerBytesMax = kAllowance * (int64_t{32} << 20);
// Of those whose body is not read at all so much is sent.
constexpr size_t kSentBytesMax = size_t{64} << 10;

struct Target {
  std::string name;
  bool is_stream = false;
  size_t body_bytes_max = 0;
};

std::vector<Target> AllMethods() {
  std::vector<Target> methods;
  for (const auto* message :
       {v1::JoinRequest::descriptor(), v1::RunAuditRequest::descriptor(),
        v1::ListImagesRequest::descriptor(), v1::GetCommandRequest::descriptor(),
        v1::ListEventsRequest::descriptor(), v1::GetOverviewRequest::descriptor(),
        v1::GetHostRequest::descriptor(), v1::ListLedgerRequest::descriptor(),
        v1::GetNodeRequest::descriptor(), v1::GetOrgRequest::descriptor(),
        v1::ListRegionsRequest::descriptor(), v1::ListTokensRequest::descriptor()}) {
    const auto* file = message->file();
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        methods.push_back(
            {file->service(s)->name() + "/" + method->name(), method->server_streaming(),
             static_cast<size_t>(method->options().GetExtension(v1::limits).body_bytes_max())});
      }
    }
  }
  return methods;
}

struct Trick {
  std::string name;
  bool is_json = false;
  std::string piece;  // the body is many of them
};

std::vector<Trick> Tricks() {
  using namespace std::string_literals;
  std::vector<Trick> tricks = {
      {"unknown numbers", false, "\xf8\x01\x00"s},
      {"deep lists", true, "["},
      {"unknown texts", false, "\xfa\x01\x00"s},
      {"unknown nests", false, "\xfb\x01"s},
      {"lengths that lie", false, "\x12\xff\xff\xff\xff\x07"s},
      {"deep objects", true, R"({"a":)"},
      {"many objects", true, R"({"images":[{}],"hosts":[{}],"nodes":[""]},)"},
  };
  for (char field = 1; field <= 7; ++field) {
    tricks.push_back({fmt::format("empty parts of field {}", int{field}), false,
                      std::string{static_cast<char>(field << 3 | 2), '\0'}});
  }
  return tricks;
}

std::string Filled(const std::string& piece, size_t bytes) {
  std::string body;
  body.reserve(bytes + piece.size());
  while (body.size() + piece.size() <= bytes) body += piece;
  return body;
}

class Memory : public ::testing::Test {
 protected:
  void SetUp() override {
    // What is freed is free then.
    ::setenv("ASAN_OPTIONS", "quarantine_size_mb=0:thread_local_quarantine_size_kb=0", 1);
    ASSERT_TRUE(server.Start()) << server.Log();
    // What every thread needs once.
    for (int i = 0; i < 200; ++i) {
      HttpPeer peer(server.port());
      peer.Send(PostOf("OrgService/ListOrgs", i % 2 == 0 ? server.token() : "", "{}"));
      peer.Receive();
    }
  }
  int64_t Status(const std::string& key) const {
    std::ifstream status(fmt::format("/proc/{}/status", server.pid()));
    std::string word;
    while (status >> word && word != key) {
    }
    int64_t kib = 0;
    status >> kib;
    return kib << 10;
  }
  // How far the request moves the server's memory while it lasts.
  int64_t CostOf(const std::string& request) {
    std::ofstream(fmt::format("/proc/{}/clear_refs", server.pid())) << "5";  // the peak is now
    const int64_t before = Status("VmRSS:");
    HttpPeer peer(server.port());
    peer.Send(request);
    peer.HalfClose();
    peer.ReceiveAll();
    return Status("VmHWM:") - before;
  }
  static std::string RequestOf(const Target& target, const Trick& trick, const std::string& token,
                               size_t announced, size_t sent) {
    const std::string type = std::string("application/") + (target.is_stream ? "connect+" : "") +
                             (trick.is_json ? "json" : "proto");
    std::string body = Filled(trick.piece, sent);
    if (target.is_stream && sent == announced) {
      const size_t length = body.size();
      body.insert(0, {'\0', static_cast<char>(length >> 24), static_cast<char>(length >> 16),
                      static_cast<char>(length >> 8), static_cast<char>(length)});
    }
    if (sent == announced) announced = body.size();
    return fmt::format(
        "POST /tallyman.v1.{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Authorization: Bearer {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
        "\r\n{}",
        target.name, token, type, announced, body);
  }
  std::string ViewerToken() {
    HttpPeer peer(server.port());
    peer.Send(PostOf("TokenService/CreateToken", server.token(),
                     R"({"name": "v", "role": "ROLE_VIEWER"})"));
    const std::string body = peer.Receive().body;
    const std::string key = R"("secret":")";
    const size_t at = body.find(key) + key.size();
    return body.substr(at, body.find('"', at) - at);
  }

  ServerProcess server;
};

// Without a token a call gets as far as its head, and Join as far as a short body.
TEST_F(Memory, IsNotForStrangers) {
  for (const char* path : {"/healthz", "/readyz", "/openapi.json", "/metrics", "/nowhere"}) {
    SCOPED_TRACE(path);
    EXPECT_LT(CostOf(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{}",
                                 path, std::string(100'000, 'a'))),
              kStrangerBytesMax);
    EXPECT_LT(CostOf(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)),
              kStrangerBytesMax);
  }
  const std::string header = "Authorization: Bearer \r\n";
  auto cost_of = [&](const Target& target, const Trick& trick, size_t announced, size_t sent) {
    std::string request = RequestOf(target, trick, "", announced, sent);
    request.erase(request.find(header), header.size());
    return CostOf(request);
  };
  for (const Target& target : AllMethods()) {
    const bool is_open = target.name == "AgentService/Join";
    for (const Trick& trick : Tricks()) {
      SCOPED_TRACE(target.name + ", " + trick.name);
      EXPECT_LT(cost_of(target, trick, size_t{16} << 20, kSentBytesMax), kStrangerBytesMax);
      if (is_open) {
        EXPECT_LT(cost_of(target, trick, 4096, 4096), kStrangerBytesMax);
      }
      // One is like another where none is read.
      if (!is_open && trick.is_json) break;
    }
  }
}

TEST_F(Memory, IsLittleForViewers) {
  const std::string token = ViewerToken();
  for (const Target& target : AllMethods()) {
    const bool is_long = target.body_bytes_max > size_t{1} << 20;
    const size_t announced = is_long ? size_t{16} << 20 : target.body_bytes_max - 5;
    const size_t sent = is_long ? kSentBytesMax : announced;
    for (const Trick& trick : Tricks()) {
      SCOPED_TRACE(target.name + ", " + trick.name);
      EXPECT_LT(CostOf(RequestOf(target, trick, token, announced, sent)), kViewerBytesMax);
      // Of what they may ask to be planned.
      constexpr size_t kWhole = size_t{1} << 20;
      if (is_long) {
        EXPECT_LT(CostOf(RequestOf(target, trick, token, kWhole, kWhole)), kViewerBytesMax);
      }
    }
  }
}

// Whoever may send a lot gets no multiple of it.
TEST_F(Memory, IsBoundedForThoseWhoMaySendMuch) {
  constexpr size_t kSent = size_t{4} << 20;
  for (const Target& target : AllMethods()) {
    if (target.name != "CatalogService/CreateImages") continue;
    for (const Trick& trick : Tricks()) {
      SCOPED_TRACE(target.name + ", " + trick.name);
      EXPECT_LT(CostOf(RequestOf(target, trick, server.token(), kSent, kSent)),
                kAllowance * (int64_t{64} << 20));
    }
  }
}

}  // namespace
}  // namespace tallyman
