#include "client/network_client.h"

#include <curl/curl.h>
#include <fmt/core.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>

#include "base/random.h"
#include "base/reasons.h"
#include "base/retry_later.h"
#include "base/text.h"
#include "rpc/envelope.h"
#include "rpc/message_codec.h"
#include "rpc/wire_error.h"

namespace tallyman::client {
namespace {

using google::protobuf::Message;
using std::chrono::milliseconds;

constexpr const char* kUnaryType = "application/proto";
constexpr const char* kStreamType = "application/connect+proto";
// Four times a server's heartbeat interval.
constexpr milliseconds kStreamIdle{60'000};
constexpr size_t kStreamMessageMax = size_t{16} << 20;
// The server's own deadline comes first and has a better message.
constexpr milliseconds kGrace{500};
constexpr size_t kIdleMax = 16;

const google::protobuf::FieldDescriptor* RequestIdOf(const Message& request) {
  return request.GetDescriptor()->FindFieldByName("request_id");
}

// Idempotent: it only reads, or it has a request id by which the server recognizes it.
bool IsRepeatable(const Message& request) {
  const auto* field = RequestIdOf(request);
  return field == nullptr || !request.GetReflection()->GetString(request, field).empty();
}

// Whether the same call may succeed soon.
bool Passes(const Error& error, milliseconds retry_after) {
  if (error.code == Code::kUnavailable) return PassesByItself(error);
  // The server is overloaded; exhausted capacity of a host comes without such a hint.
  return error.code == Code::kResourceExhausted && retry_after.count() > 0;
}

Error LostBefore(Error last) {
  return Error(
             Code::kUnavailable, kAnswerLost,
             fmt::format("the answer to an earlier attempt was lost, and no later attempt came to "
                         "a decision ({})",
                         last.message))
      .With("last_reason", last.reason);
}

bool IsLoopback(std::string_view host) {
  const bool is_number = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || host == "[::1]" || (is_number && host.starts_with("127."));
}

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string PartOf(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK || text == nullptr) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

Error InvalidServer(const std::string& server, std::string_view why) {
  return InvalidArgument("INVALID_SERVER",
                         fmt::format("the server is {}: {}; write http://HOST:PORT or "
                                     "https://HOST[:PORT]",
                                     Quote(server), why))
      .With("field", "server");
}

// Scheme, host and port, without a slash at the end.
Result<std::string> CheckServer(const NetworkOptions& options) {
  const std::string& server = options.server;
  std::unique_ptr<CURLU, UrlDeleter> url(curl_url());
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, server.c_str(), 0) != CURLUE_OK)
    return Fail(InvalidServer(server, "it is not a URL"));
  const std::string scheme = PartOf(url.get(), CURLUPART_SCHEME);
  const std::string host = PartOf(url.get(), CURLUPART_HOST);
  const std::string port = PartOf(url.get(), CURLUPART_PORT);
  if (scheme != "http" && scheme != "https")
    return Fail(InvalidServer(server, "it begins with neither http:// nor https://"));
  if (!PartOf(url.get(), CURLUPART_USER).empty() || !PartOf(url.get(), CURLUPART_PASSWORD).empty())
    return Fail(
        InvalidServer("...", "it must not have a user or a password; give a token separately"));
  const std::string path = PartOf(url.get(), CURLUPART_PATH);
  if ((path != "/" && !path.empty()) || !PartOf(url.get(), CURLUPART_QUERY).empty() ||
      !PartOf(url.get(), CURLUPART_FRAGMENT).empty()) {
    return Fail(InvalidServer(server, "it must not have a path, query or fragment"));
  }
  if (scheme == "http" && !options.token.empty() && !options.insecure && !IsLoopback(host)) {
    return Fail(
        InvalidArgument("INSECURE_SERVER",
                        fmt::format("the server is {}: anyone on the network path could read the "
                                    "token; use https://, or --insecure if the path is safe",
                                    Quote(server)))
            .With("field", "server"));
  }
  return fmt::format("{}://{}{}{}", scheme, host, port.empty() ? "" : ":", port);
}

// Extracts the messages of a stream from bytes that arrive in pieces.
class StreamReader {
 public:
  using OnMessage = std::function<bool(const Message&)>;

  static Result<StreamReader> Of(std::string_view method, const OnMessage& on_message) {
    // "tallyman.v1.EventService/WatchEvents" is "tallyman.v1.EventService.WatchEvents" here.
    std::string name(method);
    std::ranges::replace(name, '/', '.');
    const auto* known = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
    if (known == nullptr || !known->server_streaming()) {
      return Fail(Error(Code::kUnimplemented, kUnknownMethod,
                        fmt::format("{} is not a streaming method", method)));
    }
    const Message* prototype =
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(known->output_type());
    return StreamReader(*prototype, on_message);
  }

  // False: stop the stream.
  bool Take(std::string_view bytes) {
    envelopes_.Append(bytes);
    while (!done_) {
      auto envelope = envelopes_.Next();
      if (!envelope) return End(Fail(std::move(envelope).error()));
      if (!*envelope) return true;
      TakeEnvelope(**envelope);
    }
    return false;
  }
  bool is_done() const { return done_; }
  const Status& outcome() const { return outcome_; }

 private:
  StreamReader(const Message& prototype, const OnMessage& on_message)
      : prototype_(prototype), on_message_(on_message) {}

  bool End(Status outcome) {
    done_ = true;
    outcome_ = std::move(outcome);
    return false;
  }

  void TakeEnvelope(const rpc::Envelope& envelope) {
    if (envelope.compressed()) {
      End(Fail(Internal("COMPRESSED_MESSAGE",
                        "the server compressed a message although no compression was requested")));
      return;
    }
    if (envelope.end_stream()) {
      End(rpc::ParseEndStream(envelope.message));
      return;
    }
    std::unique_ptr<Message> message(prototype_.New());
    if (Status parsed = rpc::ParseMessage(rpc::Codec::kProto, envelope.message, *message);
        !parsed) {
      End(Fail(Internal(
          "MALFORMED_MESSAGE",
          fmt::format("the stream has a message that is not a {}", prototype_.GetTypeName()))));
      return;
    }
    if (!on_message_(*message)) End({});
  }

  const Message& prototype_;
  const OnMessage& on_message_;
  rpc::EnvelopeReader envelopes_{kStreamMessageMax};
  bool done_ = false;
  Status outcome_;
};

}  // namespace

Result<std::unique_ptr<NetworkClient>> NetworkClient::Make(NetworkOptions options, Clock& clock,
                                                           Random& random, Pause pause) {
  ASSIGN_OR_RETURN(options.server, CheckServer(options));
  // A line end would allow the token to inject a header.
  const bool clean = std::ranges::all_of(options.token, [](char c) { return c > ' ' && c < 0x7f; });
  if (!clean) {
    return Fail(InvalidArgument("INVALID_TOKEN",
                                "the token has characters that are not allowed in a token: check "
                                "that it was copied whole, without a line end"));
  }
  return std::unique_ptr<NetworkClient>(
      new NetworkClient(std::move(options), clock, random, std::move(pause)));
}

NetworkClient::NetworkClient(NetworkOptions options, Clock& clock, Random& random, Pause pause)
    : options_(std::move(options)), clock_(clock), random_(random), pause_(std::move(pause)) {}

std::unique_ptr<HttpSession> NetworkClient::TakeSession() {
  std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<HttpSession>(options_.ca_file);
  auto session = std::move(idle_.back());
  idle_.pop_back();
  return session;
}

void NetworkClient::GiveBack(std::unique_ptr<HttpSession> session) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(session));
}

HttpPost NetworkClient::PostOf(std::string_view method, std::string_view body,
                               std::string_view content_type, milliseconds left) const {
  HttpPost post;
  post.url = fmt::format("{}/{}", options_.server, method);
  post.body = body;
  post.headers = {fmt::format("Content-Type: {}", content_type), "Connect-Protocol-Version: 1",
                  "User-Agent: tallyman",
                  // Sends the request body at once, without "Expect: 100-continue".
                  "Expect:"};
  if (!options_.token.empty()) post.headers.push_back("Authorization: Bearer " + options_.token);
  if (left.count() > 0) {
    post.headers.push_back(fmt::format("Connect-Timeout-Ms: {}", left.count()));
    post.timeout = left + kGrace;
  }
  return post;
}

Result<HttpAnswer> NetworkClient::Attempt(const HttpPost& post) {
  auto session = TakeSession();
  auto answer = session->Post(post, options_.answer_bytes_max);
  GiveBack(std::move(session));
  return answer;
}

Error NetworkClient::Explain(std::string_view method, Error error) const {
  if (error.code == Code::kUnimplemented &&
      (error.reason == kUnknownMethod || error.reason == rpc::kHttpStatus)) {
    return Error(Code::kUnimplemented, "SERVER_TOO_OLD",
                 fmt::format("{} does not know {}: the server is older than this program, or is "
                             "not a Tallyman server",
                             options_.server, method))
        .With("server", options_.server);
  }
  if (error.reason == kNoToken && options_.token.empty()) {
    return Error(Code::kUnauthenticated, kNoToken,
                 fmt::format(
                     "{} requires a token: give one with --token-file FILE, TALLYMAN_TOKEN or "
                     "\"tallyman context set\"; an admin makes one with \"tallyman token create\"",
                     options_.server))
        .With("server", options_.server);
  }
  return error;
}

Status NetworkClient::Read(std::string_view method, Result<HttpAnswer> answer,
                           Message& response) const {
  if (!answer) return Fail(std::move(answer).error());
  if (answer->status != 200)
    return Fail(Explain(method, rpc::ErrorFromResponse(answer->status, answer->body)));
  const std::string_view type =
      std::string_view(answer->content_type).substr(0, answer->content_type.find(';'));
  if (type != kUnaryType || !rpc::ParseMessage(rpc::Codec::kProto, answer->body, response)) {
    return Fail(Internal("NOT_A_TALLYMAN_SERVER",
                         fmt::format("{} answered with something other than a {}{}: check that the "
                                     "address is that of a Tallyman server",
                                     options_.server, response.GetTypeName(),
                                     type == kUnaryType ? "" : fmt::format(", {}", Quote(type))))
                    .With("server", options_.server));
  }
  return {};
}

Status NetworkClient::Call(std::string_view method, const Message& request, Message& response) {
  ASSIGN_OR_RETURN(const std::string body, rpc::FormatMessage(rpc::Codec::kProto, request));
  const bool repeatable = IsRepeatable(request);
  const bool changes = RequestIdOf(request) != nullptr;
  const Time begun = clock_.Now();
  const Time deadline = begun + options_.timeout;
  bool may_be_done = false;
  Retry retry(options_.retry, random_);
  while (true) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - clock_.Now());
    HttpPost post = PostOf(method, body, kUnaryType, std::max(left, milliseconds(1)));
    post.fresh_connection = !repeatable;
    auto answer = Attempt(post);
    const milliseconds retry_after = answer ? answer->retry_after : milliseconds(0);
    Status status = Read(method, std::move(answer), response);
    if (status) return status;
    const Error& error = status.error();
    const bool harmless = repeatable || error.reason == kServerUnreachable;
    if (!harmless || !Passes(error, retry_after)) return status;
    may_be_done = may_be_done || (changes && OutcomeIsOpen(error));
    const Time now = clock_.Now();
    const auto wait =
        retry.NextWait(std::chrono::duration_cast<milliseconds>(deadline - now), retry_after);
    if (!wait && may_be_done && !OutcomeIsOpen(error)) return Fail(LostBefore(error));
    if (!wait) return status;
    if (options_.on_wait) {
      options_.on_wait({.error = error,
                        .waited = std::chrono::duration_cast<milliseconds>(now - begun),
                        .timeout = options_.timeout});
    }
    pause_(*wait);
  }
}

Status NetworkClient::Stream(std::string_view method, const Message& request,
                             const std::function<bool(const Message&)>& on_message,
                             const std::atomic<bool>* stop) {
  ASSIGN_OR_RETURN(StreamReader reader, StreamReader::Of(method, on_message));
  ASSIGN_OR_RETURN(const std::string message, rpc::FormatMessage(rpc::Codec::kProto, request));
  std::string body;
  rpc::AppendEnvelope(body, 0, message);
  HttpPost post = PostOf(method, body, kStreamType, milliseconds(0));
  post.idle_timeout = kStreamIdle;
  auto session = TakeSession();
  auto answer = session->Stream(
      post, [&](std::string_view bytes) { return reader.Take(bytes); },
      [stop] { return stop != nullptr && stop->load(); });
  GiveBack(std::move(session));
  if (reader.is_done()) return reader.outcome();
  if (stop != nullptr && stop->load()) return {};
  if (answer && answer->status != 200)
    return Fail(Explain(method, rpc::ErrorFromResponse(answer->status, answer->body)));
  if (!answer &&
      (answer.error().reason == kServerUnreachable || answer.error().reason == kTlsFailed))
    return Fail(std::move(answer).error());
  return Fail(Error(Code::kUnavailable, "STREAM_CUT",
                    fmt::format("the stream from {} ended prematurely{}{}", options_.server,
                                answer ? "" : ": ", answer ? "" : answer.error().message))
                  .With("server", options_.server));
}

}  // namespace tallyman::client
