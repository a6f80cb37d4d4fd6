#include "http/chunked_body.h"

#include <gtest/gtest.h>

namespace tallyman::http {
namespace {

// What comes of the bytes when they arrive in pieces of `size`: the content, and what is left
// behind it; "more" and "bad" where it does not end, or not well.
std::string Read(std::string_view bytes, size_t size) {
  ChunkedBody chunks;
  std::string body;
  std::string waiting;
  while (!bytes.empty()) {
    waiting += bytes.substr(0, size);
    bytes.remove_prefix(std::min(size, bytes.size()));
    std::string_view rest = waiting;
    if (!chunks.Take(rest, body)) return "bad";
    waiting = rest;
  }
  return chunks.is_whole() ? body + "|" + waiting : "more";
}

void ExpectRead(std::string_view bytes, std::string_view result) {
  const size_t few = 1 + bytes.size() / 100;  // a long one is not looked at byte by byte
  for (size_t size : {few, 2 * few, 3 * few, 7 * few, bytes.size() + 1})
    EXPECT_EQ(Read(bytes, size), result) << bytes << " in pieces of " << size;
}

TEST(ChunkedBody, PutsChunksTogether) {
  ExpectRead("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "hello!|");
  ExpectRead("0\r\n\r\n", "|");
  ExpectRead("00a\r\n0123456789\r\n0\r\n\r\n", "0123456789|");
  ExpectRead("2;a=b;c=\"d\"\r\nhi\r\n0;e\r\nTrailer: f\r\nOther: g\r\n\r\n", "hi|");
  ExpectRead("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n|");
}

TEST(ChunkedBody, LeavesWhatComesAfterIt) { ExpectRead("0\r\n\r\nGET /", "|GET /"); }

TEST(ChunkedBody, RefusesWhatTwoCouldReadDifferently) {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"zz\r\n"s, "\r\n"s, "-1\r\n"s, "+1\r\na\r\n"s, " 1\r\na\r\n"s, "1 \r\na\r\n"s,
        "0x1\r\na\r\n"s, "1\na\n0\n\n"s, "1\r\na\n0\r\n\r\n"s, "1\r\nab\r\n"s, "1\r\na0\r\n\r\n"s,
        "1;\x01\r\na\r\n"s, "1;a\0b\r\na\r\n"s, "1;a\rb\r\na\r\n"s, "0\r\na\nb\r\n\r\n"s,
        "ffffffffffffffff\r\n"s, "0000000000000000000001\r\na\r\n"s}) {
    ExpectRead(bytes, "bad");
  }
}

TEST(ChunkedBody, BoundsWhatIsNoContent) {
  ExpectRead("1;" + std::string(5000, 'a') + "\r\n", "bad");
  ExpectRead("1;" + std::string(5000, 'a'), "bad");
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "1;ab\r\nx\r\n";
  ExpectRead(many, "bad");
  std::string trailers = "0\r\n";
  for (int i = 0; i < 2000; ++i) trailers += "A: b\r\n";
  ExpectRead(trailers, "bad");
  std::string plain;
  for (int i = 0; i < 2000; ++i) plain += "1\r\nx\r\n";
  ExpectRead(plain + "0\r\n\r\n", std::string(2000, 'x') + "|");
}

}  // namespace
}  // namespace tallyman::http
