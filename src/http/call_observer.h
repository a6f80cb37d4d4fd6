// Observes every call when it ends, for logs and metrics.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "http/exchange.h"

namespace tallyman::http {

struct CallRecord {
  std::string_view method;       // full name; "" when there is no such method
  const Error* error = nullptr;  // null: success
  std::chrono::nanoseconds duration{};
  std::string_view request_id;  // as sent to the client in X-Request-Id
  std::string_view actor;       // "" if the caller was not authenticated
  std::string_view address;
  size_t request_bytes = 0;
  size_t answer_bytes = 0;
  bool stream = false;
};

// Thread-safe; must not block for long.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void Ended(const CallRecord& call) = 0;
  // The number of calls in flight, without streams.
  virtual void InFlight(int difference) = 0;
  virtual void OpenStreams(int difference) = 0;
  // A client disconnected while it waited for an answer.
  virtual void ClientGone() = 0;
  // A peer got no further than its connection, its head or its body.
  virtual void PeerRefused(PeerFault fault, std::string_view address) = 0;
};

// Forwards to several observers. Owns none of them.
class CallObservers final : public CallObserver {
 public:
  explicit CallObservers(std::vector<CallObserver*> all) : all_(std::move(all)) {}
  void Ended(const CallRecord& call) override {
    for (CallObserver* one : all_) one->Ended(call);
  }
  void InFlight(int difference) override {
    for (CallObserver* one : all_) one->InFlight(difference);
  }
  void OpenStreams(int difference) override {
    for (CallObserver* one : all_) one->OpenStreams(difference);
  }
  void ClientGone() override {
    for (CallObserver* one : all_) one->ClientGone();
  }
  void PeerRefused(PeerFault fault, std::string_view address) override {
    for (CallObserver* one : all_) one->PeerRefused(fault, address);
  }

 private:
  const std::vector<CallObserver*> all_;
};

}  // namespace tallyman::http
