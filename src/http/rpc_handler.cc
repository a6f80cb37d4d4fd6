#include "http/rpc_handler.h"

#include <fmt/core.h>

#include <thread>
#include <utility>

#include "base/reasons.h"
#include "base/retry_later.h"
#include "base/text.h"
#include "http/told_error.h"
#include "model/ids.h"
#include "rpc/envelope.h"
#include "rpc/gzip.h"
#include "rpc/message_size.h"
#include "rpc/method_limits.h"
#include "rpc/wire_error.h"

namespace tallyman::http {
namespace {

using google::protobuf::Message;
using Steady = std::chrono::steady_clock;

constexpr std::string_view kPackage = "tallyman.v1.";
constexpr size_t kMessagesAtOnce = 64;
constexpr size_t kMethodNameMax = 200;
constexpr std::chrono::milliseconds kOutagePause{250};

rpc::CallHead HeadOf(const HttpRequest& request) {
  return {.verb = request.verb,
          .content_type = request.Header("content-type"),
          .protocol_version = request.Header("connect-protocol-version"),
          .timeout_ms = request.Header("connect-timeout-ms"),
          .content_encoding = request.Header("content-encoding"),
          .accept_encoding = request.Header("accept-encoding"),
          .stream_content_encoding = request.Header("connect-content-encoding")};
}

Error TooBusy() {
  return RetryLater(Error(Code::kResourceExhausted, "SERVER_BUSY",
                          "too many calls are in flight: try again in a second"),
                    kRetryWhenFull);
}

HttpResponse StreamHead(rpc::Codec codec) {
  return {.status = 200,
          .content_type = std::string(rpc::ContentTypeOf(rpc::MethodKind::kServerStream, codec)),
          .headers = {{"Cache-Control", "no-store"}},
          .close = false};
}

std::string EndOfStream(const Status& status) {
  std::string bytes;
  rpc::AppendEnvelope(bytes, rpc::kEnvelopeEndStream, rpc::EndStreamJson(status));
  return bytes;
}

}  // namespace

// The method named by a path, and how it is called.
struct RpcHandler::Route {
  std::string method;  // "" if the path names none
  rpc::MethodKind kind = rpc::MethodKind::kUnary;
  bool only_reads = false;

  static Route Of(const api::Dispatcher& dispatcher, std::string_view path) {
    std::string_view name = path.substr(1);
    if (auto unary = dispatcher.methods().find(name); unary != dispatcher.methods().end())
      return {unary->first, rpc::MethodKind::kUnary, unary->second.only_reads()};
    if (auto stream = dispatcher.stream_methods().find(name);
        stream != dispatcher.stream_methods().end())
      return {stream->first, rpc::MethodKind::kServerStream, false};
    return {};
  }
};

// One call from its request to its answer. One thread at a time touches it.
class RpcHandler::CallState : public std::enable_shared_from_this<CallState> {
 public:
  CallState(RpcHandler& handler, Route route, rpc::CallTerms terms, HttpRequest request,
            std::shared_ptr<Exchange> exchange, void (CallState::*what)())
      : parts_(handler.parts_),
        counts_(handler.counts_),
        later_(handler.later_),
        body_bytes_max_(handler.BodyBytesMax(request)),
        what_(what),
        route_(std::move(route)),
        terms_(terms),
        request_(std::move(request)),
        exchange_(std::move(exchange)),
        request_id_(handler.parts_.ids.New<CommandId>().ToString()) {}

  // On a worker, each: the whole call, or only whether its body may come.
  void Run();
  void Judge();
  // The end of a call that gets no further.
  void Refuse(const Error& error);

 private:
  friend class StreamBody;
  Result<std::unique_ptr<Message>> ReadMessage();
  std::string_view MethodName() const {
    return std::string_view(route_.method).substr(kPackage.size());
  }
  Result<Actor> FindActor(store::ReadTx* tx = nullptr);
  Status FindCaller(store::ReadTx* tx);
  Result<std::unique_ptr<Message>> Enter(store::ReadTx* tx);
  Error Unforeseen(const std::exception& what) const;
  void Call();
  void Read();
  void OpenStream(const Message& message, const api::Caller& caller);
  void Answered(Result<api::Reply> reply);
  void Finish(Result<api::Reply> reply);
  Result<std::string> BodyOf(Result<api::Reply> reply) const;
  void Leave();
  bool WaitsForDatabase(const Error& error);
  HttpResponse Success(std::string body) const;
  HttpResponse Failure(const Error& error) const;
  void Record(const Error* error, size_t answer_bytes);
  api::Caller CallerOf(store::ReadTx* tx = nullptr) const;

  const RpcParts& parts_;
  Counts& counts_;
  Later& later_;
  const size_t body_bytes_max_;  // of anybody
  void (CallState::* const what_)();
  const Route route_;
  const rpc::CallTerms terms_;
  HttpRequest request_;
  const std::shared_ptr<Exchange> exchange_;
  const std::string request_id_;
  const Steady::time_point started_ = Steady::now();
  Actor actor_;
  bool is_recognized_ = false;
  bool is_finished_ = false;
  std::optional<Time> deadline_;
  std::thread::id worker_;
  size_t request_bytes_ = 0;
};

// The open stream of a call, as the source of its connection.
class RpcHandler::StreamBody final : public BodySource {
 public:
  StreamBody(std::shared_ptr<CallState> call, std::unique_ptr<api::MessageStream> stream)
      : call_(std::move(call)), stream_(std::move(stream)), checked_at_(Steady::now()) {
    call_->parts_.observer.OpenStreams(1);
  }
  ~StreamBody() override {
    --call_->counts_.streams;
    call_->parts_.observer.OpenStreams(-1);
  }

  Piece Next() override {
    if (call_->deadline_ && call_->parts_.clock.Now() >= *call_->deadline_) {
      return End(Error(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED",
                       "the deadline that the caller set for the stream has passed"));
    }
    if (auto refused = verdict_->Take()) return End(*std::move(refused));
    CheckToken();
    auto messages = stream_->Next(kMessagesAtOnce);
    if (!messages) return End(messages.error());
    Piece piece;
    for (const auto& message : *messages) piece.bytes += Enveloped(*message);
    if (messages->empty() && stream_->IsOver()) piece = {.bytes = EndOfStream({}), .last = true};
    bytes_ += piece.bytes.size();
    return piece;
  }
  std::chrono::milliseconds Patience() override {
    const std::chrono::milliseconds patience =
        std::min<std::chrono::milliseconds>(call_->parts_.limits.stream_check, stream_->Patience());
    if (!call_->deadline_) return patience;
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(*call_->deadline_ - call_->parts_.clock.Now());
    return std::clamp(left, std::chrono::milliseconds(1), patience);
  }
  std::string Heartbeat() override {
    auto message = stream_->Heartbeat();
    return message == nullptr ? std::string() : Enveloped(*message);
  }
  void Ended(bool whole) override {
    stream_.reset();
    Error gone(Code::kCanceled, "CLIENT_GONE", "the client has ended the stream");
    if (!error_ && !whole) error_ = std::move(gone);
    call_->Record(error_ ? &*error_ : nullptr, bytes_);
  }

 private:
  // The result of a worker's check of the token.
  struct Verdict {
    std::mutex mutex;
    std::optional<Error> refused;
    std::optional<Error> Take() {
      std::lock_guard lock(mutex);
      return std::exchange(refused, std::nullopt);
    }
  };

  Piece End(Error error) {
    error_ = std::move(error);
    return {.bytes = EndOfStream(Fail(ToldError(*error_))), .last = true};
  }
  const std::string& Enveloped(const api::StreamMessage& message) const {
    rpc::Codec codec = call_->terms_.codec;
    return message.Encoded(static_cast<size_t>(codec), [codec](const Message& raw) {
      std::string bytes;
      rpc::AppendEnvelope(bytes, 0, rpc::FormatMessage(codec, raw).value_or("{}"));
      return bytes;
    });
  }
  // A token that was revoked or has expired ends its streams, too.
  void CheckToken() {
    if (Steady::now() - checked_at_ < call_->parts_.limits.stream_check) return;
    checked_at_ = Steady::now();
    call_->parts_.workers.Submit([call = call_, verdict = verdict_] {
      auto actor = call->FindActor();
      if (actor) return;
      std::lock_guard lock(verdict->mutex);
      verdict->refused = actor.error();
      call->exchange_->Wake();
    });
  }

  const std::shared_ptr<CallState> call_;
  std::unique_ptr<api::MessageStream> stream_;
  const std::shared_ptr<Verdict> verdict_ = std::make_shared<Verdict>();
  Steady::time_point checked_at_;
  std::optional<Error> error_;
  size_t bytes_ = 0;
};

bool RpcHandler::Serves(std::string_view path) {
  return path.starts_with("/tallyman.") && path.find('/', 1) != std::string_view::npos;
}

std::optional<HttpResponse> RpcHandler::Refuse(const HttpRequest& head) {
  Route route = Route::Of(parts_.dispatcher, head.path());
  rpc::Refusal refusal;
  if (route.method.empty()) {
    refusal.error =
        Error(Code::kUnimplemented, kUnknownMethod,
              fmt::format("there is no method {}", Quote(head.path().substr(1, kMethodNameMax))));
  } else {
    auto terms = rpc::ReadCallHead(HeadOf(head), route.kind);
    if (terms) return std::nullopt;
    refusal = std::move(terms).error();
  }
  CallRecord record;
  record.method = route.method;
  record.error = &refusal.error;
  record.address = head.address;
  std::string request_id = parts_.ids.New<CommandId>().ToString();
  record.request_id = request_id;
  parts_.observer.Ended(record);
  // An error of the protocol has the same form as the method's answers.
  if (route.kind == rpc::MethodKind::kServerStream && !refusal.http_status) {
    bool json = head.Header("content-type").find("json") != std::string_view::npos;
    HttpResponse response = StreamHead(json ? rpc::Codec::kJson : rpc::Codec::kProto);
    response.body = EndOfStream(Fail(refusal.error));
    response.headers.emplace_back("X-Request-Id", request_id);
    return response;
  }
  HttpResponse response = ErrorResponse(refusal.error, refusal.http_status);
  if (response.status == 415)
    response.headers.emplace_back("Accept-Post", rpc::ContentTypesOf(route.kind));
  response.headers.emplace_back("X-Request-Id", request_id);
  return response;
}

RpcHandler::RpcHandler(RpcParts parts) : parts_(parts), later_(parts.workers, kOutagePause) {
  auto add = [this](const std::string& method) {
    body_bytes_max_[method] = std::min(rpc::BodyBytesMaxOf(method), parts_.limits.body_bytes_max);
  };
  for (const auto& [name, method] : parts_.dispatcher.methods()) add(name);
  for (const auto& [name, method] : parts_.dispatcher.stream_methods()) add(name);
}

size_t RpcHandler::BodyBytesMax(const HttpRequest& head) const {
  return body_bytes_max_.find(head.path().substr(1))->second;
}

void RpcHandler::Submit(HttpRequest request, std::shared_ptr<Exchange> exchange,
                        void (CallState::*what)()) {
  Route route = Route::Of(parts_.dispatcher, request.path());
  auto terms = rpc::ReadCallHead(HeadOf(request), route.kind);
  bool is_stream = route.kind == rpc::MethodKind::kServerStream;
  auto state = std::make_shared<CallState>(*this, std::move(route), *terms, std::move(request),
                                           std::move(exchange), what);
  parts_.observer.InFlight(1);
  if (++counts_.calls > parts_.limits.calls_max) return state->Refuse(TooBusy());
  if (is_stream && counts_.streams >= parts_.limits.streams_max) return state->Refuse(TooBusy());
  parts_.workers.Submit([state = std::move(state), what] { ((*state).*what)(); });
}

void RpcHandler::Admit(HttpRequest head, std::shared_ptr<Exchange> exchange) {
  Submit(std::move(head), std::move(exchange), &CallState::Judge);
}

void RpcHandler::Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) {
  Submit(std::move(request), std::move(exchange), &CallState::Run);
}

void RpcHandler::CallState::Record(const Error* error, size_t answer_bytes) {
  parts_.observer.Ended({.method = route_.method,
                         .error = error,
                         .duration = Steady::now() - started_,
                         .request_id = request_id_,
                         .actor = actor_.id,
                         .address = request_.address,
                         .request_bytes = request_bytes_,
                         .answer_bytes = answer_bytes,
                         .stream = route_.kind == rpc::MethodKind::kServerStream});
}

void RpcHandler::CallState::Refuse(const Error& error) { Finish(Fail(error)); }

Result<Actor> RpcHandler::CallState::FindActor(store::ReadTx* tx) {
  return Recognize(parts_, MethodName(), request_, tx, deadline_);
}

Result<std::unique_ptr<Message>> RpcHandler::CallState::ReadMessage() {
  auto message = parts_.dispatcher.NewRequest(route_.method);
  std::string_view body = request_.body;
  std::string only;
  if (route_.kind == rpc::MethodKind::kServerStream) {
    ASSIGN_OR_RETURN(only, rpc::OnlyMessageOf(body));
    body = only;
  }
  RETURN_IF_ERROR(
      rpc::ParseMessage(terms_.codec, body, *message, rpc::MessageBytesMax(body.size())));
  return message;
}

Status RpcHandler::CallState::FindCaller(store::ReadTx* tx) {
  ASSIGN_OR_RETURN(actor_, FindActor(tx));
  is_recognized_ = true;
  exchange_->Recognized(PartyOf(actor_));
  return parts_.authenticator.Permit(actor_, MethodName());
}

// Nobody's message is read before it is known who sent it, and that they may.
Result<std::unique_ptr<Message>> RpcHandler::CallState::Enter(store::ReadTx* tx) {
  RETURN_IF_ERROR(FindCaller(tx));
  return ReadMessage();
}

api::Caller RpcHandler::CallState::CallerOf(store::ReadTx* tx) const {
  return {.actor = actor_,
          .address = request_.address,
          .deadline = deadline_,
          .cancelled = exchange_->cancelled(),
          .tx = tx};
}

Error RpcHandler::CallState::Unforeseen(const std::exception& what) const {
  return Internal("UNEXPECTED_EXCEPTION",
                  fmt::format("{} failed in an unforeseen way: {}", route_.method, what.what()));
}

// Nothing that goes wrong with one call may end a thread that serves them all.
void RpcHandler::CallState::Run() {
  request_bytes_ = request_.body.size();
  try {
    Call();
  } catch (const std::exception& e) {
    Finish(Fail(Unforeseen(e)));
  }
}

void RpcHandler::CallState::Judge() {
  Status permitted;
  if (terms_.timeout && !deadline_) deadline_ = parts_.clock.Now() + *terms_.timeout;
  try {
    permitted = FindCaller(nullptr);
  } catch (const std::exception& e) {
    permitted = Fail(Unforeseen(e));
  }
  if (!permitted) return Finish(Fail(std::move(permitted).error()));
  Leave();
  exchange_->Admitted(actor_.role == Role::kViewer
                          ? std::min(body_bytes_max_, parts_.limits.viewer_body_bytes_max)
                          : body_bytes_max_);
}

void RpcHandler::CallState::Call() {
  Time now = parts_.clock.Now();
  // The time that a call has waited for its worker counts towards its deadline.
  auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - started_);
  if (terms_.timeout) {
    deadline_ = now + *terms_.timeout - waited;
    if (*terms_.timeout <= waited) {
      return Finish(Fail(Error(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED",
                               "the deadline that the caller set passed before the call began")));
    }
  }
  if (*exchange_->cancelled()) {
    return Finish(Fail(Error(Code::kCanceled, "CLIENT_GONE", "the client has disconnected")));
  }
  if (route_.only_reads) return Read();
  auto message = Enter(nullptr);
  if (!message) return Finish(Fail(std::move(message).error()));
  if (route_.kind == rpc::MethodKind::kServerStream) return OpenStream(**message, CallerOf());
  worker_ = std::this_thread::get_id();
  parts_.dispatcher.Dispatch(
      route_.method, **message, CallerOf(),
      [self = shared_from_this()](Result<api::Reply> reply) { self->Answered(std::move(reply)); });
}

// Authenticates the caller and carries out the read in one transaction.
void RpcHandler::CallState::Read() {
  Result<api::Reply> answer = Fail(Error());
  Status read = parts_.authenticator.Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto message, Enter(&tx));
    parts_.dispatcher.Dispatch(route_.method, *message, CallerOf(&tx),
                               [&](Result<api::Reply> reply) { answer = std::move(reply); });
    return {};
  });
  Finish(read ? std::move(answer) : Fail(std::move(read).error()));
}

// An answer from the thread that runs lots must not be written on that thread.
void RpcHandler::CallState::Answered(Result<api::Reply> reply) {
  if (std::this_thread::get_id() == worker_) return Finish(std::move(reply));
  parts_.workers.Submit([self = shared_from_this(), reply = std::move(reply)]() mutable {
    self->Finish(std::move(reply));
  });
}

void RpcHandler::CallState::OpenStream(const Message& message, const api::Caller& caller) {
  if (++counts_.streams > parts_.limits.streams_max) {
    --counts_.streams;
    return Finish(Fail(TooBusy()));
  }
  auto stream = parts_.dispatcher.OpenStream(route_.method, message, caller,
                                             [exchange = std::weak_ptr<Exchange>(exchange_)] {
                                               if (auto open = exchange.lock()) open->Wake();
                                             });
  if (!stream) {
    --counts_.streams;
    return Finish(Fail(std::move(stream).error()));
  }
  Leave();
  HttpResponse head = StreamHead(terms_.codec);
  head.headers.emplace_back("X-Request-Id", request_id_);
  exchange_->Stream(std::move(head),
                    std::make_unique<StreamBody>(shared_from_this(), *std::move(stream)));
}

HttpResponse RpcHandler::CallState::Success(std::string body) const {
  HttpResponse response;
  response.content_type = std::string(rpc::ContentTypeOf(rpc::MethodKind::kUnary, terms_.codec));
  response.body = std::move(body);
  response.headers = {{"Cache-Control", "no-store"}, {"Vary", "Accept-Encoding"}};
  if (terms_.gzip_accepted && response.body.size() >= parts_.limits.gzip_bytes_min) {
    response.body = rpc::Gzip(response.body);
    response.headers.emplace_back("Content-Encoding", "gzip");
  }
  return response;
}

HttpResponse RpcHandler::CallState::Failure(const Error& error) const {
  if (route_.kind == rpc::MethodKind::kUnary) return ErrorResponse(error);
  HttpResponse response = StreamHead(terms_.codec);
  response.body = EndOfStream(Fail(error));
  return response;
}

Result<std::string> RpcHandler::CallState::BodyOf(Result<api::Reply> reply) const {
  if (!reply) return Fail(std::move(reply).error());
  if (terms_.codec == rpc::Codec::kProto) return (*std::move(reply)).ToBytes();
  ASSIGN_OR_RETURN(auto message, (*std::move(reply)).ToMessage());
  return rpc::FormatMessage(rpc::Codec::kJson, *message);
}

// Whether the call was put off: its database cannot be reached, and there is time left. Nothing of
// it was done, so it begins anew.
bool RpcHandler::CallState::WaitsForDatabase(const Error& error) {
  if (error.reason != kDatabaseUnreachable || route_.kind != rpc::MethodKind::kUnary) return false;
  const auto waited = Steady::now() - started_;
  if (waited + later_.pause() >= terms_.timeout.value_or(parts_.limits.outage_max)) return false;
  return later_.Submit([self = shared_from_this()] { ((*self).*(self->what_))(); });
}

// The call is under way no more.
void RpcHandler::CallState::Leave() {
  --counts_.calls;
  parts_.observer.InFlight(-1);
}

void RpcHandler::CallState::Finish(Result<api::Reply> reply) {
  if (is_finished_ || (!reply && WaitsForDatabase(reply.error()))) return;
  is_finished_ = true;
  std::optional<Error> error;
  HttpResponse response;
  try {
    // A token may also stand in the message.
    if (!reply && is_recognized_ && reply.error().code == Code::kUnauthenticated)
      reply = Fail(WrongToken(parts_, request_.address, std::move(reply).error()));
    Result<std::string> body = BodyOf(std::move(reply));
    if (!body) error = std::move(body).error();
    response = error ? Failure(ToldError(*error)) : Success(*std::move(body));
  } catch (const std::exception& e) {
    error = Unforeseen(e);
    response = Failure(*error);
  }
  response.headers.emplace_back("X-Request-Id", request_id_);
  Leave();
  Record(error ? &*error : nullptr, response.body.size());
  exchange_->Answer(std::move(response));
}

}  // namespace tallyman::http
