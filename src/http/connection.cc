#include "http/connection.h"

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
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "http/http_date.h"

namespace tallyman {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using Parser = http::request_parser<http::string_body>;
using Milliseconds = std::chrono::milliseconds;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kFirstReadBytes = 4096;
constexpr size_t kBufferKeptBytes = 8192;
constexpr size_t kLingerBytesMax = size_t{1} << 20;
constexpr std::chrono::seconds kLingerTimeout{2};
constexpr size_t kBytesPerSecondMin = 65536;
// Small, because there is one for each of many connections.
constexpr size_t kSmallBodyBytes = 16384;
// Most calls are answered sooner, without the cost of watching whether the peer is still connected.
constexpr Milliseconds kWatchAfter{20};
constexpr std::chrono::hours kForEver{24};

// Accounts for the bytes of a body that is being read or processed; returns them on destruction.
class BodyShare {
 public:
  explicit BodyShare(std::atomic<size_t>& taken) : taken_(taken) {}
  ~BodyShare() { taken_ -= bytes_; }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;

  // The total afterwards. Small bodies are not counted.
  size_t Set(size_t bytes) {
    if (bytes <= kSmallBodyBytes) bytes = 0;
    const size_t before = std::exchange(bytes_, bytes);
    if (bytes < before) return taken_ -= before - bytes;
    return taken_ += bytes - before;
  }

 private:
  std::atomic<size_t>& taken_;
  size_t bytes_ = 0;
};

template <class Socket>
class Connection final : public Exchange,
                         public OpenConnection,
                         public std::enable_shared_from_this<Connection<Socket>> {
 public:
  Connection(Socket stream, std::shared_ptr<asio::ssl::context> tls,
             std::shared_ptr<ConnectionShared> shared, std::shared_ptr<Shard> shard)
      : shared_owner_(std::move(shared)),
        shard_owner_(std::move(shard)),
        shared_(*shared_owner_),
        shard_(*shard_owner_),
        tls_(std::move(tls)),
        stream_(std::move(stream)),
        timer_(shard_.context),
        cancelled_(std::make_shared<std::atomic<bool>>(false)) {
    shard_.connections.insert(this);
    error_code failed;
    auto peer = Lowest().socket().remote_endpoint(failed);
    if (!failed) address_ = peer.address().to_string();
  }
  // The thread that made the answer may drop the last reference.
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
  asio::awaitable<void> Wait(Milliseconds at_most);
  asio::awaitable<bool> Shake();
  asio::awaitable<bool> AwaitFirstByte(bool first);
  asio::awaitable<bool> ServeOne();
  asio::awaitable<bool> ReadBody(Parser& parser, BodyShare& share);
  asio::awaitable<void> AwaitAnswer();
  asio::awaitable<bool> Write(HttpResponse response, unsigned version, bool keep_alive,
                              bool head_only);
  asio::awaitable<void> WriteStream(HttpResponse head, unsigned version);
  asio::awaitable<bool> WritePiece(std::string bytes, bool chunked, bool last);
  asio::awaitable<bool> Reject(int status, std::string_view reason, std::string_view what);
  asio::awaitable<void> Linger();
  HttpRequest HeadOf(const Parser& parser) const;
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
  std::string address_;
  std::optional<HttpResponse> answer_;
  std::unique_ptr<BodySource> source_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  std::array<char, 64> scrap_{};  // bytes that a peer sends while it receives a stream
  size_t scrap_bytes_ = 0;
  bool rung_ = false;
  bool idle_ = false;
  bool gone_ = false;              // the peer has gone, or the socket failed
  bool cut_ = false;               // the server cut the connection
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
    co_return !failed;
  }
  co_return true;
}

template <class Socket>
asio::awaitable<void> Connection<Socket>::Run() {
  // The coroutine owns the connection, which ends when the coroutine returns.
  auto self = this->shared_from_this();
  bool open = !shared_.draining;
  if (open) open = co_await Shake();
  bool first = true;
  while (open) {
    open = co_await AwaitFirstByte(first);
    first = false;
    if (open) open = co_await ServeOne();
    if (shared_.draining) open = false;
  }
  if (source_ != nullptr) {
    source_->Ended(false);
    source_.reset();
  }
  if constexpr (std::is_same_v<Socket, TlsStream>) {
    if (!gone_) {
      Lowest().expires_after(kLingerTimeout);
      co_await stream_.async_shutdown(kAwait);
    }
  }
  error_code ignored;
  std::ignore = Lowest().socket().shutdown(tcp::socket::shutdown_both, ignored);
  std::ignore = Lowest().socket().close(ignored);
  over_ = true;
  shard_.connections.erase(this);
  --shared_.connections;
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
  if (failed) co_return false;
  buffer_.commit(count);
  co_return true;
}

template <class Socket>
HttpRequest Connection<Socket>::HeadOf(const Parser& parser) const {
  const auto& head = parser.get();
  HttpRequest request{.verb = std::string(head.method_string()),
                      .target = std::string(head.target()),
                      .headers = {},
                      .body = {},
                      .address = address_};
  for (const auto& field : head) {
    request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  return request;
}

// Answers with the error and ends the connection, because the next request cannot be told from the
// body.
template <class Socket>
asio::awaitable<bool> Connection<Socket>::Reject(int status, std::string_view reason,
                                                 std::string_view what) {
  HttpResponse response = shared_.handler.Malformed(status, reason, what);
  bool written = co_await Write(std::move(response), 11, false, false);
  if (written) co_await Linger();
  co_return false;
}

// Keeps reading until the peer has seen the answer: closing earlier might lose it.
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

// One request and its answer. True: keep the connection alive.
template <class Socket>
asio::awaitable<bool> Connection<Socket>::ServeOne() {
  const ServerOptions& options = shared_.options;
  auto parser = std::make_unique<Parser>();
  parser->header_limit(static_cast<uint32_t>(options.header_bytes_max));
  parser->body_limit(options.body_bytes_max);
  Lowest().expires_after(options.header_timeout);
  error_code failed;
  size_t head_bytes = 0;
  while (!failed && !parser->is_header_done()) {
    auto [error, count] = co_await http::async_read_some(stream_, buffer_, *parser, kAwait);
    failed = error;
    head_bytes += count;
    // The parser itself only bounds what it examines in one piece.
    if (head_bytes > options.header_bytes_max) failed = http::error::header_limit;
  }
  if (failed == http::error::header_limit || failed == http::error::buffer_overflow) {
    co_return co_await Reject(431, "HEADERS_TOO_LARGE", "the head of the request is too long");
  }
  if (failed == http::error::body_limit) {
    co_return co_await Reject(413, "REQUEST_TOO_LARGE", "the body of the request is too long");
  }
  if (failed && failed.category() == http::make_error_code(http::error::bad_value).category() &&
      failed != http::error::end_of_stream && failed != http::error::partial_message) {
    co_return co_await Reject(400, "MALFORMED_HTTP", failed.message());
  }
  if (failed) co_return false;
  if (parser->get().version() == 11 && parser->get().count(http::field::host) != 1) {
    co_return co_await Reject(400, "MALFORMED_HTTP", "exactly one Host header is required");
  }

  const unsigned version = parser->get().version();
  const bool head_only = parser->get().method() == http::verb::head;
  bool keep_alive = parser->get().keep_alive();
  HttpRequest request = HeadOf(*parser);
  auto refused = shared_.handler.Refuse(request);
  if (refused) {
    bool whole = parser->is_done();
    keep_alive = keep_alive && whole && !refused->close;
    bool written = co_await Write(*std::move(refused), version, keep_alive, head_only);
    if (written && !keep_alive) co_await Linger();
    co_return written&& keep_alive;
  }
  BodyShare share(shared_.bodies_bytes);
  bool read = co_await ReadBody(*parser, share);
  if (!read) co_return false;
  request.body = std::move(parser->get().body());
  parser.reset();

  *cancelled_ = false;
  rung_ = false;
  shared_.handler.Handle(std::move(request), this->shared_from_this());
  co_await AwaitAnswer();
  if (!answer_) co_return false;
  HttpResponse response = *std::move(answer_);
  answer_.reset();
  // A stream may last for days and no longer needs its request.
  share.Set(0);
  if (source_ != nullptr) {
    co_await WriteStream(std::move(response), version);
    co_return false;
  }
  keep_alive = keep_alive && !response.close && !gone_ && !shared_.draining;
  bool written = co_await Write(std::move(response), version, keep_alive, head_only);
  co_return written&& keep_alive;
}

// A body with a length is charged as a whole before its first byte is read; chunks are charged as
// they arrive.
template <class Socket>
asio::awaitable<bool> Connection<Socket>::ReadBody(Parser& parser, BodyShare& share) {
  const ServerOptions& options = shared_.options;
  if (parser.is_done()) co_return true;
  const size_t announced = parser.content_length().value_or(0);
  bool room = announced == 0 || share.Set(announced) <= options.bodies_bytes_max;
  if (room && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    Lowest().expires_after(options.write_timeout);
    auto [error, count] = co_await asio::async_write(stream_, asio::buffer(kContinue), kAwait);
    if (error) co_return false;
  }
  Lowest().expires_after(options.body_timeout);
  parser.eager(true);
  error_code failed;
  while (room && !failed && !parser.is_done()) {
    auto [error, count] = co_await http::async_read_some(stream_, buffer_, parser, kAwait);
    failed = error;
    const size_t there = parser.get().body().size();
    if (there > announced) room = share.Set(there) <= options.bodies_bytes_max;
  }
  if (!room) {
    share.Set(0);
    co_return co_await Reject(429, "TOO_MANY_BODIES", "too many large requests at once");
  }
  if (!failed) co_return true;
  if (failed == http::error::body_limit) {
    co_return co_await Reject(413, "REQUEST_TOO_LARGE", "the body of the request is too long");
  }
  if (failed == http::error::partial_message) {
    co_return co_await Reject(400, "MALFORMED_HTTP", "the body of the request is incomplete");
  }
  if (failed.category() == http::make_error_code(http::error::bad_value).category()) {
    co_return co_await Reject(400, "MALFORMED_HTTP", failed.message());
  }
  co_return false;
}

template <class Socket>
asio::awaitable<void> Connection<Socket>::AwaitAnswer() {
  Lowest().expires_never();
  if (!answer_) co_await Wait(kWatchAfter);
  if (answer_) co_return;
  WatchPeer();
  while (!answer_ && !cut_) co_await Wait(kForEver);
  // Ends the watch; no other operation is pending on this socket.
  error_code ignored;
  if (!gone_) std::ignore = Lowest().socket().cancel(ignored);
}

// Detects that the peer has closed while it waits for its answer. If there are bytes, they may be
// the next request or belong to TLS: then a close cannot be detected.
template <class Socket>
void Connection<Socket>::WatchPeer() {
  Lowest().socket().async_wait(tcp::socket::wait_read,
                               [self = this->shared_from_this()](error_code failed) {
                                 if (failed || self->answer_ || self->gone_) return;
                                 char byte = 0;
                                 error_code closed;
                                 size_t count = self->Lowest().socket().receive(
                                     asio::buffer(&byte, 1), tcp::socket::message_peek, closed);
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

void ServeConnection(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls,
                     std::shared_ptr<ConnectionShared> shared, std::shared_ptr<Shard> shard) {
  error_code ignored;
  std::ignore = socket.set_option(tcp::no_delay(true), ignored);
  asio::io_context& context = shard->context;
  if (tls == nullptr) {
    return Spawn(std::make_shared<Connection<PlainStream>>(PlainStream(std::move(socket)), nullptr,
                                                           std::move(shared), std::move(shard)),
                 context);
  }
  TlsStream stream(std::move(socket), *tls);
  Spawn(std::make_shared<Connection<TlsStream>>(std::move(stream), std::move(tls),
                                                std::move(shared), std::move(shard)),
        context);
}

}  // namespace tallyman
