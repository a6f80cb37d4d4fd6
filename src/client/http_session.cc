#include "client/http_session.h"

#include <curl/curl.h>
#include <fmt/core.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>

namespace tallyman::client {
namespace {

using std::chrono::milliseconds;

// Bound of an answer that says why a stream did not begin.
constexpr size_t kErrorBytesMax = size_t{64} * 1024;
constexpr int kPollMs = 200;
constexpr long kConnectTimeoutMs = 10'000;

// Runs once in the process, before its first session.
void StartLibrary() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) std::abort();
}

// libcurl's own sockets are inherited by the programs that this one starts.
curl_socket_t OpenSocket(void*, curlsocktype, curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

Error Failed(Code code, const char* reason, std::string_view what, const std::string& url,
             std::string_view advice) {
  return Error(code, reason, fmt::format("{}: {}: {}", url, what, advice)).With("server", url);
}

}  // namespace

struct HttpSession::State {
  std::unique_ptr<CURL, EasyDeleter> easy;
  std::unique_ptr<CURLM, MultiDeleter> multi;  // created for the first stream
  std::unique_ptr<curl_slist, ListDeleter> headers;
  std::array<char, CURL_ERROR_SIZE> message{};
  std::string ca_file;

  // State of the current request.
  std::string body;
  size_t body_bytes_max = 0;
  const std::function<bool(std::string_view)>* sink = nullptr;
  bool sink_said_enough = false;
  bool too_large = false;

  bool Take(std::string_view bytes) {
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (sink != nullptr && status == 200) {
      sink_said_enough = !(*sink)(bytes);
      return !sink_said_enough;
    }
    too_large = body.size() + bytes.size() > body_bytes_max;
    if (!too_large) body.append(bytes);
    return !too_large;
  }

  static size_t Write(const char* bytes, size_t, size_t count, void* state) {
    return static_cast<State*>(state)->Take({bytes, count}) ? count : CURL_WRITEFUNC_ERROR;
  }

  HttpAnswer Answer() {
    HttpAnswer answer;
    long status = 0;
    const char* type = nullptr;
    curl_off_t retry_after_seconds = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy.get(), CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(easy.get(), CURLINFO_RETRY_AFTER, &retry_after_seconds);
    answer.status = static_cast<int>(status);
    if (type != nullptr) answer.content_type = type;
    answer.retry_after = std::chrono::seconds(retry_after_seconds);
    answer.body = std::move(body);
    return answer;
  }

  // Whether the request may have reached the server.
  bool WasSent() const {
    curl_off_t begun = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_PRETRANSFER_TIME_T, &begun);
    return begun > 0;
  }

  Error ErrorOf(CURLcode code, const std::string& url) const;
};

Error HttpSession::State::ErrorOf(CURLcode code, const std::string& url) const {
  const std::string_view what = message[0] != '\0' ? message.data() : curl_easy_strerror(code);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ISSUER_ERROR:
      return Failed(Code::kUnavailable, kTlsFailed, what, url,
                    "give the file with the certificate of its authority with --ca, and check that "
                    "the server speaks TLS under this name");
    case CURLE_OPERATION_TIMEDOUT:
      if (WasSent()) {
        return Failed(Code::kDeadlineExceeded, kTimedOut, what, url,
                      "the server took too long; allow more time with --timeout");
      }
      [[fallthrough]];
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return Failed(Code::kUnavailable, kServerUnreachable, what, url,
                    "check that the server runs, and that this is its address");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return Failed(Code::kInternal, kNotHttp, what, url,
                    "the program that answers there is not a Tallyman server; check the address");
    default:
      break;
  }
  if (too_large) {
    return Failed(Code::kResourceExhausted, kAnswerTooLarge,
                  fmt::format("the answer is longer than {} bytes", body_bytes_max), url,
                  "ask for less at a time");
  }
  return Failed(Code::kUnavailable, kAnswerLost, what, url, "the connection was lost");
}

HttpSession::HttpSession(std::string ca_file) : state_(std::make_unique<State>()) {
  StartLibrary();
  state_->easy.reset(curl_easy_init());
  if (state_->easy == nullptr) throw std::bad_alloc();
  state_->ca_file = std::move(ca_file);
}

HttpSession::~HttpSession() = default;

Status HttpSession::Prepare(const HttpPost& post) {
  CURL* easy = state_->easy.get();
  // Resets the options only: the connection stays open.
  curl_easy_reset(easy);
  state_->body.clear();
  state_->sink = nullptr;
  state_->sink_said_enough = false;
  state_->too_large = false;
  state_->message[0] = '\0';
  curl_slist* headers = nullptr;
  for (const std::string& header : post.headers) {
    curl_slist* longer = curl_slist_append(headers, header.c_str());
    if (longer == nullptr) {
      curl_slist_free_all(headers);
      return Fail(Internal("OUT_OF_MEMORY", "no memory for the headers of a request"));
    }
    headers = longer;
  }
  state_->headers.reset(headers);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state_->message.data());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
  curl_easy_setopt(easy, CURLOPT_URL, post.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): the size is set below
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post.body.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post.body.size()));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(post.timeout.count()));
  if (post.idle_timeout.count() > 0) {
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                     static_cast<long>(std::max<int64_t>(1, post.idle_timeout.count() / 1000)));
  }
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, post.fresh_connection ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &State::Write);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, state_.get());
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!state_->ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, state_->ca_file.c_str());
  return {};
}

Result<HttpAnswer> HttpSession::Post(const HttpPost& post, size_t body_bytes_max) {
  RETURN_IF_ERROR(Prepare(post));
  state_->body_bytes_max = body_bytes_max;
  const CURLcode code = curl_easy_perform(state_->easy.get());
  if (code != CURLE_OK) return Fail(state_->ErrorOf(code, post.url));
  return state_->Answer();
}

Result<HttpAnswer> HttpSession::Stream(const HttpPost& post,
                                       const std::function<bool(std::string_view)>& sink,
                                       const std::function<bool()>& stopped) {
  RETURN_IF_ERROR(Prepare(post));
  state_->body_bytes_max = kErrorBytesMax;
  state_->sink = &sink;
  if (state_->multi == nullptr) state_->multi.reset(curl_multi_init());
  CURLM* multi = state_->multi.get();
  if (multi == nullptr) throw std::bad_alloc();
  CURL* easy = state_->easy.get();
  // Messages of a stream are compressed one by one, if at all.
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, nullptr);
  if (curl_multi_add_handle(multi, easy) != CURLM_OK)
    return Fail(Internal("STREAM_FAILED", "libcurl did not take the request"));
  CURLcode code = CURLE_OK;
  bool was_stopped = false;
  for (int running = 1; running > 0 && !was_stopped;) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) code = CURLE_FAILED_INIT;
    if (running > 0) curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr);
    was_stopped = stopped();
  }
  for (int left = 0; const CURLMsg* done = curl_multi_info_read(multi, &left);) {
    if (done->msg == CURLMSG_DONE) code = done->data.result;
  }
  curl_multi_remove_handle(multi, easy);
  if (code != CURLE_OK && !was_stopped && !state_->sink_said_enough)
    return Fail(state_->ErrorOf(code, post.url));
  return state_->Answer();
}

}  // namespace tallyman::client
