// The one entry point of all operations: takes a method's name and a generated message, returns a
// generated message.
//
// All callers, in process or over a network, pass through here, so requests are validated here
// once. Reads are answered on the calling thread before Dispatch() returns; mutations are queued,
// and `done` is called from whichever thread ran them. Thread-safe. Does not own the Control, which
// must outlive it. Never throws.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/event_feed.h"
#include "api/log_relay.h"
#include "api/method.h"
#include "api/stream.h"
#include "control/control.h"
#include "model/request.h"

namespace tallyman::api {

// Who calls, from where, and until when the caller waits.
struct Caller {
  Actor actor;
  std::string address;  // "" in process
  std::optional<Time> deadline;
  // The caller sets it to true to withdraw a call that still waits; may be null.
  std::shared_ptr<std::atomic<bool>> cancelled;
  // The transaction in which the actor's token was read, for a method that only reads; may be null.
  store::ReadTx* tx = nullptr;
};

class Dispatcher {
 public:
  explicit Dispatcher(control::Control& control, EventFeedOptions streaming = {},
                      LogRelayOptions logs = {});
  // Streams may outlive it; calls too, as long as the Control lives.
  ~Dispatcher();

  // `method` is the full name, "tallyman.v1.NodeService/UpgradeNodes". `done` is called exactly
  // once and must not block. Beside the errors of the operations: UNIMPLEMENTED UNKNOWN_METHOD,
  // INVALID_ARGUMENT WRONG_MESSAGE and those of CheckRequest().
  void Dispatch(std::string_view method, const google::protobuf::Message& request,
                const Caller& caller, Answer done) const;

  // Opens the stream of a streaming method; may read the database. Errors as in Dispatch().
  Result<std::unique_ptr<MessageStream>> OpenStream(std::string_view method,
                                                    const google::protobuf::Message& request,
                                                    const Caller& caller, OnReady on_ready) const;
  // Ends all streams, including later ones, with UNAVAILABLE SERVER_STOPPING.
  void StopStreams() const;

  // All methods by full name: unary ones and streaming ones.
  const std::map<std::string, Method, std::less<>>& methods() const { return methods_; }
  const std::map<std::string, StreamMethod, std::less<>>& stream_methods() const {
    return stream_methods_;
  }
  // An empty request or answer of the method; null when there is no such method.
  std::unique_ptr<google::protobuf::Message> NewRequest(std::string_view method) const;
  std::unique_ptr<google::protobuf::Message> NewResponse(std::string_view method) const;

 private:
  control::Control& control_;
  std::map<std::string, Method, std::less<>> methods_;
  std::map<std::string, StreamMethod, std::less<>> stream_methods_;
  std::shared_ptr<EventFeed> feed_;
  std::shared_ptr<LogRelay> relay_;
};

}  // namespace tallyman::api
