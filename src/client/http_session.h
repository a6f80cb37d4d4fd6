// One HTTP connection at a time, kept alive between calls, by libcurl. All requests go through this
// class.
//
// It follows no redirects and uses no proxies, so that a token goes only to the named server;
// certificates are verified. Belongs to one thread at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tallyman::client {

struct HttpPost {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string_view body;
  std::chrono::milliseconds timeout{};       // for the whole request; 0: none
  std::chrono::milliseconds idle_timeout{};  // between bytes received; 0: none
  // Use a new connection: on a reused one that died, the library would silently send the request
  // again.
  bool fresh_connection = false;
};

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::chrono::milliseconds retry_after{};
  std::string body;  // empty if a sink took it
};

// The reasons of the Error of a request that was not answered.
inline constexpr const char* kServerUnreachable = "SERVER_UNREACHABLE";  // nothing was sent
inline constexpr const char* kTlsFailed = "TLS_FAILED";                  // nothing was sent
inline constexpr const char* kAnswerLost = "ANSWER_LOST";                // outcome unknown
inline constexpr const char* kTimedOut = "TIMED_OUT";                    // outcome unknown
inline constexpr const char* kNotHttp = "NOT_HTTP";
inline constexpr const char* kAnswerTooLarge = "ANSWER_TOO_LARGE";

class HttpSession {
 public:
  // `ca_file` empty: the system's certificates.
  explicit HttpSession(std::string ca_file);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // Errors: UNAVAILABLE with one of the first three reasons above, DEADLINE_EXCEEDED kTimedOut,
  // INTERNAL kNotHttp, RESOURCE_EXHAUSTED kAnswerTooLarge.
  Result<HttpAnswer> Post(const HttpPost& post, size_t body_bytes_max);

  // If the status is 200, the body goes to `sink` as it arrives; the sink returns false to end the
  // request, which is not an error. `stopped` is polled several times a second and ends the
  // request, too.
  Result<HttpAnswer> Stream(const HttpPost& post, const std::function<bool(std::string_view)>& sink,
                            const std::function<bool()>& stopped);

 private:
  struct State;
  Status Prepare(const HttpPost& post);
  std::unique_ptr<State> state_;
};

}  // namespace tallyman::client
