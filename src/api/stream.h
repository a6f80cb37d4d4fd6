// Methods that answer with a stream of messages.
//
// A stream is pulled by whoever carries it: Next() gives what is there and never waits; `on_ready`
// says when to ask again. So a stream costs no thread, and a slow reader costs no memory: what it
// did not ask for is kept once for all streams, within a bound, and a reader that falls behind that
// bound is ended with an error that says where to go on.
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

namespace tallyman {

class EventFeed;
class LogRelay;

// A message that may go to many streams. Immutable, but for what carriers make of it: each form
// (JSON, binary) is made once, by whichever stream wants it first. Thread-safe.
class StreamMessage {
 public:
  explicit StreamMessage(std::unique_ptr<const google::protobuf::Message> message)
      : message_(std::move(message)) {}

  const google::protobuf::Message& message() const { return *message_; }
  // `form` is 0 or 1; `make` gives the same for the same form whoever asks.
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

// One open stream. Its methods are called by one thread at a time. Destroying it ends it: once the
// destructor has returned, `on_ready` is not called any more.
class MessageStream {
 public:
  virtual ~MessageStream() = default;

  // At most `count_max` messages, in order; none: there is nothing yet, and `on_ready` is called
  // once there may be. An error ends the stream. Never blocks, and reads no database.
  virtual Result<StreamMessages> Next(size_t count_max) = 0;

  // After a Next() that gave nothing: nothing will come any more, and the stream ends well.
  virtual bool IsOver() { return false; }

  // Next() wants to be asked again after this time, come what may.
  virtual std::chrono::milliseconds Patience() { return std::chrono::hours(1); }

  // A message that only shows that the stream lives, for when nothing was sent for a while; null
  // where the method has no such message.
  virtual std::shared_ptr<const StreamMessage> Heartbeat() = 0;
};

// Called from any thread, with locks held: it must not block, throw or call the stream.
using OnReady = std::function<void()>;

struct StreamMethod {
  std::string name;  // full: "tallyman.v1.EventService/WatchEvents"
  const google::protobuf::Message* request = nullptr;  // default instances; live for ever
  const google::protobuf::Message* response = nullptr;
  // May read the database. REQUIRES: the message is of the request's type.
  std::function<Result<std::unique_ptr<MessageStream>>(Control&, EventFeed&, const Call&,
                                                       const google::protobuf::Message&, OnReady)>
      open;
};

// Result<std::unique_ptr<MessageStream>> open(Control&, EventFeed&, const Call&, const Request&,
// OnReady).
template <class Request, class Response, class Open>
StreamMethod WatchMethod(std::string name, Open open) {
  return {std::move(name), &Request::default_instance(), &Response::default_instance(),
          [open = std::move(open)](Control& control, EventFeed& feed, const Call& call,
                                   const google::protobuf::Message& request, OnReady on_ready) {
            return open(control, feed, call, static_cast<const Request&>(request),
                        std::move(on_ready));
          }};
}

// Those of events and wake-ups; a host's wake-ups carry what the relay has for it.
std::vector<StreamMethod> WatchMethods(std::shared_ptr<LogRelay> relay);
std::vector<StreamMethod> LogStreamMethods(std::shared_ptr<LogRelay> relay);

}  // namespace tallyman
