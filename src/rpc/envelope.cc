#include "rpc/envelope.h"

#include <fmt/core.h>

namespace tallyman::rpc {
namespace {

uint32_t LengthAt(std::string_view bytes) {
  uint32_t length = 0;
  for (size_t i = 1; i < kEnvelopePrefixBytes; ++i) {
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return length;
}

std::unexpected<Error> Malformed(std::string_view what) {
  return Fail(InvalidArgument("MALFORMED_ENVELOPE",
                              fmt::format("the body {}: send exactly one message, preceded by five "
                                          "bytes: a 0 and its length as a big-endian 32-bit number",
                                          what)));
}

}  // namespace

void AppendEnvelope(std::string& out, uint8_t flags, std::string_view message) {
  out.reserve(out.size() + kEnvelopePrefixBytes + message.size());
  out += static_cast<char>(flags);
  auto length = static_cast<uint32_t>(message.size());
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xff);
  out += message;
}

Result<std::optional<Envelope>> EnvelopeReader::Next() {
  std::string_view waiting = std::string_view(bytes_).substr(at_);
  std::optional<Envelope> envelope;
  if (waiting.size() < kEnvelopePrefixBytes) return envelope;
  size_t length = LengthAt(waiting);
  if (length > message_bytes_max_) {
    return Fail(Error(Code::kResourceExhausted, "MESSAGE_TOO_LARGE",
                      fmt::format("a message of the stream has {} bytes, more than the {} that are "
                                  "taken",
                                  length, message_bytes_max_)));
  }
  if (waiting.size() - kEnvelopePrefixBytes < length) return envelope;
  envelope.emplace(static_cast<uint8_t>(waiting[0]),
                   std::string(waiting.substr(kEnvelopePrefixBytes, length)));
  at_ += kEnvelopePrefixBytes + length;
  if (at_ == bytes_.size() || at_ > 65536) {
    bytes_.erase(0, at_);
    at_ = 0;
  }
  return envelope;
}

Result<std::string> OnlyMessageOf(std::string_view body) {
  if (body.empty()) return Malformed("is empty");
  if (body.size() < kEnvelopePrefixBytes) return Malformed("ends within the prefix of a message");
  auto flags = static_cast<uint8_t>(body[0]);
  size_t length = LengthAt(body);
  std::string_view rest = body.substr(kEnvelopePrefixBytes);
  if (flags == kEnvelopeCompressed) {
    return Fail(
        Error(Code::kUnimplemented, "COMPRESSED_REQUEST",
              "the message is compressed: requests are accepted with the encoding identity only"));
  }
  if (flags != 0) return Malformed(fmt::format("begins with the flags {}", flags));
  if (rest.size() < length) {
    return Malformed(fmt::format("has {} bytes of a message of {}", rest.size(), length));
  }
  if (rest.size() > length) return Malformed("continues after its message");
  return std::string(rest);
}

}  // namespace tallyman::rpc
