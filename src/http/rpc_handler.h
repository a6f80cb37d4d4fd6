// Passes calls from Connect requests to the Dispatcher, and their answers back.
//
// The connection's thread only reads the head. A worker authenticates the caller, parses the
// message, dispatches it, and writes the answer, so that a large message delays no other call and
// no message is parsed before its sender is authenticated. The answer of a mutation comes from the
// thread that ran it, which passes it to a worker.
//
// Every answer has X-Request-Id, under which the log records it. Thread-safe. Does not own its
// parts, which must outlive it and all its exchanges.
#pragma once

#include <atomic>
#include <memory>

#include "api/dispatcher.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "http/authenticator.h"
#include "http/call_observer.h"
#include "http/exchange.h"
#include "http/failure_limit.h"
#include "http/worker_pool.h"
#include "rpc/call_head.h"

namespace tallyman {

struct RpcLimits {
  size_t calls_max = 1024;  // in flight or waiting for a worker; further ones fail at once
  size_t streams_max = 12'000;
  size_t gzip_bytes_min = 4096;  // shorter answers are sent uncompressed
  // How often a stream's token is checked again.
  std::chrono::seconds stream_check{15};
};

struct RpcParts {
  const Dispatcher& dispatcher;
  Authenticator& authenticator;
  FailureLimit& failures;
  WorkerPool& workers;
  Clock& clock;
  IdSource& ids;
  CallObserver& observer;
  RpcLimits limits;
};

class RpcHandler {
 public:
  explicit RpcHandler(RpcParts parts) : parts_(parts) {}

  // Whether the path is that of a method, known or not: "/tallyman.v1.NodeService/GetNode".
  static bool Serves(std::string_view path);

  std::optional<HttpResponse> Refuse(const HttpRequest& head);
  // REQUIRES: Refuse() did not reject it.
  void Handle(HttpRequest request, std::shared_ptr<Exchange> exchange);

 private:
  struct Counts {
    std::atomic<size_t> calls{0};
    std::atomic<size_t> streams{0};
  };
  class CallState;
  class StreamBody;
  struct Route;

  const RpcParts parts_;
  Counts counts_;
};

// Authenticates the caller. UNAUTHENTICATED, which FailureLimit counts; RESOURCE_EXHAUSTED
// TOO_MANY_FAILURES instead when that limit is reached. May read the database, in `tx` unless that
// is null.
Result<Actor> Recognize(const RpcParts& parts, std::string_view method, const HttpRequest& request,
                        ReadTx* tx = nullptr);

// The answer to a unary call that failed.
HttpResponse ErrorResponse(const Error& error, std::optional<int> status = {});

// When to retry while the server is full.
inline constexpr std::chrono::milliseconds kRetryWhenFull{1000};
// A transient error, with the fact "retry_after_ms", which becomes Retry-After.
Error RetryLater(Error error, std::chrono::milliseconds after);

}  // namespace tallyman
