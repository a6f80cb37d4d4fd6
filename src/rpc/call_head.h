// Parses the head of an HTTP request into a call of the Connect protocol.
//
// Accepts POSTs of a plain message in JSON or binary. Rejects, as the specification demands, other
// verbs (including GET), compressed requests, gRPC and gRPC-Web, and client streams. Pure,
// thread-safe.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "rpc/message_codec.h"

namespace tallyman::rpc {

// Header values as received; empty if a header is absent.
struct CallHead {
  std::string_view verb;
  std::string_view content_type;
  std::string_view protocol_version;         // Connect-Protocol-Version
  std::string_view timeout_ms;               // Connect-Timeout-Ms
  std::string_view content_encoding;         // unary calls only
  std::string_view accept_encoding;          //
  std::string_view stream_content_encoding;  // Connect-Content-Encoding
};

enum class MethodKind { kUnary, kServerStream };

struct CallTerms {
  Codec codec = Codec::kJson;
  std::optional<std::chrono::milliseconds> timeout;
  bool gzip_accepted = false;  // unary calls only
};

// An error may have its own HTTP status, which overrides that of its code: 405 (with Allow: POST)
// or 415 (with Accept-Post). These are answered like unary calls.
struct Refusal {
  Error error;
  std::optional<int> http_status;
};

// UNIMPLEMENTED WRONG_VERB (405), UNSUPPORTED_CONTENT_TYPE (415), COMPRESSED_REQUEST;
// INVALID_ARGUMENT WRONG_PROTOCOL_VERSION, INVALID_TIMEOUT.
std::expected<CallTerms, Refusal> ReadCallHead(const CallHead& head, MethodKind kind);

// The media types that a method of this kind accepts: the value of Accept-Post.
std::string_view ContentTypesOf(MethodKind kind);
// The content type of an answer.
std::string_view ContentTypeOf(MethodKind kind, Codec codec);

}  // namespace tallyman::rpc
