#include "http/request_head.h"

#include <gtest/gtest.h>

#include <string>

namespace tallyman::http {
namespace {

// What becomes of these bytes: the fault's word, "more" or "whole".
std::string Judged(std::string_view bytes) {
  auto end = FindHeadEnd(bytes);
  if (!end) return std::string(ToText(end.error().fault));
  if (!*end) return "more";
  auto head = ReadHead(bytes.substr(0, **end));
  return head ? "whole" : std::string(ToText(head.error().fault));
}

RequestHead Head(const std::string& bytes) {
  auto head = ReadHead(bytes);
  EXPECT_TRUE(head.has_value()) << bytes << ": " << head.error().what;
  return head.value_or(RequestHead());
}

std::string With(std::string_view headers) {
  return "POST /p HTTP/1.1\r\nHost: x\r\n" + std::string(headers) + "\r\n";
}

TEST(RequestHead, SaysWhatIsAsked) {
  const RequestHead head = Head(
      "POST /a?b=c HTTP/1.1\r\nHost: example.test:80\r\nX-Many: 1\r\nX-Many:\t2 \t\r\nEmpty:\r\n"
      "Content-Length: 12\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(head.request.verb, "POST");
  EXPECT_EQ(head.request.target, "/a?b=c");
  EXPECT_EQ(head.request.path(), "/a");
  EXPECT_EQ(head.request.headers.size(), 6u);
  EXPECT_EQ(head.request.headers[2].second, "2");
  EXPECT_EQ(head.request.Header("empty"), "");
  EXPECT_EQ(head.body_bytes, 12u);
  EXPECT_FALSE(head.is_chunked);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(Head(With("transfer-encoding: \tChunked \r\n")).is_chunked);
}

TEST(RequestHead, KeepsTheConnectionAsTheVersionSays) {
  EXPECT_FALSE(Head(With("Connection: upgrade, Close\r\n")).keep_alive);
  EXPECT_FALSE(Head(With("Connection: upgrade\r\nConnection: close\r\n")).keep_alive);
  EXPECT_TRUE(Head(With("Connection: closely\r\n")).keep_alive);
  EXPECT_FALSE(Head("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(Head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
  EXPECT_EQ(Head("GET / HTTP/1.0\r\n\r\n").version, 10u);
}

TEST(RequestHead, TakesTargetsThatArePathsOrUrls) {
  auto target = [](const std::string& text) {
    return Head("GET " + text + " HTTP/1.1\r\nHost: x\r\n\r\n").request.target;
  };
  EXPECT_EQ(target("/a/b?c"), "/a/b?c");
  EXPECT_EQ(target("http://example.test/a?b"), "/a?b");
  EXPECT_EQ(target("HTTPS://example.test:443"), "/");
  EXPECT_EQ(target("http://example.test?b"), "/?b");
  EXPECT_EQ(Judged("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), "whole");
  for (const char* bad : {"*", "a", "example.test:80", "ftp://x/", "http://", "http:///a",
                          "http://a@b/", "/a#b", "/\x80", "/a\x7f"}) {
    EXPECT_EQ(Judged("GET " + std::string(bad) + " HTTP/1.1\r\nHost: x\r\n\r\n"), "MALFORMED_HTTP")
        << bad;
  }
}

TEST(RequestHead, RefusesFirstLinesThatAreNone) {
  for (const char* line :
       {"", "GET", "GET /", "GET / ", "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1",
        "GET / HTTP/1.1 ", "GET / http/1.1", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/9.9",
        "GET / HTTP/01.1", "GET / HTTP/1.10", "G(T / HTTP/1.1", "GET\t/\tHTTP/1.1", "GET / a b"}) {
    EXPECT_EQ(Judged(std::string(line) + "\r\nHost: x\r\n\r\n"), "MALFORMED_HTTP") << line;
  }
}

TEST(RequestHead, RefusesLinesThatAreNoHeaders) {
  using namespace std::string_literals;
  for (const std::string& line :
       {"A : b"s, "A\t: b"s, " A: b"s, "\tA: b"s, "A"s, ": b"s, "A b: c"s, "A(b): c"s, "A: b\rc"s,
        "A: b\nB: c"s, "A: b\0c"s, "A: b\x01"s, "A: b\x7f"s, "\x80: b"s, "A: b\r\n c"s,
        "A: b\r\n\tc"s, "A: b\r\r"s}) {
    EXPECT_EQ(Judged(With(line + "\r\n")), "MALFORMED_HTTP") << line;
  }
  EXPECT_EQ(Judged(With("A: \x80\xff\tb\r\n")), "whole");
  EXPECT_EQ(Judged("GET / HTTP/1.1\nHost: x\n\n"), "MALFORMED_HTTP");
}

TEST(RequestHead, RefusesBodiesWhoseEndTwoCouldReadDifferently) {
  for (const char* headers :
       {"Content-Length: +5\r\n", "Content-Length: -5\r\n", "Content-Length: 5,5\r\n",
        "Content-Length: 5, 5\r\n", "Content-Length: \r\n", "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n", "Content-Length: 5.0\r\n",
        "Content-Length: 99999999999999999999\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\ncontent-length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"}) {
    EXPECT_EQ(Judged(With(headers)), "MALFORMED_HTTP") << headers;
  }
  for (const char* coding : {"xchunked", "chunkedx", "chunked, identity", "identity, chunked",
                             "chunked, chunked", "gzip, chunked", "identity", "", ",chunked",
                             "chunked,", "\"chunked\"", "chunked;q=1", "chu nked"}) {
    EXPECT_EQ(Judged(With("Transfer-Encoding: " + std::string(coding) + "\r\n")),
              "UNSUPPORTED_CODING")
        << coding;
  }
  EXPECT_EQ(Judged("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "MALFORMED_HTTP");
}

TEST(RequestHead, RefusesHostsThatAreNone) {
  auto host = [](const std::string& lines, const std::string& version = "1.1") {
    return Judged("GET / HTTP/" + version + "\r\n" + lines + "\r\n");
  };
  for (const char* good : {"Host: a.test\r\n", "Host: a:80\r\n", "Host: [::1]:80\r\n", "Host:\r\n",
                           "Host: [fe80::1]\r\n"}) {
    EXPECT_EQ(host(good), "whole") << good;
  }
  for (const char* bad : {"", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a/b\r\n",
                          "Host: a@b\r\n", "Host: a,b\r\n", "Host: a:b\r\n", "Host: [::1\r\n"}) {
    EXPECT_EQ(host(bad), "MALFORMED_HTTP") << bad;
  }
  EXPECT_EQ(host("", "1.0"), "whole");
  EXPECT_EQ(host("Host: a\r\nHost: b\r\n", "1.0"), "MALFORMED_HTTP");
}

TEST(RequestHead, RefusesTwiceWhatMayStandOnce) {
  for (const char* name : {"Authorization", "Content-Type", "Connect-Timeout-Ms", "Expect"}) {
    const std::string line = std::string(name) + ": a\r\n";
    EXPECT_EQ(Judged(With(line)), "whole") << name;
    EXPECT_EQ(Judged(With(line + line)), "MALFORMED_HTTP") << name;
  }
}

// However the bytes are cut: more is waited for until it is certain.
TEST(RequestHead, IsWholeOnceItsEndIsThere) {
  const std::string head = With("Content-Length: 5\r\n");
  for (size_t size = 0; size < head.size(); ++size)
    EXPECT_EQ(Judged(head.substr(0, size)), "more") << size;
  EXPECT_EQ(FindHeadEnd(head + "12345GET").value(), head.size());
  EXPECT_EQ(Judged("\x16\x03\x01"), "MALFORMED_HTTP") << "TLS is no head, whatever follows";
}

}  // namespace
}  // namespace tallyman::http
