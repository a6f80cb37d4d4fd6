// The head of a request, read to the letter of RFC 9112: whatever another program on the way could
// read differently is refused, so that nobody can hide a request within another one.
//
//   refused                                                          with
//   a line that does not end with CR LF, a bare CR, a NUL            400
//   a header that goes on in the next line, a blank before its colon 400
//   more than one Content-Length, or one that is not all digits      400
//   Transfer-Encoding beside Content-Length, or in HTTP/1.0          400
//   any Transfer-Encoding but exactly "chunked"                      501
//   no Host in HTTP/1.1, more than one, or one that is none          400
//   twice the same of the other headers that may stand once          400
//   a target that is neither a path nor a whole URL                  400
//
// Pure, thread-safe.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace tallyman::http {

struct RequestHead {
  HttpRequest request;  // without body and address; of a whole URL the target is what follows the
                        // host
  unsigned version = 11;
  bool keep_alive = true;
  bool is_chunked = false;
  size_t body_bytes = 0;  // as announced, unless it is chunked
  bool expects_continue = false;
};

struct RequestFault {
  PeerFault fault = PeerFault::kMalformedHttp;
  std::string what;
};

// Where the head that `bytes` begin with ends, the empty line included; nullopt: more is needed.
// A fault as soon as it is certain that no head comes of it.
std::expected<std::optional<size_t>, RequestFault> FindHeadEnd(std::string_view bytes);

// REQUIRES: FindHeadEnd() found this to be a whole head.
std::expected<RequestHead, RequestFault> ReadHead(std::string_view bytes);

}  // namespace tallyman::http
