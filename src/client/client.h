// Calls methods of Tallyman, in this process or over a network.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>

#include "base/result.h"

namespace google::protobuf {
class Message;
}

namespace tallyman::client {

// Thread-safe. A call blocks until its answer has arrived.
class Client {
 public:
  virtual ~Client() = default;

  // `method` is the full name, "tallyman.v1.NodeService/UpgradeNodes"; the messages have the types
  // of the API definition. Errors are those of the method, with their code, reason, resource and
  // facts.
  virtual Status Call(std::string_view method, const google::protobuf::Message& request,
                      google::protobuf::Message& response) = 0;

  // Calls a streaming method. `on_message` receives each message, in the type of the API
  // definition, on the calling thread; it returns false to end the stream. Returns when the stream
  // has ended: with its error; or without one when `on_message` returned false, when `stop` (which
  // may be null) became true, which is noticed within half a second, or when the server ended the
  // stream. UNIMPLEMENTED NO_STREAMS from a client without streams.
  virtual Status Stream(std::string_view method, const google::protobuf::Message& request,
                        const std::function<bool(const google::protobuf::Message&)>& on_message,
                        const std::atomic<bool>* stop);
};

inline Status Client::Stream(std::string_view, const google::protobuf::Message&,
                             const std::function<bool(const google::protobuf::Message&)>&,
                             const std::atomic<bool>*) {
  return Fail(Error(Code::kUnimplemented, "NO_STREAMS", "this client has no methods that stream"));
}

}  // namespace tallyman::client
