// Passes calls from Connect requests to the Dispatcher, and their answers back.
//
// On the connection's thread only the head is read. A worker finds out who calls, reads the
// message, dispatches it, and writes the answer, so that a large message holds up nobody else and
// nobody's message is read before it is known who sent it, and that they may call the method. A
// body that has not come with its head is not even received before. The answer of a mutation comes
// from the thread that ran it, which hands it to a worker.
//
// While the database cannot be reached, a unary call is tried again until its deadline: a failover
// is a pause. It costs no thread meanwhile, and nothing of it was done.
//
// Every answer has X-Request-Id, under which the log records it. Thread-safe. Does not own its
// parts, which must outlive it and all its exchanges.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "api/dispatcher.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "http/authenticator.h"
#include "http/call_observer.h"
#include "http/exchange.h"
#include "http/failure_limit.h"
#include "http/later.h"
#include "http/worker_pool.h"
#include "rpc/call_head.h"

namespace tallyman::http {

struct RpcLimits {
  size_t calls_max = 1024;  // in flight or waiting for a worker; further ones fail at once
  size_t streams_max = 12'000;
  size_t body_bytes_max = size_t{64} << 20;  // of any method; a method may take less
  // Of those who may only look: what they ask to be planned is short.
  size_t viewer_body_bytes_max = size_t{1} << 20;
  size_t gzip_bytes_min = 4096;  // shorter answers are sent as they are
  // How often a stream's token is looked at again.
  std::chrono::seconds stream_check{15};
  // How long a call without a deadline waits for a database that cannot be reached.
  std::chrono::milliseconds outage_max{30'000};
};

struct RpcParts {
  const api::Dispatcher& dispatcher;
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
  explicit RpcHandler(RpcParts parts);

  // Whether the path is that of a method, known or not: "/tallyman.v1.NodeService/GetNode".
  static bool Serves(std::string_view path);

  std::optional<HttpResponse> Refuse(const HttpRequest& head);
  // As HttpHandler. REQUIRES: Refuse() had nothing against it.
  size_t BodyBytesMax(const HttpRequest& head) const;
  void Admit(HttpRequest head, std::shared_ptr<Exchange> exchange);
  void Handle(HttpRequest request, std::shared_ptr<Exchange> exchange);
  // Calls that wait for the database are tried once more, and no others wait after that.
  void StopWaiting() { later_.Stop(); }

 private:
  struct Counts {
    std::atomic<size_t> calls{0};
    std::atomic<size_t> streams{0};
  };
  class CallState;
  class StreamBody;
  struct Route;

  // Takes the call in and has a worker do that, or refuses it.
  void Submit(HttpRequest request, std::shared_ptr<Exchange> exchange, void (CallState::*what)());

  const RpcParts parts_;
  std::map<std::string, size_t, std::less<>> body_bytes_max_;  // by method
  Counts counts_;
  Later later_;
};

// Authenticates the caller. UNAUTHENTICATED, which FailureLimit counts; RESOURCE_EXHAUSTED
// TOO_MANY_FAILURES instead when that limit is reached. May read the database, in `tx` unless that
// is null, until the deadline at most.
Result<Actor> Recognize(const RpcParts& parts, std::string_view method, const HttpRequest& request,
                        store::ReadTx* tx = nullptr, std::optional<Time> deadline = std::nullopt);

// What is said of a token that was not good, wherever it stood in the call: FailureLimit is told.
Error WrongToken(const RpcParts& parts, const std::string& address, Error error);

Party PartyOf(const Actor& actor);

// The answer that an error is, of a unary call.
HttpResponse ErrorResponse(const Error& error, std::optional<int> status = {});

// When to retry while the server is full.
inline constexpr std::chrono::milliseconds kRetryWhenFull{1000};

}  // namespace tallyman::http
