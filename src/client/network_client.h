// The Client over a network: the Connect protocol over HTTP/1.1, in binary form.
//
// A failed call is retried until the timeout if that is safe and the failure is transient: nothing
// reached the server, or the call only reads or carries a request id. Thread-safe: each concurrent
// call gets its own connection, which is kept for the next call.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "client/client.h"
#include "client/http_session.h"
#include "client/retry.h"

namespace tallyman::client {

struct NetworkOptions {
  std::string server;  // "https://tallyman.example:7480"
  std::string token;   // "": none is sent
  std::string ca_file;
  // Permits sending a token to another machine over plain HTTP.
  bool insecure = false;
  std::chrono::milliseconds timeout{30'000};
  size_t answer_bytes_max = size_t{256} << 20;
  RetryOptions retry;
  OnWait on_wait = {};  // called on the caller's thread; may be empty
};

class NetworkClient final : public Client {
 public:
  // How to wait; a test advances its clock instead of sleeping.
  using Pause = std::function<void(std::chrono::milliseconds)>;

  // INVALID_ARGUMENT INVALID_SERVER for anything but "http://HOST[:PORT]" or "https://...", and
  // INSECURE_SERVER when the token would be readable on the network. Does not connect yet.
  static Result<std::unique_ptr<NetworkClient>> Make(NetworkOptions options, Clock& clock,
                                                     Random& random, Pause pause);

  // Beside the errors of the method: those of HttpSession, with ANSWER_LOST also where only an
  // earlier attempt may have been carried out; UNIMPLEMENTED SERVER_TOO_OLD;
  // UNAUTHENTICATED NO_TOKEN; INTERNAL NOT_A_TALLYMAN_SERVER.
  Status Call(std::string_view method, const google::protobuf::Message& request,
              google::protobuf::Message& response) override;
  // Not retried automatically: the caller knows its cursor. Errors beside those of the method:
  // UNAVAILABLE STREAM_CUT when the stream ended without an end message, or nothing arrived for a
  // minute (servers send a heartbeat every 15 seconds).
  Status Stream(std::string_view method, const google::protobuf::Message& request,
                const std::function<bool(const google::protobuf::Message&)>& on_message,
                const std::atomic<bool>* stop) override;

 private:
  NetworkClient(NetworkOptions options, Clock& clock, Random& random, Pause pause);
  Result<HttpAnswer> Attempt(const HttpPost& post);
  Status Read(std::string_view method, Result<HttpAnswer> answer,
              google::protobuf::Message& response) const;
  Error Explain(std::string_view method, Error error) const;
  HttpPost PostOf(std::string_view method, std::string_view body, std::string_view content_type,
                  std::chrono::milliseconds left) const;
  std::unique_ptr<HttpSession> TakeSession();
  void GiveBack(std::unique_ptr<HttpSession> session);

  const NetworkOptions options_;
  Clock& clock_;
  Random& random_;
  const Pause pause_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpSession>> idle_;
};

}  // namespace tallyman::client
