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
//   body        body_timeout       cut; too long: 413, too many at once: 429
//   answer      the handler's own  cancelled() is set when the peer goes away meanwhile
//   writing     write_timeout      cut
//   idle        idle_timeout       closed
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <unordered_set>

#include "base/clock.h"
#include "http/exchange.h"
#include "http/server_options.h"

namespace tallyman {

class OpenConnection {
 public:
  virtual ~OpenConnection() = default;
  // Ends the connection after the answer in progress, or at once if there is none.
  virtual void Drain() = 0;
  virtual void Cut() = 0;
};

// State that all connections share. Thread-safe. The handler and the clock outlive the shards'
// threads.
struct ConnectionShared {
  ServerOptions options;
  HttpHandler& handler;
  Clock& clock;  // for Date

  ConnectionShared(ServerOptions o, HttpHandler& h, Clock& c)
      : options(std::move(o)), handler(h), clock(c) {}
  std::atomic<size_t> connections{0};  // accepting increments, ending decrements
  std::atomic<size_t> bodies_bytes{0};
  std::atomic<bool> draining{false};
};

// A thread of the server and its connections.
struct Shard {
  boost::asio::io_context context{1};
  std::unordered_set<OpenConnection*> connections;  // only this shard's thread touches it
};

// Serves a connection until the peer or the server ends it. Called on the shard's thread, to which
// the socket belongs; `tls` is null for plain HTTP.
void ServeConnection(boost::asio::ip::tcp::socket socket,
                     std::shared_ptr<boost::asio::ssl::context> tls,
                     std::shared_ptr<ConnectionShared> shared, std::shared_ptr<Shard> shard);

}  // namespace tallyman
