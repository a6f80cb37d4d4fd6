// A gate between a client and a PostgreSQL server, in the process of the test: it forwards the
// messages of both, and lets the test decide which faults happen.
//
// It knows messages (PostgreSQL 15, chapter 55) as far as needed to count them. The client has to
// speak without TLS and GSSAPI: sslmode=disable gssencmode=disable. It has its own thread; all
// functions may be called from any thread. Armed faults count over all connections together.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace tallyman {

class TcpGate {
 public:
  enum class From { kClient, kServer };

  // Listens on a free port of 127.0.0.1.
  explicit TcpGate(uint16_t server_port);
  TcpGate(const TcpGate&) = delete;
  TcpGate& operator=(const TcpGate&) = delete;
  ~TcpGate();

  uint16_t port() const { return port_; }

  // Both ways, until Calm().
  void Delay(std::chrono::milliseconds by);
  // Passes on so many bytes at a time, each piece as a packet of its own.
  void Trickle(size_t bytes);
  // Forwards nothing any more, and keeps all connections open: messages are lost.
  void Swallow();
  // As if the server's machine were gone: what clients send is not even acknowledged, on open and
  // on new connections. For good.
  void Vanish();
  // Closes new connections at once.
  void Refuse();
  void Calm();

  void CutAll();
  // Passes on half of the nth message from now (1: the next), and cuts that connection both ways.
  void CutInMessage(From from, int64_t nth);
  // The server's nth message from now that it has committed is not forwarded: the connection is cut
  // instead.
  void SwallowCommitReply(int64_t nth = 1);
  // Puts a statement that fails with this SQLSTATE before the nth one from now: the server refuses
  // it, and skips the rest of the pipeline, as if the nth had failed.
  void FailStatement(int64_t nth, const std::string& sqlstate);
  // True when what was armed last has happened; it will not happen any more.
  bool Disarm();

 private:
  class Worker;
  uint16_t port_ = 0;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

}  // namespace tallyman
