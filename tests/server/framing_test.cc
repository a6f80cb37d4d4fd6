// Requests that two programs on the way could read differently: each gets one answer and the end of
// its connection, and nothing of it is taken for another request. RFC 9112.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/http_peer.h"
#include "server/server_process.h"

namespace tallyman {
namespace {

using namespace std::string_literals;

// A request that would be answered with 200, if anybody took it for one.
const std::string kHidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

struct Trick {
  std::string name;
  std::string head;  // without the last empty line
  int status;
  std::string body = kHidden;
};

std::string Get(const std::string& headers) {
  return "GET /healthz HTTP/1.1\r\nHost: x\r\n" + headers;
}

std::vector<Trick> Tricks() {
  std::vector<Trick> tricks = {
      {"length and chunks", Get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400,
       "0\r\n\r\n" + kHidden},
      {"chunks and length", Get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400,
       "0\r\n\r\n" + kHidden},
      {"two lengths", Get("Content-Length: 0\r\nContent-Length: 36\r\n"), 400},
      {"twice the same length", Get("Content-Length: 36\r\nContent-Length: 36\r\n"), 400},
      {"chunks in HTTP/1.0", "POST /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400},
      {"a blank before the colon", Get("Content-Length : 36\r\n"), 400},
      {"a tab before the colon", Get("Transfer-Encoding\t: chunked\r\n"), 400},
      {"a length in the next line", Get("Content-Length:\r\n 36\r\n"), 400},
      {"chunks in the next line", Get("Transfer-Encoding:\r\n\tchunked\r\n"), 400},
      {"a header that goes on", Get("A: b\r\n Content-Length: 36\r\n"), 400},
      {"a bare LF", Get("A: b\nContent-Length: 36\r\n"), 400},
      {"a bare CR", Get("A: b\rContent-Length: 36\r\n"), 400},
      {"a NUL", Get("A: b\0Content-Length: 36\r\n"s), 400},
      {"no Host", "GET /healthz HTTP/1.1\r\n", 400},
      {"two Hosts", "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n", 400},
      {"a Host with a path", "GET /healthz HTTP/1.1\r\nHost: x/y\r\n", 400},
      {"a target with a blank", "GET /health z HTTP/1.1\r\nHost: x\r\n", 400},
      {"a target without a path", "GET healthz HTTP/1.1\r\nHost: x\r\n", 400},
      {"an unknown version", "GET /healthz HTTP/1.9\r\nHost: x\r\n", 400},
      {"no version", "GET /healthz\r\n", 400},
      {"two blanks", "GET  /healthz HTTP/1.1\r\nHost: x\r\n", 400},
      {"two empty lines first", "\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n", 400},
      {"chunks that end with LF", Get("Transfer-Encoding: chunked\r\n"), 400,
       "1\na\n0\n\n" + kHidden},
      {"a chunk that is longer than it says", Get("Transfer-Encoding: chunked\r\n"), 400,
       "1\r\nab\r\n0\r\n\r\n" + kHidden},
      {"a chunk with a sign", Get("Transfer-Encoding: chunked\r\n"), 400,
       "+1\r\na\r\n0\r\n\r\n" + kHidden},
      {"a chunk with a prefix", Get("Transfer-Encoding: chunked\r\n"), 400,
       "0x1\r\na\r\n0\r\n\r\n" + kHidden},
      {"a long extension", Get("Transfer-Encoding: chunked\r\n"), 400,
       "1;" + std::string(9000, 'a') + "\r\na\r\n0\r\n\r\n" + kHidden},
      {"long trailers", Get("Transfer-Encoding: chunked\r\n"), 400,
       "0\r\nA: " + std::string(9000, 'a') + "\r\n\r\n" + kHidden}};
  for (const char* length : {"+36", "-36", "36,36", "36, 36", "", "0x24", "3 6", "36.0", "1e1"}) {
    tricks.push_back({"the length " + std::string(length),
                      Get("Content-Length: " + std::string(length) + "\r\n"), 400});
  }
  for (const char* coding : {"xchunked", "chunked, identity", "identity", "identity, chunked",
                             "chunked, chunked", "gzip, chunked", "", "chunked,", "\"chunked\""}) {
    tricks.push_back({"the coding " + std::string(coding),
                      Get("Transfer-Encoding: " + std::string(coding) + "\r\n"), 501});
  }
  // Requests that may be read, and are not permitted or not complete: what follows is no request.
  tricks.push_back({"a body that nobody asks for",
                    "POST /tallyman.v1.OrgService/ListOrgs HTTP/1.1\r\nHost: x\r\nContent-Type: "
                    "application/json\r\nContent-Length: 1000\r\n",
                    401});
  tricks.push_back({"a wrong verb with a body",
                    "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n", 405});
  tricks.push_back({"an unknown path with a body",
                    "POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", 404});
  return tricks;
}

// The statuses of all answers.
std::vector<int> StatusesOf(const std::string& answers) {
  std::vector<int> statuses;
  const std::string begin = "HTTP/1.1 ";
  for (size_t at = answers.find(begin); at != std::string::npos; at = answers.find(begin, at + 1))
    statuses.push_back(std::stoi(answers.substr(at + begin.size(), 3)));
  return statuses;
}

class Framing : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server.Start()) << server.Log(); }
  ServerProcess server;
};

TEST_F(Framing, EachTrickGetsOneAnswerAndTheEnd) {
  for (const Trick& trick : Tricks()) {
    SCOPED_TRACE(trick.name);
    for (bool is_cut : {false, true}) {
      HttpPeer peer(server.port());
      // All at once, or in two parts that the server may see one after the other.
      if (is_cut) {
        peer.Send(trick.head);
        peer.Send("\r\n" + trick.body);
      } else {
        peer.Send(trick.head + "\r\n" + trick.body);
      }
      const std::string answers = peer.ReceiveAll();
      EXPECT_EQ(StatusesOf(answers), std::vector<int>{trick.status}) << answers;
      EXPECT_NE(answers.find("Connection: close\r\n"), std::string::npos);
    }
  }
}

TEST_F(Framing, RequestsThatAreWellFormedGoOn) {
  const std::string end = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  auto call = [&](const std::string& headers, const std::string& body) {
    return "POST /tallyman.v1.OrgService/ListOrgs HTTP/1.1\r\nHost: x\r\nContent-Type: "
           "application/json\r\nAuthorization: Bearer " +
           server.token() + "\r\n" + headers + "\r\n" + body;
  };
  for (const std::string& request :
       {call("Content-Length: 2\r\n", "{}"), call("Content-Length: 002\r\n", "{}"),
        call("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        call("Transfer-Encoding: CHUNKED\r\n", "1;a=b\r\n{\r\n01\r\n}\r\n0;c\r\nD: e\r\n\r\n"),
        "\r\n" + call("Content-Length: 2\r\n", "{}"),
        "GET http://somewhere.test/healthz HTTP/1.1\r\nHost: x\r\n\r\n"s,
        "GET /healthz?a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"s,
        "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"s}) {
    HttpPeer peer(server.port());
    peer.Send(request + end);
    std::string answers = peer.ReceiveAll();
    if (const size_t old = answers.find("HTTP/1.0 "); old == 0) answers[7] = '1';
    EXPECT_EQ(StatusesOf(answers), (std::vector<int>{200, 200})) << request << "\n" << answers;
  }
}

}  // namespace
}  // namespace tallyman
