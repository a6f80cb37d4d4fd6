// The server: listens, and serves connections on a few threads of its own until it is drained.
//
// Owns its threads and connections; does not own what it is made of, which must
// outlive it. Start(),
// ReloadTls() and Drain() are called by one thread; the others are thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "http/exchange.h"
#include "http/server_options.h"

namespace tallyman::http {

class Server {
 public:
  Server(ServerOptions options, HttpHandler& handler, Clock& clock, Log& log);
  // Cuts all connections at once unless Drain() was called.
  ~Server();

  // Listens and begins to serve. INVALID_ARGUMENT INVALID_ADDRESS, TLS_FILES; UNAVAILABLE
  // CANNOT_LISTEN.
  Status Start();
  // The port that it listens on; after Start().
  uint16_t port() const;
  // New connections get the certificate that the files hold now. On an error nothing changes.
  Status ReloadTls();
  // Stops accepting connections and requests; requests in flight may finish within drain_timeout
  // (or 0); then open connections are cut. The handler must have ended its streams before.
  void Drain(bool at_once = false);

  size_t connections() const;

 private:
  struct Listener;
  void CountDown(std::chrono::milliseconds at_most);

  const ServerOptions options_;
  HttpHandler& handler_;
  Clock& clock_;
  Log& log_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace tallyman::http
