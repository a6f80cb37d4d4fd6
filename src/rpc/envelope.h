// Envelopes: the framing of messages in a Connect stream. Five bytes (flags, then the length as a
// big-endian 32-bit number), then the message. Pure; an EnvelopeReader belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman::rpc {

inline constexpr uint8_t kEnvelopeCompressed = 1;
inline constexpr uint8_t kEnvelopeEndStream = 2;
inline constexpr size_t kEnvelopePrefixBytes = 5;

struct Envelope {
  uint8_t flags = 0;
  std::string message;

  bool compressed() const { return (flags & kEnvelopeCompressed) != 0; }
  bool end_stream() const { return (flags & kEnvelopeEndStream) != 0; }
};

// REQUIRES: the message is shorter than 4 GiB.
void AppendEnvelope(std::string& out, uint8_t flags, std::string_view message);

// Extracts envelopes from bytes that arrive in pieces of any size.
class EnvelopeReader {
 public:
  explicit EnvelopeReader(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  void Append(std::string_view bytes) { bytes_.append(bytes); }
  // The next complete envelope; nullopt when more bytes are needed. RESOURCE_EXHAUSTED
  // MESSAGE_TOO_LARGE as soon as a prefix announces more than the bound.
  Result<std::optional<Envelope>> Next();
  // True if no bytes of an incomplete envelope are buffered.
  bool empty() const { return at_ == bytes_.size(); }

 private:
  const size_t message_bytes_max_;
  std::string bytes_;
  size_t at_ = 0;  // everything before it was extracted
};

// The one message of a request to a streaming method. INVALID_ARGUMENT MALFORMED_ENVELOPE unless it
// is exactly one plain envelope; UNIMPLEMENTED COMPRESSED_REQUEST.
Result<std::string> OnlyMessageOf(std::string_view body);

}  // namespace tallyman::rpc
