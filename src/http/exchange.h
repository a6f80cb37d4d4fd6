// The interface between connections and the handlers of requests, without sockets or an HTTP
// library. Requests and answers are complete when they are passed on; only the body of a stream is
// produced piece by piece.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/enum_text.h"

namespace tallyman::http {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// Whatever their case, of ASCII.
bool SameWord(std::string_view a, std::string_view b);

struct HttpRequest {
  std::string verb;
  std::string target;  // path and query, as received
  HttpHeaders headers;
  std::string body;
  std::string address;  // the peer's, without its port

  // The value of the first header of that name, case-insensitively; "" when there is none.
  std::string_view Header(std::string_view name) const;
  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers;
  std::string body;
  bool close = false;  // the connection ends with this answer
};

// The body of a stream. Its connection pulls it, one call at a time, on the connection's thread.
class BodySource {
 public:
  virtual ~BodySource() = default;
  struct Piece {
    std::string bytes;
    bool last = false;
  };
  // The next piece to send. If it is empty and not the last, Exchange::Wake() says when to call
  // again.
  virtual Piece Next() = 0;
  // Next() must be called again at this time, even without Wake().
  virtual std::chrono::milliseconds Patience() = 0;
  // A heartbeat to send when nothing was sent for a while; may be empty.
  virtual std::string Heartbeat() = 0;
  // The connection is over; called once.
  virtual void Ended(bool whole) = 0;
};

// Whose connection it is, as far as is known: each kind has its own share of what is bounded.
enum class Party { kStranger, kHost, kPerson };
inline constexpr size_t kParties = 3;

// Why a peer got no further than its connection, its head or its body.
enum class PeerFault {
  kTooManyConnections,
  kTooManyStrangers,
  kHeadersTooLarge,
  kRequestTooLarge,
  kTooManyBodies,
  kMalformedHttp,
  kUnsupportedCoding,
  kTooSlow
};

// One request that waits for its answer. Thread-safe; after Handle(), exactly one of Answer() and
// Stream() is called, once; after Admit(), one of Answer() and Admitted().
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void Answer(HttpResponse response) = 0;
  // The connection owns the source from here on; `head` has no body.
  virtual void Stream(HttpResponse head, std::unique_ptr<BodySource> source) = 0;
  // The body may come, so long at most: callers differ in how much a method takes of them.
  virtual void Admitted(size_t body_bytes_max) = 0;
  // Who calls is known. Before any of the others.
  virtual void Recognized(Party party) = 0;
  // The source may have more. Also right before Stream().
  virtual void Wake() = 0;
  // Becomes true when the peer has disconnected.
  virtual const std::shared_ptr<std::atomic<bool>>& cancelled() const = 0;
};

// Answers requests. Thread-safe; called on the threads of connections, so it must not block.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Rejects a request by its head alone, before its body is read.
  virtual std::optional<HttpResponse> Refuse(const HttpRequest& head) = 0;
  // The longest body that is taken of anybody with this head. REQUIRES: it was not refused.
  virtual size_t BodyBytesMax(const HttpRequest& head) = 0;
  // Finds out who calls, and whether they may, before a body is read that has not come with the
  // head. Whoever sends all at once is judged by Handle().
  virtual void Admit(HttpRequest head, std::shared_ptr<Exchange> exchange) = 0;
  virtual void Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) = 0;
  // A peer closed the connection while it waited for its answer.
  virtual void PeerGone() = 0;
  // The answer to something that is no request, or one connection too many; it ends the connection.
  virtual HttpResponse Malformed(PeerFault fault, std::string_view what,
                                 std::string_view address) = 0;
  // A peer was cut without an answer.
  virtual void Cut(PeerFault fault, std::string_view address) = 0;
};

}  // namespace tallyman::http

namespace tallyman {

template <>
struct EnumText<http::PeerFault> {
  static constexpr std::array<std::string_view, 8> kWords = {
      "TOO_MANY_CONNECTIONS", "TOO_MANY_STRANGERS", "HEADERS_TOO_LARGE",  "REQUEST_TOO_LARGE",
      "TOO_MANY_BODIES",      "MALFORMED_HTTP",     "UNSUPPORTED_CODING", "TOO_SLOW"};
};

}  // namespace tallyman
