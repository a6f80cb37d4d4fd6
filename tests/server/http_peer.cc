#include "server/http_peer.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "support/loopback.h"

namespace tallyman {
namespace {

constexpr std::chrono::seconds kPatience{20};

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

HttpPeer::HttpPeer(uint16_t port, const std::string& from) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (!from.empty()) {
    ::inet_pton(AF_INET, from.c_str(), &address.sin_addr);
    ::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket_);
    socket_ = -1;
  }
}

HttpPeer::~HttpPeer() {
  if (socket_ >= 0) ::close(socket_);
}

bool HttpPeer::Send(std::string_view bytes) { return SendAll(socket_, bytes); }

void HttpPeer::HalfClose() { ::shutdown(socket_, SHUT_WR); }

bool HttpPeer::Fill(std::chrono::milliseconds at_most) {
  pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
  if (::poll(&wait, 1, static_cast<int>(at_most.count())) <= 0) return false;
  char bytes[65536];
  ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(count));
  return true;
}

bool HttpPeer::ClosedWithin(std::chrono::milliseconds time) {
  auto until = std::chrono::steady_clock::now() + time;
  while (true) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, static_cast<int>(left.count())) <= 0) return false;
    char bytes[4096];
    if (::recv(socket_, bytes, sizeof bytes, 0) <= 0) return true;
  }
}

std::string HttpPeer::ReceiveAll() {
  while (Fill(kPatience)) {
  }
  return std::exchange(buffer_, {});
}

std::string HttpPeer::ReceiveStatusLine() {
  while (buffer_.find("\r\n") == std::string::npos) {
    if (!Fill(kPatience)) return {};
  }
  return buffer_.substr(0, buffer_.find("\r\n"));
}

PeerAnswer HttpPeer::ReceiveHead() {
  PeerAnswer answer;
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill(kPatience)) return answer;
  }
  std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  answer.status = std::stoi(head.substr(9, 3));
  for (size_t at = head.find("\r\n") + 2; at < head.size();) {
    size_t line_end = head.find("\r\n", at);
    size_t colon = head.find(": ", at);
    answer.headers[Lower(head.substr(at, colon - at))] =
        head.substr(colon + 2, line_end - colon - 2);
    at = line_end + 2;
  }
  if (answer.status == 100) return ReceiveHead();
  return answer;
}

std::string HttpPeer::ReceiveChunk() {
  size_t line = 0;
  while ((line = buffer_.find("\r\n")) == std::string::npos) {
    if (!Fill(kPatience)) return {};
  }
  size_t size = std::stoul(buffer_.substr(0, line), nullptr, 16);
  while (buffer_.size() < line + 2 + size + 2) {
    if (!Fill(kPatience)) return {};
  }
  std::string chunk = buffer_.substr(line + 2, size);
  buffer_.erase(0, line + 2 + size + 2);
  ended_ = size == 0;
  return chunk;
}

PeerAnswer HttpPeer::Receive() {
  PeerAnswer answer = ReceiveHead();
  if (answer.status == 0) return answer;
  if (!answer.headers.contains("content-length")) {
    ended_ = false;
    while (true) {
      std::string chunk = ReceiveChunk();
      if (chunk.empty()) break;
      answer.body += chunk;
    }
    answer.whole = ended_;
    return answer;
  }
  size_t length = std::stoul(answer.headers["content-length"]);
  while (buffer_.size() < length && Fill(kPatience)) {
  }
  answer.whole = buffer_.size() >= length;
  answer.body = buffer_.substr(0, length);
  buffer_.erase(0, answer.body.size());
  return answer;
}

std::string PostOf(const std::string& method, const std::string& token, const std::string& body,
                   const std::string& content_type, const std::string& more_headers) {
  std::string authorization =
      token.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", token);
  return fmt::format(
      "POST /tallyman.v1.{} HTTP/1.1\r\nHost: test\r\n{}Content-Type: {}\r\nContent-Length: "
      "{}\r\n{}\r\n{}",
      method, authorization, content_type, body.size(), more_headers, body);
}

}  // namespace tallyman
