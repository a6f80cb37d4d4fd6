// What the head of an HTTP request says about a call, by the Connect protocol.
//
// Taken are POSTs of a plain message in JSON or binary. Left out, and refused as the specification
// names it, are: other verbs (GET among them), compressed requests, gRPC and gRPC-Web, and streams
// from the client. Pure, thread-safe.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "rpc/message_codec.h"

namespace tallyman {

// Header values as they came; empty where a header is absent.
struct CallHead {
  std::string_view verb;
  std::string_view content_type;
  std::string_view protocol_version;         // Connect-Protocol-Version
  std::string_view timeout_ms;               // Connect-Timeout-Ms
  std::string_view content_encoding;         // of unary calls
  std::string_view accept_encoding;          //
  std::string_view stream_content_encoding;  // Connect-Content-Encoding
};

enum class MethodKind { kUnary, kServerStream };

struct CallTerms {
  Codec codec = Codec::kJson;
  std::optional<std::chrono::milliseconds> timeout;
  bool gzip_accepted = false;  // of unary calls
};

// A refusal may have an HTTP status of its own, which goes before that of its code: 405 (with
// Allow: POST) or 415 (with Accept-Post). Those are answered as of a unary call.
struct Refusal {
  Error error;
  std::optional<int> http_status;
};

// UNIMPLEMENTED WRONG_VERB (405), UNSUPPORTED_CONTENT_TYPE (415), COMPRESSED_REQUEST;
// INVALID_ARGUMENT WRONG_PROTOCOL_VERSION, INVALID_TIMEOUT.
std::expected<CallTerms, Refusal> ReadCallHead(const CallHead& head, MethodKind kind);

// What a method of this kind takes: the value of Accept-Post.
std::string_view ContentTypesOf(MethodKind kind);
// Of an answer.
std::string_view ContentTypeOf(MethodKind kind, Codec codec);

}  // namespace tallyman
