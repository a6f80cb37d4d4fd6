#include "http/server.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <tuple>

#include "base/text.h"
#include "http/connection.h"
#include "http/http_date.h"
#include "http/tls.h"

namespace tallyman::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Guard = asio::executor_work_guard<asio::io_context::executor_type>;

// Out of file descriptors: open connections must end first.
constexpr std::chrono::milliseconds kAcceptAgain{100};
constexpr std::chrono::milliseconds kDrainPoll{20};
constexpr int kAcceptedAtOnce = 64;

// A thread woken by an answer must not preempt the worker that continues with the next call: on a
// busy machine it then finds several answers to write. On an idle machine nothing changes.
void WaitForTheBusy() {
  const sched_param none{};
  std::ignore = ::sched_setscheduler(0, SCHED_BATCH, &none);
}

// What throws is one connection's or one step's end, and not that of all others.
void RunShard(Shard& shard, ConnectionShared& shared) {
  while (true) {
    try {
      shard.context.run();
      return;
    } catch (const std::exception& e) {
      shared.Report(e.what());
    }
  }
}

}  // namespace

// Accepts on the first shard, and hands each connection to the next shard in turn.
struct Server::Listener {
  Listener(const ServerOptions& options, HttpHandler& handler, Clock& clock, Log& server_log)
      : shared(std::make_shared<ConnectionShared>(options, handler, clock, server_log)),
        log(server_log) {
    for (int i = 0; i < options.io_threads; ++i) {
      shards.push_back(std::make_shared<Shard>());
      guards.emplace_back(shards.back()->context.get_executor());
    }
    acceptor.emplace(shards[0]->context);
    pause.emplace(shards[0]->context);
  }

  void Accept();
  error_code AcceptSome();
  void Take(tcp::socket socket, const std::shared_ptr<Shard>& shard);
  void TurnAway(tcp::socket socket, PeerFault fault, const std::string& address);
  void OnEveryShard(void (OpenConnection::*what)());

  std::shared_ptr<ConnectionShared> shared;
  Log& log;
  std::vector<std::shared_ptr<Shard>> shards;
  std::vector<Guard> guards;
  std::vector<std::thread> threads;
  std::optional<tcp::acceptor> acceptor;
  std::optional<asio::steady_timer> pause;
  tcp protocol = tcp::v4();
  uint16_t port = 0;
  size_t next = 0;
  std::mutex tls_mutex;
  std::shared_ptr<asio::ssl::context> tls;
};

void Server::Listener::Accept() {
  acceptor->async_wait(tcp::acceptor::wait_read, [this](error_code failed) {
    if (failed == asio::error::operation_aborted || shared->draining) return;
    if (!failed) failed = AcceptSome();
    if (!failed) return Accept();
    log.Write({LogLevel::kWarning,
               "accept_failed",
               fmt::format("a connection could not be accepted: {}", failed.message()),
               {}});
    pause->expires_after(kAcceptAgain);
    pause->async_wait([this](error_code stopped) {
      if (!stopped) Accept();
    });
  });
}

// Not with Asio, whose sockets are inherited by other programs that this one might start.
error_code Server::Listener::AcceptSome() {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    const int accepted =
        ::accept4(acceptor->native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) {
      if (errno == EAGAIN) return {};
      // The peer has gone already, or a signal came.
      if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO) continue;
      return {errno, boost::system::system_category()};
    }
    const std::shared_ptr<Shard> shard = shards[next++ % shards.size()];
    tcp::socket socket(shard->context);
    error_code failed;
    std::ignore = socket.assign(protocol, accepted, failed);
    if (failed) {
      ::close(accepted);
      return failed;
    }
    Take(std::move(socket), shard);
  }
  return {};
}

void Server::Listener::Take(tcp::socket socket, const std::shared_ptr<Shard>& shard) {
  error_code gone;
  const auto peer = socket.remote_endpoint(gone);
  if (gone) return;
  std::string address = peer.address().to_string();
  auto seat = Seats::Take(shared->seats, address);
  if (!seat) return TurnAway(std::move(socket), seat.error(), address);
  std::shared_ptr<asio::ssl::context> context;
  {
    std::lock_guard lock(tls_mutex);
    context = tls;
  }
  asio::post(shard->context,
             [socket = std::move(socket), seat = *std::move(seat), address = std::move(address),
              context, shared = shared, shard = shard]() mutable {
               ServeConnection(std::move(socket), std::move(seat), std::move(address),
                               std::move(context), std::move(shared), std::move(shard));
             });
}

// One write that either fits into the socket or is not worth more.
void Server::Listener::TurnAway(tcp::socket socket, PeerFault fault, const std::string& address) {
  error_code ignored;
  if (tls == nullptr) {
    HttpResponse response =
        shared->handler.Malformed(fault,
                                  fault == PeerFault::kTooManyConnections
                                      ? "there are too many connections"
                                      : "there are too many connections from this address that "
                                        "have shown no token",
                                  address);
    std::string text = fmt::format(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
        "Date: {}\r\nConnection: close\r\n",
        response.content_type, response.body.size(), HttpDate(shared->clock.Now()));
    for (const auto& [name, value] : response.headers)
      text += fmt::format("{}: {}\r\n", name, value);
    text += "\r\n" + response.body;
    std::ignore = socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text), ignored);
  } else {
    shared->handler.Cut(fault, address);
  }
  std::ignore = socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void Server::Listener::OnEveryShard(void (OpenConnection::*what)()) {
  for (const auto& shard : shards) {
    asio::post(shard->context, [shard, what] {
      // A connection that ends leaves the set later, on this thread.
      for (OpenConnection* connection : shard->connections) (connection->*what)();
    });
  }
}

Server::Server(ServerOptions options, HttpHandler& handler, Clock& clock, Log& log)
    : options_(std::move(options)), handler_(handler), clock_(clock), log_(log) {}

Server::~Server() { Drain(true); }

Status Server::Start() {
  auto listener = std::make_unique<Listener>(options_, handler_, clock_, log_);
  if (!options_.cert_file.empty()) {
    ASSIGN_OR_RETURN(listener->tls, LoadTls(options_.cert_file, options_.key_file));
  }
  error_code failed;
  auto address = asio::ip::make_address(options_.host, failed);
  if (failed) {
    return Fail(InvalidArgument("INVALID_ADDRESS",
                                fmt::format("the address to listen on is {}: write an IP address "
                                            "and a port, such as 127.0.0.1:8080 or [::1]:8080",
                                            Quote(options_.host)))
                    .With("field", "listen")
                    .With("value", Quote(options_.host)));
  }
  tcp::endpoint endpoint(address, options_.port);
  tcp::acceptor& acceptor = *listener->acceptor;
  listener->protocol = endpoint.protocol();
  std::ignore = acceptor.open(endpoint.protocol(), failed);
  if (!failed && ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC) != 0)
    failed = error_code(errno, boost::system::system_category());
  if (!failed) std::ignore = acceptor.non_blocking(true, failed);
  if (!failed) std::ignore = acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) std::ignore = acceptor.bind(endpoint, failed);
  if (!failed) {
    std::ignore = acceptor.listen(asio::socket_base::max_listen_connections, failed);
  }
  if (failed) {
    return Fail(Error(
        Code::kUnavailable, "CANNOT_LISTEN",
        fmt::format("cannot listen on {}:{}: {}", options_.host, options_.port, failed.message())));
  }
  listener->port = acceptor.local_endpoint(failed).port();
  listener_ = std::move(listener);
  listener_->Accept();
  for (const auto& shard : listener_->shards) {
    listener_->threads.emplace_back([shard, shared = listener_->shared] {
      WaitForTheBusy();
      RunShard(*shard, *shared);
    });
  }
  return {};
}

uint16_t Server::port() const { return listener_->port; }

size_t Server::connections() const {
  return listener_ == nullptr ? 0 : listener_->shared->seats->taken();
}

Status Server::ReloadTls() {
  if (options_.cert_file.empty()) return {};
  ASSIGN_OR_RETURN(auto context, LoadTls(options_.cert_file, options_.key_file));
  std::lock_guard lock(listener_->tls_mutex);
  listener_->tls = std::move(context);
  return {};
}

// Waits until all connections have ended, but at most this long.
void Server::CountDown(std::chrono::milliseconds at_most) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  auto until = std::chrono::steady_clock::now() + at_most;
  while (connections() > 0 && std::chrono::steady_clock::now() < until) {
    never.wait_for(lock, kDrainPoll);
  }
}

void Server::Drain(bool at_once) {
  if (listener_ == nullptr || listener_->shared->draining.exchange(true)) return;
  asio::post(listener_->shards[0]->context, [listener = listener_.get()] {
    error_code ignored;
    std::ignore = listener->acceptor->close(ignored);
    listener->pause->cancel();
  });
  if (!at_once) {
    listener_->OnEveryShard(&OpenConnection::Drain);
    CountDown(options_.drain_timeout);
  }
  listener_->OnEveryShard(&OpenConnection::Cut);
  listener_->guards.clear();
  for (std::thread& thread : listener_->threads) thread.join();
}

}  // namespace tallyman::http
