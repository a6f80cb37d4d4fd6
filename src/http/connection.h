// Connections: HTTP/1.1 over plain TCP or TLS, one coroutine each. Only the code behind this header
// includes Beast.
//
// A connection belongs to one shard, and only that shard's thread touches it; other threads post to
// it. Everything is bounded: bytes of a head and of a body, bytes of all bodies together, and the
// time for each step.
//
//   step        bound              afterwards
//   handshake   handshake_timeout  cut
//   head        header_timeout     cut; too long: 431
//   body        body_timeout, and  cut; too long: 413, too many at once: 429
//               a least rate
//   answer      the handler's own  cancelled() is set when the peer goes away meanwhile
//   writing     write_timeout      cut
//   idle        idle_timeout       closed
//
// A body that does not come together with its head is read after the handler has admitted it.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/clock.h"
#include "base/log.h"
#include "http/exchange.h"
#include "http/seats.h"
#include "http/server_options.h"

namespace tallyman::http {

class OpenConnection {
 public:
  virtual ~OpenConnection() = default;
  // Ends the connection after the answer in progress, or at once if there is none.
  virtual void Drain() = 0;
  virtual void Cut() = 0;
};

// What all connections share. Thread-safe. The handler, the clock and the log outlive the shards'
// threads.
struct ConnectionShared {
  ServerOptions options;
  HttpHandler& handler;
  Clock& clock;  // for Date
  Log& log;

  ConnectionShared(ServerOptions o, HttpHandler& h, Clock& c, Log& l)
      : options(std::move(o)),
        handler(h),
        clock(c),
        log(l),
        seats(std::make_shared<Seats>(options.connections_max, options.strangers_max)) {}
  // Says that something failed in an unforeseen way and went no further.
  void Report(std::string_view what) noexcept;

  const std::shared_ptr<Seats> seats;
  std::array<std::atomic<size_t>, kParties> bodies_bytes{};
  std::atomic<bool> draining{false};
};

// A thread of the server and its connections.
struct Shard {
  boost::asio::io_context context{1};
  std::unordered_set<OpenConnection*> connections;  // only this shard's thread touches it
};

// Serves until the peer or the server ends it. Called on the shard's thread, which the socket
// belongs to; `tls` is null for plain HTTP; `address` is the peer's.
void ServeConnection(boost::asio::ip::tcp::socket socket, Seat seat, std::string address,
                     std::shared_ptr<boost::asio::ssl::context> tls,
                     std::shared_ptr<ConnectionShared> shared, std::shared_ptr<Shard> shard);

}  // namespace tallyman::http
