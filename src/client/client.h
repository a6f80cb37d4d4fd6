// Calling Tallyman: one method at a time, in this process or over a network.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>

#include "base/result.h"

namespace google::protobuf {
class Message;
}

namespace tallyman {

// Thread-safe. A call blocks its caller until the answer is there.
class Client {
 public:
  virtual ~Client() = default;

  // `method` is the full name, "tallyman.v1.NodeService/UpgradeNodes"; the messages are of the
  // types that the definition gives it. Errors are those of the method, with their code, reason,
  // resource and facts.
  virtual Status Call(std::string_view method, const google::protobuf::Message& request,
                      google::protobuf::Message& response) = 0;

  // Calls a method that answers with a stream. `on_message` hears each message, of the type that
  // the definition gives, on the calling thread; false ends the stream. Returns when the stream has
  // ended: with its error, or without one after `on_message` said false, after `stop` (which may be
  // null) became true, which is noticed within half a second, or when the other side had no more.
  // UNIMPLEMENTED NO_STREAMS from a client that has none.
  virtual Status Stream(std::string_view method, const google::protobuf::Message& request,
                        const std::function<bool(const google::protobuf::Message&)>& on_message,
                        const std::atomic<bool>* stop);
};

inline Status Client::Stream(std::string_view, const google::protobuf::Message&,
                             const std::function<bool(const google::protobuf::Message&)>&,
                             const std::atomic<bool>*) {
  return Fail(Error(Code::kUnimplemented, "NO_STREAMS", "this client has no methods that stream"));
}

}  // namespace tallyman
