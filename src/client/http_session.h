// One HTTP connection at a time, kept alive from call to call, by libcurl: the only door to it.
//
// Redirects are not followed and proxies are not asked, so that a token goes to the server that was
// named and to nobody else; certificates are verified. Belongs to one thread at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tallyman {

struct HttpPost {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string_view body;
  std::chrono::milliseconds timeout{};       // of the whole; 0: none
  std::chrono::milliseconds idle_timeout{};  // between bytes that come; 0: none
  // Never on a connection that was used before: the library would silently send again what was
  // lost on one that died.
  bool fresh_connection = false;
};

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::chrono::milliseconds retry_after{};
  std::string body;  // empty where a sink took it
};

// What became of a request that was not answered. The reasons of its Error.
inline constexpr const char* kServerUnreachable = "SERVER_UNREACHABLE";  // nothing was sent
inline constexpr const char* kTlsFailed = "TLS_FAILED";                  // nothing was sent
inline constexpr const char* kAnswerLost = "ANSWER_LOST";                // who knows
inline constexpr const char* kTimedOut = "TIMED_OUT";                    // who knows
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

  // The body goes to `sink` as it comes, if the status is 200; it says false to end it all, which
  // is no error. `stopped` is asked several times a second and ends it too.
  Result<HttpAnswer> Stream(const HttpPost& post, const std::function<bool(std::string_view)>& sink,
                            const std::function<bool()>& stopped);

 private:
  struct State;
  Status Prepare(const HttpPost& post);
  std::unique_ptr<State> state_;
};

}  // namespace tallyman
