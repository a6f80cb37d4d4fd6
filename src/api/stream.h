// Streaming methods.
//
// The carrier of a stream pulls it: Next() returns the available messages and never waits;
// `on_ready` says when to call again. So a stream needs no thread, and a slow reader needs no
// memory (backpressure): unread messages are kept once for all streams, within a bound, and a
// reader that falls too far behind gets an error with the cursor from which to resume.
#pragma once

#include <google/protobuf/message.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/control.h"

namespace tallyman::api {

class EventFeed;
class LogRelay;

// A message that may go to many streams. Immutable, except that it caches its encoded forms (JSON,
// binary): the first stream that needs a form makes it. Thread-safe.
class StreamMessage {
 public:
  explicit StreamMessage(std::unique_ptr<const google::protobuf::Message> message)
      : message_(std::move(message)) {}

  const google::protobuf::Message& message() const { return *message_; }
  // `form` is 0 or 1; `make` must give the same result for the same form.
  const std::string& Encoded(
      size_t form, const std::function<std::string(const google::protobuf::Message&)>& make) const {
    std::call_once(made_[form], [&] { encoded_[form] = make(*message_); });
    return encoded_[form];
  }

 private:
  std::unique_ptr<const google::protobuf::Message> message_;
  mutable std::array<std::once_flag, 2> made_;
  mutable std::array<std::string, 2> encoded_;
};

using StreamMessages = std::vector<std::shared_ptr<const StreamMessage>>;

// One open stream. One thread at a time calls its methods. Destroying it ends it: after the
// destructor returns, `on_ready` is not called any more.
class MessageStream {
 public:
  virtual ~MessageStream() = default;

  // Returns at most `count_max` messages, in order; none: nothing is available yet, and `on_ready`
  // is called when there may be. An error ends the stream. Never blocks, and never reads the
  // database.
  virtual Result<StreamMessages> Next(size_t count_max) = 0;

  // After a Next() that returned nothing: the stream has ended without an error.
  virtual bool IsOver() { return false; }

  // Next() must be called again at this time, even without on_ready.
  virtual std::chrono::milliseconds Patience() { return std::chrono::hours(1); }

  // A heartbeat message, for when nothing was sent for a while; null if the method has none.
  virtual std::shared_ptr<const StreamMessage> Heartbeat() = 0;
};

// Called from any thread, with locks held: it must not block, throw or call the stream.
using OnReady = std::function<void()>;

struct StreamMethod {
  std::string name;  // full: "tallyman.v1.EventService/WatchEvents"
  const google::protobuf::Message* request = nullptr;  // default instances; live forever
  const google::protobuf::Message* response = nullptr;
  // May read the database. REQUIRES: the message has the request's type.
  std::function<Result<std::unique_ptr<MessageStream>>(control::Control&, EventFeed&,
                                                       const control::Call&,
                                                       const google::protobuf::Message&, OnReady)>
      open;
};

// Result<std::unique_ptr<MessageStream>> open(Control&, EventFeed&, const Call&, const Request&,
// OnReady).
template <class Request, class Response, class Open>
StreamMethod WatchMethod(std::string name, Open open) {
  return {std::move(name), &Request::default_instance(), &Response::default_instance(),
          [open = std::move(open)](control::Control& control, EventFeed& feed,
                                   const control::Call& call,
                                   const google::protobuf::Message& request, OnReady on_ready) {
            return open(control, feed, call, static_cast<const Request&>(request),
                        std::move(on_ready));
          }};
}

// The methods for events and wake-ups; a host's wake-ups carry the relay's requests for it.
std::vector<StreamMethod> WatchMethods(std::shared_ptr<LogRelay> relay);
std::vector<StreamMethod> LogStreamMethods(std::shared_ptr<LogRelay> relay);

}  // namespace tallyman::api
