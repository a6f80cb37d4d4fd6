#include "compat/old_server.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "tallyman/v1/agent.pb.h"

namespace tallyman::compat {
namespace {

constexpr std::string_view kReport = "/tallyman.v1.AgentService/Report";

// What a report tells and has to hear about.
std::set<std::pair<std::string, std::string>> Told(const std::string& body) {
  v1::ReportRequest report;
  report.ParseFromString(body);
  std::set<std::pair<std::string, std::string>> told;
  for (const auto& ack : report.acks()) told.emplace("ack", ack.command_id());
  for (const auto& outcome : report.outcomes()) told.emplace("outcome", outcome.command_id());
  return told;
}

std::string PathOf(const std::string& request) {
  const size_t begin = request.find(' ') + 1;
  return request.substr(begin, request.find(' ', begin) - begin);
}

}  // namespace

OldServer::OldServer(std::vector<Exchange> exchanges, std::string unknown_method)
    : exchanges_(std::move(exchanges)), unknown_method_(std::move(unknown_method)) {
  thread_ = std::thread([this] { Accept(); });
}

OldServer::~OldServer() {
  stopping_ = true;
  thread_.join();
}

std::set<std::string> OldServer::Done() const {
  std::lock_guard lock(mutex_);
  return done_;
}

bool OldServer::WaitFor(int socket) const {
  while (!stopping_) {
    pollfd ready{.fd = socket, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, 20) > 0) return true;
  }
  return false;
}

void OldServer::Accept() {
  while (WaitFor(listener_.socket())) {
    const int socket = listener_.Accept();
    if (socket < 0) continue;
    connections_.emplace_back([this, socket] {
      Serve(socket);
      ::close(socket);
    });
  }
  for (std::thread& connection : connections_) connection.join();
}

void OldServer::Serve(int socket) {
  std::string bytes;
  while (true) {
    const size_t end = bytes.find("\r\n\r\n");
    const size_t length = bytes.find("Content-Length: ");
    const size_t whole = end == std::string::npos
                             ? std::string::npos
                             : end + 4 + (length < end ? std::stoul(bytes.substr(length + 16)) : 0);
    if (bytes.size() >= whole) {
      if (!SendAll(socket, AnswerTo(bytes.substr(0, whole)))) return;
      bytes.erase(0, whole);
      continue;
    }
    char buffer[16384];
    if (!WaitFor(socket)) return;
    const ssize_t count = ::recv(socket, buffer, sizeof buffer, 0);
    if (count <= 0) return;
    bytes.append(buffer, static_cast<size_t>(count));
  }
}

std::string OldServer::AnswerTo(const std::string& request) {
  const std::string path = PathOf(request);
  std::lock_guard lock(mutex_);
  if (path == kReport) return ReportAnswer(BodyOf(request));
  std::vector<const Exchange*> recorded;
  for (const Exchange& exchange : exchanges_) {
    if (exchange.path == path && !exchange.response.empty()) recorded.push_back(&exchange);
  }
  if (recorded.empty()) return unknown_method_;
  return recorded[std::min(answered_[path]++, recorded.size() - 1)]->response;
}

std::string OldServer::ReportAnswer(const std::string& body) {
  const auto told = Told(body);
  const Exchange* best = nullptr;
  size_t most = 0;
  for (const Exchange& exchange : exchanges_) {
    if (exchange.path != kReport || exchange.response.empty()) continue;
    const auto settled = Told(BodyOf(exchange.request));
    if (!std::ranges::includes(told, settled)) continue;
    if (best != nullptr && settled.size() <= most) continue;
    best = &exchange;
    most = settled.size();
  }
  v1::ReportRequest report;
  report.ParseFromString(body);
  for (const auto& outcome : report.outcomes()) {
    if (outcome.result() == v1::OUTCOME_RESULT_OK) done_.insert(outcome.command_id());
  }
  return best == nullptr ? unknown_method_ : best->response;
}

}  // namespace tallyman::compat
