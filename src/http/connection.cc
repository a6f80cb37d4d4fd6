#include "http/connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <exception>
#include <expected>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "base/text.h"
#include "http/http_date.h"
#include "http/incoming_body.h"
#include "http/request_head.h"

namespace tallyman::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using Milliseconds = std::chrono::milliseconds;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kFirstReadBytes = 4096;
constexpr size_t kBufferKeptBytes = 8192;
constexpr size_t kLingerBytesMax = size_t{1} << 20;
constexpr std::chrono::seconds kLingerTimeout{2};
constexpr size_t kBytesPerSecondMin = 65536;
constexpr size_t kBodyReadBytes = 65536;
constexpr size_t kPathShownMax = 200;
// Strangers may send short bodies only, and so many of them as others may send long ones.
constexpr size_t kStrangersPart = 64;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
// Most calls are answered sooner, and need nobody to watch whether the peer is still there.
constexpr Milliseconds kWatchAfter{20};
constexpr std::chrono::hours kForEver{24};

template <class Socket>
class Connection final : public Exchange,
                         public OpenConnection,
                         public std::enable_shared_from_this<Connection<Socket>> {
 public:
  Connection(Socket stream, Seat seat, std::string address, std::shared_ptr<asio::ssl::context> tls,
             std::shared_ptr<ConnectionShared> shared, std::shared_ptr<Shard> shard)
      : shared_owner_(std::move(shared)),
        shard_owner_(std::move(shard)),
        shared_(*shared_owner_),
        shard_(*shard_owner_),
        tls_(std::move(tls)),
        stream_(std::move(stream)),
        timer_(shard_.context),
        address_(std::move(address)),
        seat_(std::move(seat)),
        cancelled_(std::make_shared<std::atomic<bool>>(false)) {}
  // Whoever made the answer may be the last to let go, on a thread of its own.
  ~Connection() override = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  asio::awaitable<void> Run();

  void Answer(HttpResponse response) override {
    if (over_) return;
    asio::dispatch(shard_.context,
                   [self = this->shared_from_this(), response = std::move(response)]() mutable {
                     self->answer_ = std::move(response);
                     self->Ring();
                   });
  }
  void Stream(HttpResponse head, std::unique_ptr<BodySource> source) override {
    if (over_) return source->Ended(false);
    asio::dispatch(shard_.context, [self = this->shared_from_this(), head = std::move(head),
                                    source = std::move(source)]() mutable {
      self->source_ = std::move(source);
      self->answer_ = std::move(head);
      self->Ring();
    });
  }
  void Admitted(size_t body_bytes_max) override {
    if (over_) return;
    asio::dispatch(shard_.context, [self = this->shared_from_this(), body_bytes_max] {
      self->body_bytes_max_ = body_bytes_max;
      self->is_admitted_ = true;
      self->Ring();
    });
  }
  void Recognized(Party party) override {
    party_ = party;
    if (party != Party::kStranger && !is_recognized_.exchange(true)) seat_.Recognized();
  }
  void Wake() override {
    if (over_) return;
    asio::post(shard_.context, [self = this->shared_from_this()] { self->Ring(); });
  }
  const std::shared_ptr<std::atomic<bool>>& cancelled() const override { return cancelled_; }

  void Drain() override {
    if (idle_) Cut();
  }
  void Cut() override {
    error_code ignored;
    std::ignore = Lowest().socket().close(ignored);
    gone_ = cut_ = true;
    *cancelled_ = true;
    Ring();
  }

 private:
  beast::tcp_stream& Lowest() { return beast::get_lowest_layer(stream_); }
  void Ring() {
    rung_ = true;
    timer_.cancel();
  }
  // What came and was not taken yet.
  std::string_view Received() const {
    return {static_cast<const char*>(buffer_.cdata().data()), buffer_.size()};
  }
  asio::awaitable<void> Wait(Milliseconds at_most);
  asio::awaitable<bool> Shake();
  asio::awaitable<bool> AwaitFirstByte(bool first);
  asio::awaitable<void> Serve();
  void End() noexcept;
  asio::awaitable<bool> ServeOne();
  asio::awaitable<std::optional<RequestHead>> ReceiveHead();
  asio::awaitable<bool> ReceiveBody(const RequestHead& head, IncomingBody& body);
  asio::awaitable<bool> ReadBody(const HttpRequest& request, IncomingBody& body);
  asio::awaitable<bool> Answered(unsigned version, bool keep_alive, bool head_only, bool is_whole);
  asio::awaitable<void> AwaitAnswer();
  asio::awaitable<bool> Write(HttpResponse response, unsigned version, bool keep_alive,
                              bool head_only);
  asio::awaitable<void> WriteStream(HttpResponse head, unsigned version);
  asio::awaitable<bool> WritePiece(std::string bytes, bool chunked, bool last);
  asio::awaitable<bool> Reject(PeerFault fault, std::string_view what);
  RequestFault TooLong(const HttpRequest& request, std::string_view size) const;
  std::expected<void, RequestFault> TakeBody(const HttpRequest& request, IncomingBody& body);
  asio::awaitable<void> Linger();
  void WatchPeer();
  void DrainPeer();

  // Declared first, so that it is destroyed last: sockets and timers belong to the shard.
  const std::shared_ptr<ConnectionShared> shared_owner_;
  const std::shared_ptr<Shard> shard_owner_;
  ConnectionShared& shared_;
  Shard& shard_;
  const std::shared_ptr<asio::ssl::context> tls_;
  Socket stream_;
  asio::steady_timer timer_;  // waits for answers
  beast::flat_buffer buffer_;
  const std::string address_;
  Seat seat_;
  std::optional<HttpResponse> answer_;
  std::unique_ptr<BodySource> source_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  std::array<char, 64> scrap_{};  // bytes that a peer sends while it receives a stream
  size_t scrap_bytes_ = 0;
  bool rung_ = false;
  bool is_admitted_ = false;
  size_t body_bytes_max_ = 0;  // of the request that is read
  size_t watch_ = 0;           // the number of the watch over the peer
  bool idle_ = false;
  bool gone_ = false;  // the peer is, or the socket
  bool cut_ = false;   // by the server
  std::atomic<Party> party_{Party::kStranger};
  std::atomic<bool> is_recognized_{false};
  std::atomic<bool> over_{false};  // nobody waits for an answer any more
};

template <class Socket>
asio::awaitable<void> Connection<Socket>::Wait(Milliseconds at_most) {
  if (!rung_) {
    timer_.expires_after(at_most);
    co_await timer_.async_wait(kAwait);
  }
  rung_ = false;
}

template <class Socket>
asio::awaitable<bool> Connection<Socket>::Shake() {
  if constexpr (std::is_same_v<Socket, TlsStream>) {
    Lowest().expires_after(shared_.options.handshake_timeout);
    auto [failed] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kAwait);
    if (failed == beast::error::timeout) shared_.handler.Cut(PeerFault::kTooSlow, address_);
    co_return !failed;
  }
  co_return true;
}

template <class Socket>
asio::awaitable<void> Connection<Socket>::Run() {
  // The coroutine owns the connection, which ends when the coroutine returns.
  auto self = this->shared_from_this();
  try {
    shard_.connections.insert(this);
    co_await Serve();
  } catch (const std::exception& e) {
    shared_.Report(e.what());
  }
  End();
}

template <class Socket>
asio::awaitable<void> Connection<Socket>::Serve() {
  bool open = !shared_.draining;
  if (open) open = co_await Shake();
  bool first = true;
  while (open) {
    open = co_await AwaitFirstByte(first);
    first = false;
    if (open) open = co_await ServeOne();
    if (shared_.draining) open = false;
  }
  if constexpr (std::is_same_v<Socket, TlsStream>) {
    if (!gone_) {
      Lowest().expires_after(kLingerTimeout);
      co_await stream_.async_shutdown(kAwait);
    }
  }
}

// Whatever led here: nobody finds the connection afterwards, and nobody waits for it.
template <class Socket>
void Connection<Socket>::End() noexcept {
  try {
    if (source_ != nullptr) source_->Ended(false);
  } catch (const std::exception& e) {
    shared_.Report(e.what());
  }
  source_.reset();
  error_code ignored;
  std::ignore = Lowest().socket().shutdown(tcp::socket::shutdown_both, ignored);
  std::ignore = Lowest().socket().close(ignored);
  *cancelled_ = true;
  over_ = true;
  seat_.Leave();
  shard_.connections.erase(this);
}

// Between requests. False: the peer has closed, or has been silent for too long.
template <class Socket>
asio::awaitable<bool> Connection<Socket>::AwaitFirstByte(bool first) {
  if (buffer_.size() > 0) co_return true;
  if (buffer_.capacity() > kBufferKeptBytes) buffer_.shrink_to_fit();
  idle_ = true;
  if (shared_.draining) co_return false;
  Lowest().expires_after(first ? shared_.options.header_timeout : shared_.options.idle_timeout);
  auto [failed, count] = co_await stream_.async_read_some(buffer_.prepare(kFirstReadBytes), kAwait);
  idle_ = false;
  if (failed == beast::error::timeout && first) shared_.handler.Cut(PeerFault::kTooSlow, address_);
  if (failed) co_return false;
  buffer_.commit(count);
  co_return true;
}

// Says what is wrong and ends the connection: what follows cannot be told from the body.
template <class Socket>
asio::awaitable<bool> Connection<Socket>::Reject(PeerFault fault, std::string_view what) {
  HttpResponse response = shared_.handler.Malformed(fault, what, address_);
  bool written = co_await Write(std::move(response), 11, false, false);
  if (written) co_await Linger();
  co_return false;
}

template <class Socket>
RequestFault Connection<Socket>::TooLong(const HttpRequest& request, std::string_view size) const {
  return {
      .fault = PeerFault::kRequestTooLarge,
      .what = fmt::format("the body of {} has {} bytes: at most {} are taken",
                          Quote(request.path().substr(0, kPathShownMax)), size, body_bytes_max_)};
}

// Reads on until the peer has seen the answer: closing earlier might destroy it on the way.
template <class Socket>
asio::awaitable<void> Connection<Socket>::Linger() {
  error_code ignored;
  if constexpr (std::is_same_v<Socket, PlainStream>) {
    std::ignore = Lowest().socket().shutdown(tcp::socket::shutdown_send, ignored);
  }
  Lowest().expires_after(kLingerTimeout);
  size_t total = 0;
  buffer_.clear();
  while (total < kLingerBytesMax) {
    auto [failed, count] =
        co_await stream_.async_read_some(buffer_.prepare(kFirstReadBytes), kAwait);
    if (failed) break;
    total += count;
  }
}

// Nothing: the connection is at its end, and the peer knows why.
template <class Socket>
asio::awaitable<std::optional<RequestHead>> Connection<Socket>::ReceiveHead() {
  const size_t bytes_max = shared_.options.header_bytes_max;
  Lowest().expires_after(shared_.options.header_timeout);
  bool may_skip = true;  // an empty line, which some send after a body
  while (true) {
    const std::string_view there = Received();
    if (may_skip && there.starts_with("\r\n")) {
      may_skip = false;
      buffer_.consume(2);
      continue;
    }
    auto end = FindHeadEnd(there);
    if (end && end->value_or(there.size()) > bytes_max) {
      co_await Reject(PeerFault::kHeadersTooLarge, "the head of the request is too long");
      co_return std::nullopt;
    }
    std::expected<RequestHead, RequestFault> head;
    if (!end) head = std::unexpected(end.error());
    if (end && *end) {
      head = ReadHead(there.substr(0, **end));
      buffer_.consume(**end);
    }
    if (!head) {
      co_await Reject(head.error().fault, head.error().what);
      co_return std::nullopt;
    }
    if (end && *end) co_return *std::move(head);
    auto [failed, count] =
        co_await stream_.async_read_some(buffer_.prepare(kFirstReadBytes), kAwait);
    if (failed == beast::error::timeout) shared_.handler.Cut(PeerFault::kTooSlow, address_);
    if (failed) co_return std::nullopt;
    buffer_.commit(count);
  }
}

// One request and its answer. True: the connection goes on.
template <class Socket>
asio::awaitable<bool> Connection<Socket>::ServeOne() {
  auto head = co_await ReceiveHead();
  if (!head) co_return false;
  HttpRequest& request = head->request;
  request.address = address_;
  const unsigned version = head->version;
  const bool head_only = request.verb == "HEAD";
  answer_ = shared_.handler.Refuse(request);
  if (answer_) {
    const bool has_body = head->is_chunked || head->body_bytes > 0;
    co_return co_await Answered(version, head->keep_alive, head_only, !has_body);
  }
  IncomingBody body(*head);
  const bool goes_on = co_await ReceiveBody(*head, body);
  if (!goes_on) co_return false;
  if (answer_) co_return co_await Answered(version, false, head_only, false);
  request.body = std::move(body.bytes());

  *cancelled_ = false;
  rung_ = false;
  shared_.handler.Handle(std::move(request), this->shared_from_this());
  co_await AwaitAnswer();
  if (!answer_) co_return false;
  // A stream may go on for days, and has no more use for what asked for it.
  body.Release();
  if (source_ != nullptr) {
    HttpResponse response = *std::move(answer_);
    answer_.reset();
    co_await WriteStream(std::move(response), version);
    co_return false;
  }
  co_return co_await Answered(version, head->keep_alive, head_only, true);
}

// Sends the answer that is there. `is_whole`: the whole request was read. True: the connection goes
// on.
template <class Socket>
asio::awaitable<bool> Connection<Socket>::Answered(unsigned version, bool keep_alive,
                                                   bool head_only, bool is_whole) {
  HttpResponse response = *std::move(answer_);
  answer_.reset();
  keep_alive = keep_alive && is_whole && !response.close && !gone_ && !shared_.draining;
  const bool written = co_await Write(std::move(response), version, keep_alive, head_only);
  if (written && !is_whole) co_await Linger();
  co_return written&& keep_alive;
}

// What of the body has come.
template <class Socket>
std::expected<void, RequestFault> Connection<Socket>::TakeBody(const HttpRequest& request,
                                                               IncomingBody& body) {
  std::string_view bytes = Received();
  const auto taken = body.Take(bytes);
  buffer_.consume(buffer_.size() - bytes.size());
  if (!taken) return std::unexpected(RequestFault{.what = taken.error()});
  if (body.bytes().size() <= body_bytes_max_) return {};
  return std::unexpected(TooLong(request, fmt::format("more than {}", body_bytes_max_)));
}

// Reads the body, or has an answer instead of it. False: the connection is at its end. What has not
// come together with its head is read only after it is known who sends it.
template <class Socket>
asio::awaitable<bool> Connection<Socket>::ReceiveBody(const RequestHead& head, IncomingBody& body) {
  const HttpRequest& request = head.request;
  const auto take = [&]() -> std::expected<void, RequestFault> {
    if (head.body_bytes <= body_bytes_max_) return TakeBody(request, body);
    return std::unexpected(TooLong(request, std::to_string(head.body_bytes)));
  };
  body_bytes_max_ = shared_.handler.BodyBytesMax(request);
  std::expected<void, RequestFault> taken = take();
  if (!taken) co_return co_await Reject(taken.error().fault, taken.error().what);
  if (body.is_whole()) co_return true;

  *cancelled_ = false;
  rung_ = is_admitted_ = false;
  shared_.handler.Admit(request, this->shared_from_this());
  co_await AwaitAnswer();
  const bool is_admitted = std::exchange(is_admitted_, false);
  if (!is_admitted) co_return answer_.has_value();
  taken = take();
  if (!taken) co_return co_await Reject(taken.error().fault, taken.error().what);
  if (head.expects_continue) {
    Lowest().expires_after(shared_.options.write_timeout);
    auto [error, count] = co_await asio::async_write(stream_, asio::buffer(kContinue), kAwait);
    if (error) co_return false;
  }
  co_return co_await ReadBody(request, body);
}

template <class Socket>
asio::awaitable<bool> Connection<Socket>::ReadBody(const HttpRequest& request, IncomingBody& body) {
  const ServerOptions& options = shared_.options;
  const size_t read_bytes = std::min(kBodyReadBytes, body_bytes_max_);
  const Party party = party_;
  const size_t share_max = party == Party::kStranger ? options.bodies_bytes_max / kStrangersPart
                                                     : options.bodies_bytes_max;
  const auto begun = std::chrono::steady_clock::now();
  while (!body.is_whole()) {
    const Milliseconds earned(
        static_cast<int64_t>(1000 * body.bytes().size() / options.body_bytes_per_second_min));
    Lowest().expires_at(begun + std::min(options.body_timeout, options.body_patience + earned));
    auto [failed, count] = co_await stream_.async_read_some(buffer_.prepare(read_bytes), kAwait);
    if (failed == asio::error::eof)
      co_return co_await Reject(PeerFault::kMalformedHttp, "the body of the request is incomplete");
    if (failed == beast::error::timeout) shared_.handler.Cut(PeerFault::kTooSlow, address_);
    if (failed) co_return false;
    buffer_.commit(count);
    auto taken = TakeBody(request, body);
    if (!taken) co_return co_await Reject(taken.error().fault, taken.error().what);
    if (body.Charge(shared_.bodies_bytes[static_cast<size_t>(party)]) > share_max) {
      body.Release();
      co_return co_await Reject(PeerFault::kTooManyBodies, "too many large requests at once");
    }
  }
  co_return true;
}

template <class Socket>
asio::awaitable<void> Connection<Socket>::AwaitAnswer() {
  Lowest().expires_never();
  auto is_there = [this] { return answer_.has_value() || is_admitted_; };
  if (!is_there()) co_await Wait(kWatchAfter);
  if (is_there()) co_return;
  WatchPeer();
  while (!is_there() && !cut_) co_await Wait(kForEver);
  // Ends the watch; nothing else is under way on this socket.
  ++watch_;
  error_code ignored;
  if (!gone_) std::ignore = Lowest().socket().cancel(ignored);
}

// Detects that the peer has closed while it waits for its answer. If there are bytes, they may be
// the next request or belong to TLS: then a close cannot be detected.
template <class Socket>
void Connection<Socket>::WatchPeer() {
  Lowest().socket().async_wait(
      tcp::socket::wait_read, [self = this->shared_from_this(), watch = watch_](error_code failed) {
        if (failed || self->watch_ != watch || self->gone_) return;
        char byte = 0;
        error_code closed;
        size_t count = self->Lowest().socket().receive(asio::buffer(&byte, 1),
                                                       tcp::socket::message_peek, closed);
        if (!closed && count != 0) return;
        *self->cancelled_ = true;
        self->shared_.handler.PeerGone();
      });
}

template <class Socket>
asio::awaitable<bool> Connection<Socket>::Write(HttpResponse response, unsigned version,
                                                bool keep_alive, bool head_only) {
  http::response<http::string_body> out(static_cast<http::status>(response.status), version);
  if (!response.content_type.empty()) out.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) out.set(name, value);
  out.set(http::field::date, HttpDate(shared_.clock.Now()));
  out.body() = std::move(response.body);
  out.keep_alive(keep_alive);
  out.prepare_payload();
  auto more = std::chrono::seconds(out.body().size() / kBytesPerSecondMin);
  Lowest().expires_after(shared_.options.write_timeout + more);
  if (head_only) {
    http::response_serializer<http::string_body> serializer(out);
    auto [failed, count] = co_await http::async_write_header(stream_, serializer, kAwait);
    co_return !failed;
  }
  auto [failed, count] = co_await http::async_write(stream_, out, kAwait);
  co_return !failed;
}

template <class Socket>
asio::awaitable<bool> Connection<Socket>::WritePiece(std::string bytes, bool chunked, bool last) {
  Lowest().expires_after(shared_.options.write_timeout);
  if (!bytes.empty() && chunked) {
    auto [failed, count] =
        co_await asio::async_write(stream_, http::make_chunk(asio::buffer(bytes)), kAwait);
    if (failed) co_return false;
  } else if (!bytes.empty()) {
    auto [failed, count] = co_await asio::async_write(stream_, asio::buffer(bytes), kAwait);
    if (failed) co_return false;
  }
  if (last && chunked) {
    auto [failed, count] = co_await asio::async_write(stream_, http::make_chunk_last(), kAwait);
    if (failed) co_return false;
  }
  co_return true;
}

// A stream ends its connection: it may have lasted for days.
template <class Socket>
asio::awaitable<void> Connection<Socket>::WriteStream(HttpResponse head, unsigned version) {
  const bool chunked = version == 11;
  bool whole = false;
  {
    http::response<http::empty_body> out(static_cast<http::status>(head.status), version);
    out.set(http::field::content_type, head.content_type);
    for (const auto& [name, value] : head.headers) out.set(name, value);
    out.set(http::field::date, HttpDate(shared_.clock.Now()));
    out.keep_alive(false);
    if (chunked) out.chunked(true);
    http::response_serializer<http::empty_body> serializer(out);
    Lowest().expires_after(shared_.options.write_timeout);
    auto [failed, count] = co_await http::async_write_header(stream_, serializer, kAwait);
    if (failed) gone_ = true;
  }
  // A stream may be silent for long, and there may be thousands.
  buffer_.clear();
  buffer_.shrink_to_fit();
  Lowest().expires_never();
  if (!gone_) DrainPeer();
  auto sent_at = std::chrono::steady_clock::now();
  while (!gone_ && !whole) {
    BodySource::Piece piece = source_->Next();
    const bool ends = piece.last;
    if (piece.bytes.empty() && !ends) {
      auto silent_for = std::chrono::steady_clock::now() - sent_at;
      if (silent_for < shared_.options.heartbeat) {
        auto left = std::chrono::ceil<Milliseconds>(shared_.options.heartbeat - silent_for);
        co_await Wait(std::min(left, source_->Patience()));
        continue;
      }
      piece.bytes = source_->Heartbeat();
    }
    bool written = co_await WritePiece(std::move(piece.bytes), chunked, ends);
    sent_at = std::chrono::steady_clock::now();
    if (!written) gone_ = true;
    whole = written && ends;
  }
  source_->Ended(whole);
  source_.reset();
  error_code ignored;
  if (!gone_) std::ignore = Lowest().socket().cancel(ignored);
}

// Discards what the peer sends during its stream, to detect when it closes.
template <class Socket>
void Connection<Socket>::DrainPeer() {
  stream_.async_read_some(asio::buffer(scrap_),
                          [self = this->shared_from_this()](error_code failed, size_t count) {
                            if (self->source_ == nullptr) return;
                            self->scrap_bytes_ += count;
                            if (failed || self->scrap_bytes_ > kLingerBytesMax) {
                              self->gone_ = true;
                              *self->cancelled_ = true;
                              self->Ring();
                              return;
                            }
                            self->DrainPeer();
                          });
}

template <class Socket>
void Spawn(std::shared_ptr<Connection<Socket>> connection, asio::io_context& context) {
  asio::co_spawn(
      context, [connection = std::move(connection)]() { return connection->Run(); },
      asio::detached);
}

}  // namespace

void ConnectionShared::Report(std::string_view what) noexcept {
  try {
    log.Write({LogLevel::kError,
               "unexpected_exception",
               fmt::format("a connection failed in an unforeseen way: {}", what),
               {}});
  } catch (const std::exception&) {
    // There is no memory to say even that.
  }
}

void ServeConnection(tcp::socket socket, Seat seat, std::string address,
                     std::shared_ptr<asio::ssl::context> tls,
                     std::shared_ptr<ConnectionShared> shared, std::shared_ptr<Shard> shard) {
  error_code ignored;
  std::ignore = socket.set_option(tcp::no_delay(true), ignored);
  asio::io_context& context = shard->context;
  if (tls == nullptr) {
    return Spawn(std::make_shared<Connection<PlainStream>>(
                     PlainStream(std::move(socket)), std::move(seat), std::move(address), nullptr,
                     std::move(shared), std::move(shard)),
                 context);
  }
  TlsStream stream(std::move(socket), *tls);
  Spawn(std::make_shared<Connection<TlsStream>>(std::move(stream), std::move(seat),
                                                std::move(address), std::move(tls),
                                                std::move(shared), std::move(shard)),
        context);
}

}  // namespace tallyman::http
