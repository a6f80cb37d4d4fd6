#include "rpc/envelope.h"

#include <gtest/gtest.h>

namespace tallyman::rpc {
namespace {

std::string Enveloped(uint8_t flags, std::string_view message) {
  std::string out;
  AppendEnvelope(out, flags, message);
  return out;
}

TEST(Envelope, IsFlagsAndBigEndianLength) {
  EXPECT_EQ(Enveloped(2, "{}"), std::string("\x02\0\0\0\x02{}", 7));
  EXPECT_EQ(Enveloped(0, std::string(0x010203, 'x')).substr(0, 5),
            std::string("\0\0\x01\x02\x03", 5));
}

TEST(EnvelopeReader, TakesEnvelopesFromPiecesOfAnySize) {
  std::string bytes = Enveloped(0, "one") + Enveloped(0, "") + Enveloped(2, "{}");
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    EnvelopeReader reader(100);
    std::vector<std::string> seen;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      reader.Append(std::string_view(bytes).substr(at, piece));
      while (true) {
        auto envelope = reader.Next();
        ASSERT_TRUE(envelope.has_value());
        if (!*envelope) break;
        seen.push_back((*envelope)->message + ((*envelope)->end_stream() ? "!" : ""));
      }
    }
    EXPECT_EQ(seen, (std::vector<std::string>{"one", "", "{}!"})) << "pieces of " << piece;
    EXPECT_TRUE(reader.empty());
  }
}

TEST(EnvelopeReader, KnowsHalfAnEnvelope) {
  EnvelopeReader reader(100);
  reader.Append(Enveloped(0, "one").substr(0, 6));
  EXPECT_FALSE(reader.Next().value().has_value());
  EXPECT_FALSE(reader.empty());
}

TEST(EnvelopeReader, RefusesWhatAnnouncesItselfAsTooLong) {
  EnvelopeReader reader(100);
  reader.Append(std::string("\0\xff\xff\xff\xff", 5));
  auto envelope = reader.Next();
  ASSERT_FALSE(envelope.has_value());
  EXPECT_EQ(envelope.error().code, Code::kResourceExhausted);
  EXPECT_EQ(envelope.error().reason, "MESSAGE_TOO_LARGE");
}

TEST(OnlyMessageOf, TakesExactlyOneMessage) {
  EXPECT_EQ(OnlyMessageOf(Enveloped(0, "one")).value(), "one");
  EXPECT_EQ(OnlyMessageOf(Enveloped(0, "")).value(), "");
  for (const std::string& body :
       {std::string(), std::string("\0\0", 2), Enveloped(0, "one").substr(0, 7),
        Enveloped(0, "one") + "x", Enveloped(0, "one") + Enveloped(0, "two"), Enveloped(2, "{}"),
        Enveloped(0x80, "x"), std::string("{\"filter\": \"\"}")}) {
    auto message = OnlyMessageOf(body);
    ASSERT_FALSE(message.has_value()) << body;
    EXPECT_EQ(message.error().reason, "MALFORMED_ENVELOPE") << body;
    EXPECT_EQ(message.error().code, Code::kInvalidArgument) << body;
  }
}

TEST(OnlyMessageOf, RefusesACompressedOne) {
  auto message = OnlyMessageOf(Enveloped(1, "one"));
  ASSERT_FALSE(message.has_value());
  EXPECT_EQ(message.error().code, Code::kUnimplemented);
  EXPECT_EQ(message.error().reason, "COMPRESSED_REQUEST");
}

}  // namespace
}  // namespace tallyman::rpc
