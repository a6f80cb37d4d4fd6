#include "tests/support/tcp_gate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <list>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/support/pg_messages.h"

namespace tallyman {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

class Socket {
 public:
  explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

void Prepare(int descriptor) {
  const int yes = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One direction of a connection.
struct Way {
  struct Piece {
    SteadyTime due;
    std::string bytes;
  };
  int from = -1;
  int to = -1;
  bool typed = true;          // the next message begins with its type
  std::string unread;         // the beginning of a message whose rest has not come yet
  std::deque<Piece> waiting;  // to be passed on
};

struct Connection {
  Socket client;
  Socket server;
  Way to_server;
  Way to_client;
  bool ending = false;  // to be closed when both ways have passed on what waits
};

enum class Armed { kNothing, kMessage, kCommitReply, kStatement };

}  // namespace

class TcpGate::Worker {
 public:
  explicit Worker(uint16_t server_port) : server_port_(server_port) {
    listener_ = Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // Above those of the clusters of tests, below those that outgoing connections take.
    sockaddr_in address{};
    for (uint16_t port = 32'000; port < 32'700; ++port) {
      address = Loopback(port);
      if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
        port_ = port;
        break;
      }
    }
    if (port_ == 0 || ::listen(listener_.get(), 64) != 0 || ::pipe2(wake_, O_CLOEXEC) != 0) {
      throw std::runtime_error("no port for the gate");
    }
    Prepare(listener_.get());
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    ::close(wake_[0]);
    ::close(wake_[1]);
  }

  uint16_t port() const { return port_; }

  // Changes what the test decides, and has the thread look at it at once.
  template <class Change>
  void Do(Change change) {
    {
      std::lock_guard lock(mutex_);
      change(*this);
    }
    const char byte = 0;
    static_cast<void>(!::write(wake_[1], &byte, 1));
  }

  void Run() {
    while (true) {
      std::vector<pollfd> polled;
      int timeout = -1;
      {
        std::lock_guard lock(mutex_);
        if (stopping_) return;
        polled = Polled(timeout);
      }
      ::poll(polled.data(), polled.size(), timeout);
      std::lock_guard lock(mutex_);
      char ignored[64];
      if (polled[0].revents != 0) static_cast<void>(!::read(wake_[0], ignored, sizeof ignored));
      if (std::exchange(cut_all_, false)) connections_.clear();
      Accept();
      for (Connection& connection : connections_) Serve(connection);
      std::erase_if(connections_, [&](const Connection& connection) {
        return connection.ending && (swallowing_ || (connection.to_server.waiting.empty() &&
                                                     connection.to_client.waiting.empty()));
      });
    }
  }

  // A socket filter drops segments before TCP sees them, so that nothing acknowledges them.
  // REQUIRES: mutex_ is held.
  void DropAllPackets() {
    swallowing_ = true;
    sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{.len = 1, .filter = &drop};
    const auto filter = [&](const Socket& socket) {
      if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        throw std::runtime_error("the gate cannot vanish");
    };
    filter(listener_);
    for (const Connection& connection : connections_) filter(connection.client);
  }

  // What the test decides; guarded by mutex_.
  bool stopping_ = false;
  bool swallowing_ = false;
  bool refusing_ = false;
  bool cut_all_ = false;
  std::chrono::milliseconds delay_{0};
  size_t piece_bytes_ = 0;  // 0: as they come
  uint16_t server_port_;
  Armed armed_ = Armed::kNothing;
  From armed_from_ = From::kClient;
  int64_t armed_left_ = 0;
  std::string armed_sqlstate_;
  bool happened_ = false;

 private:
  std::vector<pollfd> Polled(int& timeout) {
    std::vector<pollfd> polled = {{.fd = wake_[0], .events = POLLIN, .revents = 0},
                                  {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    const SteadyTime now = std::chrono::steady_clock::now();
    for (Connection& connection : connections_) {
      for (Way* way : {&connection.to_server, &connection.to_client}) {
        if (!connection.ending) polled.push_back({.fd = way->from, .events = POLLIN, .revents = 0});
        if (way->waiting.empty() || swallowing_) continue;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(way->waiting[0].due - now);
        if (left.count() > 0) {
          const int wait = static_cast<int>(left.count());
          timeout = timeout < 0 ? wait : std::min(timeout, wait);
        } else {
          polled.push_back({.fd = way->to, .events = POLLOUT, .revents = 0});
        }
      }
    }
    return polled;
  }

  void Accept() {
    while (true) {
      Socket client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client.get() < 0) return;
      if (refusing_) continue;
      Socket server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address = Loopback(server_port_);
      if (::connect(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        continue;
      }
      Prepare(client.get());
      Prepare(server.get());
      Connection& connection = connections_.emplace_back();
      connection.to_server.from = connection.to_client.to = client.get();
      connection.to_server.to = connection.to_client.from = server.get();
      connection.to_server.typed = false;
      connection.client = std::move(client);
      connection.server = std::move(server);
    }
  }

  void Serve(Connection& connection) {
    if (!connection.ending) Take(connection, connection.to_server, From::kClient);
    if (!connection.ending) Take(connection, connection.to_client, From::kServer);
    if (swallowing_) return;
    PassOn(connection, connection.to_server);
    PassOn(connection, connection.to_client);
  }

  void Take(Connection& connection, Way& way, From from) {
    char buffer[65536];
    while (true) {
      const ssize_t n = ::recv(way.from, buffer, sizeof buffer, 0);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        connection.ending = true;
        return;
      }
      if (swallowing_) continue;
      way.unread.append(buffer, static_cast<size_t>(n));
      TakeMessages(connection, way, from);
      if (connection.ending) return;
    }
  }

  void TakeMessages(Connection& connection, Way& way, From from) {
    while (!connection.ending) {
      const auto length = PgMessageLength(way.unread, way.typed);
      if (!length || way.unread.size() < *length) return;
      way.typed = true;
      const std::string message = way.unread.substr(0, *length);
      way.unread.erase(0, *length);
      TakeMessage(connection, way, from, message);
    }
  }

  void TakeMessage(Connection& connection, Way& way, From from, const std::string& message) {
    const bool commit_done = from == From::kServer && IsPgCommitDone(message);
    if (armed_ == Armed::kMessage && from == armed_from_ && --armed_left_ == 0) {
      Cut(connection, way, message.substr(0, message.size() / 2));
    } else if (armed_ == Armed::kCommitReply && commit_done && --armed_left_ == 0) {
      Cut(connection, way, {});
    } else {
      if (armed_ == Armed::kStatement && from == From::kClient && IsPgBind(message) &&
          --armed_left_ == 0) {
        Wait(way, PgFailingStatement(armed_sqlstate_));
        armed_ = Armed::kNothing;
        happened_ = true;
      }
      Wait(way, message);
    }
  }

  void Cut(Connection& connection, Way& way, const std::string& last_words) {
    Wait(way, last_words);
    connection.ending = true;
    armed_ = Armed::kNothing;
    happened_ = true;
  }

  void Wait(Way& way, const std::string& bytes) const {
    const SteadyTime due = std::chrono::steady_clock::now() + delay_;
    const size_t piece = piece_bytes_ == 0 ? bytes.size() : piece_bytes_;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      way.waiting.push_back({due, bytes.substr(at, piece)});
    }
  }

  static void PassOn(Connection& connection, Way& way) {
    while (!way.waiting.empty() && way.waiting[0].due <= std::chrono::steady_clock::now()) {
      std::string& bytes = way.waiting[0].bytes;
      const ssize_t n = ::send(way.to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) {
        way.waiting.clear();
        connection.ending = true;
        return;
      }
      bytes.erase(0, static_cast<size_t>(n));
      if (bytes.empty()) way.waiting.pop_front();
    }
  }

  mutable std::mutex mutex_;
  Socket listener_;
  uint16_t port_ = 0;
  int wake_[2] = {-1, -1};
  std::list<Connection> connections_;
};

TcpGate::TcpGate(uint16_t server_port)
    : worker_(std::make_unique<Worker>(server_port)), thread_([this] { worker_->Run(); }) {
  port_ = worker_->port();
}

TcpGate::~TcpGate() {
  worker_->Do([](Worker& w) { w.stopping_ = true; });
  thread_.join();
}

void TcpGate::Delay(std::chrono::milliseconds by) {
  worker_->Do([&](Worker& w) { w.delay_ = by; });
}
void TcpGate::Trickle(size_t bytes) {
  worker_->Do([&](Worker& w) { w.piece_bytes_ = bytes; });
}
void TcpGate::Swallow() {
  worker_->Do([](Worker& w) { w.swallowing_ = true; });
}
void TcpGate::Vanish() {
  worker_->Do([](Worker& w) { w.DropAllPackets(); });
}
void TcpGate::Refuse() {
  worker_->Do([](Worker& w) { w.refusing_ = true; });
}
void TcpGate::Calm() {
  worker_->Do([](Worker& w) {
    // Of a stream that lacks a part nothing can be understood any more.
    w.cut_all_ = w.cut_all_ || w.swallowing_;
    w.swallowing_ = w.refusing_ = false;
    w.delay_ = {};
    w.piece_bytes_ = 0;
  });
}
void TcpGate::CutAll() {
  worker_->Do([](Worker& w) { w.cut_all_ = true; });
}

void TcpGate::CutInMessage(From from, int64_t nth) {
  worker_->Do([&](Worker& w) {
    w.armed_ = Armed::kMessage;
    w.armed_from_ = from;
    w.armed_left_ = nth;
    w.happened_ = false;
  });
}
void TcpGate::SwallowCommitReply(int64_t nth) {
  worker_->Do([&](Worker& w) {
    w.armed_ = Armed::kCommitReply;
    w.armed_left_ = nth;
    w.happened_ = false;
  });
}
void TcpGate::FailStatement(int64_t nth, const std::string& sqlstate) {
  worker_->Do([&](Worker& w) {
    w.armed_ = Armed::kStatement;
    w.armed_left_ = nth;
    w.armed_sqlstate_ = sqlstate;
    w.happened_ = false;
  });
}
bool TcpGate::Disarm() {
  bool happened = false;
  worker_->Do([&](Worker& w) {
    w.armed_ = Armed::kNothing;
    happened = w.happened_;
  });
  return happened;
}

}  // namespace tallyman
