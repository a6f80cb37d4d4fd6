// A server that misbehaves on command: it answers each request with scripted bytes, and records the
// requests.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback.h"

namespace tallyman {

// What happens to one request, or with kOnConnect to one connection before it has asked anything.
struct PeerStep {
  enum class When { kOnRequest, kOnConnect };
  std::string bytes;  // sent as they are
  bool hang_up = false;
  bool stall = false;  // says nothing more until the peer is destroyed
  When when = When::kOnRequest;
};

// An HTTP answer with a body of its length.
inline std::string HttpReply(int status, const std::string& type, const std::string& body,
                             const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " Status\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

// Listens on a free port of 127.0.0.1 with a thread of its own, one connection at a time. Requests
// beyond the script are hung up on.
class ScriptedPeer {
 public:
  explicit ScriptedPeer(std::vector<PeerStep> script) : script_(std::move(script)) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~ScriptedPeer() {
    stopping_ = true;
    thread_.join();
  }
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(listener_.port()); }
  // Heads and bodies as they came.
  std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  int connections() const { return connections_; }

 private:
  // False: the other side is gone, or this peer is to stop.
  bool WaitFor(int socket) const {
    while (!stopping_) {
      pollfd ready{.fd = socket, .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, 20) > 0) return true;
    }
    return false;
  }

  // Also false when another connection arrives in the meantime: an idle connection gives way.
  bool WaitForRequest(int socket) const {
    while (!stopping_) {
      pollfd ready[] = {{.fd = socket, .events = POLLIN, .revents = 0},
                        {.fd = listener_.socket(), .events = POLLIN, .revents = 0}};
      if (::poll(ready, 2, 20) > 0) return ready[0].revents != 0;
    }
    return false;
  }

  // One whole request; "" when there is none any more.
  std::string ReadRequest(int socket) const {
    std::string text;
    size_t whole = std::string::npos;
    while (text.size() < whole) {
      char buffer[4096];
      if (!WaitFor(socket)) return {};
      const ssize_t count = ::recv(socket, buffer, sizeof buffer, 0);
      if (count <= 0) return {};
      text.append(buffer, static_cast<size_t>(count));
      const size_t end = text.find("\r\n\r\n");
      const size_t length = text.find("Content-Length: ");
      if (whole == std::string::npos && end != std::string::npos) {
        whole = end + 4 + (length < end ? std::stoul(text.substr(length + 16)) : 0);
      }
    }
    return text;
  }

  void Serve() {
    while (WaitFor(listener_.socket())) {
      const int socket = listener_.Accept();
      if (socket < 0) continue;
      ++connections_;
      ServeConnection(socket);
      ::close(socket);
    }
  }

  void ServeConnection(int socket) {
    while (!stopping_) {
      const bool at_once =
          next_ < script_.size() && script_[next_].when == PeerStep::When::kOnConnect;
      if (!at_once) {
        std::string request = WaitForRequest(socket) ? ReadRequest(socket) : "";
        if (request.empty()) return;
        std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
      }
      if (next_ == script_.size()) return;
      const PeerStep& step = script_[next_++];
      if (!SendAll(socket, step.bytes)) return;
      if (step.hang_up) return;
      while (step.stall && !stopping_) ::poll(nullptr, 0, 20);
    }
  }

  std::vector<PeerStep> script_;
  size_t next_ = 0;  // the thread's own
  LoopbackListener listener_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace tallyman
