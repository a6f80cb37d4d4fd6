// The server's bounds and timeouts.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tallyman::http {

struct ServerOptions {
  std::string host = "127.0.0.1";  // an address, not a name
  uint16_t port = 8080;            // 0: any free one
  std::string cert_file;           // empty: plain HTTP
  std::string key_file;

  int io_threads = 2;
  size_t connections_max = 16384;
  size_t strangers_max = 1024;  // connections of one address that have shown no good token
  size_t header_bytes_max = 16 * 1024;
  // Of all bodies together that are being read or worked on: of hosts, and as much of people.
  size_t bodies_bytes_max = size_t{256} << 20;

  std::chrono::seconds handshake_timeout{10};
  std::chrono::seconds header_timeout{
      10};  // from the first byte; of a new connection from its start
  std::chrono::milliseconds body_timeout{60'000};
  // A body has this long for its first byte, and a second for every so many bytes that have come.
  std::chrono::milliseconds body_patience{10'000};
  size_t body_bytes_per_second_min = 16 * 1024;
  std::chrono::seconds write_timeout{30};  // and a second for every 64 KiB of an answer
  std::chrono::seconds idle_timeout{75};   // between the requests of a connection
  std::chrono::seconds heartbeat{15};      // interval on a stream that has nothing to send
  std::chrono::seconds drain_timeout{10};
};

}  // namespace tallyman::http
