#include "api/log_relay.h"

#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/reasons.h"
#include "base/time.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::api {
namespace {

constexpr size_t kPartBytesMax = size_t{1024} * 1024;

Error Unavailable(const char* reason, std::string message) {
  return {Code::kUnavailable, reason, std::move(message)};
}

Error Stopping() {
  return Unavailable("SERVER_STOPPING", "the server is stopping: try again when it is back");
}

Error TooSlow() {
  return {Code::kAborted, kStreamTooSlow,
          "the log was not read for too long: request it again, with since for the missing part"};
}

}  // namespace

// Guarded by the mutex of Shared.
struct LogRelay::Request {
  Wanted wanted;
  OnReady on_ready;
  SteadyTime opened_at{};
  SteadyTime read_at{};      // when its reader last read, or had nothing to read
  SteadyTime answered_at{};  // when the host sent the last part
  bool handed_out = false;
  int64_t part = 0;  // the number of the last accepted part
  bool over = false;
  std::optional<Error> failure;  // why it ended early
  std::deque<std::pair<std::shared_ptr<const StreamMessage>, size_t>> messages;
  size_t bytes = 0;

  bool answered() const { return part > 0; }
};

struct LogRelay::Shared {
  Shared(Clock& its_clock, LogRelayOptions its_options) : clock(its_clock), options(its_options) {}

  Clock& clock;
  const LogRelayOptions options;
  std::mutex mutex;
  bool stopping = false;
  size_t bytes = 0;  // of all requests
  std::map<std::string, std::shared_ptr<Request>> requests;
  std::multimap<HostId, HostListener*> listeners;

  // When to tell the reader that its host does not answer.
  SteadyTime Deadline(const Request& request) const {
    return request.answered() ? request.answered_at + options.silence_max
                              : request.opened_at + options.answer_wait;
  }
  Error NoAnswer(const Request& request) const;
  void Take(Request& request, const v1::SendLogRequest& part);
};

class LogRelay::HostListener final : public Listener {
 public:
  HostListener(std::shared_ptr<Shared> shared, const HostId& host, OnReady on_ready)
      : shared_(std::move(shared)), on_ready_(std::move(on_ready)) {
    std::lock_guard lock(shared_->mutex);
    place_ = shared_->listeners.emplace(host, this);
    for (const auto& [id, request] : shared_->requests)
      if (request->wanted.host_id == host && !request->answered()) waiting_.push_back(request);
  }
  ~HostListener() override {
    std::lock_guard lock(shared_->mutex);
    shared_->listeners.erase(place_);
  }

  std::vector<v1::LogRequest> Take() override {
    std::lock_guard lock(shared_->mutex);
    std::vector<v1::LogRequest> taken;
    for (const auto& waiting : waiting_) {
      auto request = waiting.lock();
      if (request == nullptr || request->answered()) continue;
      request->handed_out = true;
      taken.push_back(request->wanted.request);
    }
    waiting_.clear();
    return taken;
  }

  // REQUIRES: the mutex is held.
  void Hear(const std::shared_ptr<Request>& request) {
    waiting_.push_back(request);
    on_ready_();
  }

 private:
  const std::shared_ptr<Shared> shared_;
  const OnReady on_ready_;
  std::multimap<HostId, HostListener*>::iterator place_;
  std::vector<std::weak_ptr<Request>> waiting_;
};

class LogRelay::Stream final : public MessageStream {
 public:
  Stream(std::shared_ptr<Shared> shared, std::shared_ptr<Request> request)
      : shared_(std::move(shared)), request_(std::move(request)) {}
  ~Stream() override {
    std::lock_guard lock(shared_->mutex);
    shared_->bytes -= request_->bytes;
    shared_->requests.erase(request_->wanted.request.id());
  }

  Result<StreamMessages> Next(size_t count_max) override {
    std::lock_guard lock(shared_->mutex);
    Request& request = *request_;
    request.read_at = shared_->clock.SteadyNow();
    StreamMessages taken;
    while (!request.messages.empty() && taken.size() < count_max) {
      auto& [message, bytes] = request.messages.front();
      taken.push_back(std::move(message));
      request.bytes -= bytes;
      shared_->bytes -= bytes;
      request.messages.pop_front();
    }
    if (!taken.empty()) return taken;
    if (request.failure) return Fail(*request.failure);
    if (request.over) return taken;
    if (shared_->stopping) return Fail(Stopping());
    if (request.read_at >= shared_->Deadline(request)) return Fail(shared_->NoAnswer(request));
    return taken;
  }

  bool IsOver() override {
    std::lock_guard lock(shared_->mutex);
    return request_->over && request_->messages.empty() && !request_->failure;
  }

  std::chrono::milliseconds Patience() override {
    std::lock_guard lock(shared_->mutex);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(shared_->Deadline(*request_) -
                                                                   shared_->clock.SteadyNow());
    return std::max(left, std::chrono::milliseconds(1));
  }

  std::shared_ptr<const StreamMessage> Heartbeat() override {
    return std::make_shared<const StreamMessage>(std::make_unique<v1::StreamNodeLogsResponse>());
  }

 private:
  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Request> request_;
};

Error LogRelay::Shared::NoAnswer(const Request& request) const {
  const std::string& host = request.wanted.host;
  if (request.answered()) {
    return Unavailable("HOST_SILENT",
                       fmt::format("host {} has sent nothing more for {} seconds: check that its "
                                   "agent runs and reaches this server",
                                   host, options.silence_max.count()))
        .With("host", host);
  }
  if (request.handed_out) {
    return Unavailable(
               "HOST_NOT_ANSWERING",
               fmt::format("host {} was asked for the log and has not answered within {} seconds: "
                           "its agent may be older than this server, or very busy",
                           host, options.answer_wait.count()))
        .With("host", host);
  }
  const std::string heard =
      request.wanted.heard_at
          ? fmt::format("it last reported at {}", FormatTime(*request.wanted.heard_at))
          : "it has never reported";
  return Unavailable(
             "HOST_NOT_CONNECTED",
             fmt::format("host {} is not connected to this server, {}: check that its agent runs; "
                         "if there are several servers, ask the one that it is connected to",
                         host, heard))
      .With("host", host)
      .With("heard_at", request.wanted.heard_at ? FormatTime(*request.wanted.heard_at) : "");
}

// Queues the part for its reader.
void LogRelay::Shared::Take(Request& request, const v1::SendLogRequest& part) {
  request.part = part.part();
  if (part.lines_size() > 0 || part.lost_lines() > 0) {
    auto message = std::make_unique<v1::StreamNodeLogsResponse>();
    *message->mutable_lines() = part.lines();
    message->set_lost_lines(part.lost_lines());
    const size_t size = message->ByteSizeLong();
    request.messages.emplace_back(std::make_shared<const StreamMessage>(std::move(message)), size);
    request.bytes += size;
    bytes += size;
  }
  if (part.end() || !part.error().empty()) {
    request.over = true;
    if (!part.error().empty()) {
      request.failure = Unavailable(
          "LOG_UNREADABLE",
          fmt::format("host {} could not read the log: {}", request.wanted.host, part.error()));
    }
  }
  request.on_ready();
}

LogRelay::LogRelay(Clock& clock, LogRelayOptions options)
    : shared_(std::make_shared<Shared>(clock, options)) {}

LogRelay::~LogRelay() { Stop(); }

Result<std::unique_ptr<MessageStream>> LogRelay::Open(Wanted wanted, OnReady on_ready) {
  std::lock_guard lock(shared_->mutex);
  if (shared_->stopping) return Fail(Stopping());
  const auto of_org = std::ranges::count_if(shared_->requests, [&](const auto& other) {
    return other.second->wanted.org_id == wanted.org_id;
  });
  if (shared_->requests.size() >= shared_->options.requests_max ||
      static_cast<size_t>(of_org) >= shared_->options.org_requests_max) {
    return Fail(Error(Code::kResourceExhausted, "TOO_MANY_LOG_STREAMS",
                      fmt::format("{} logs of this org and {} in all are being read: end one, or "
                                  "try again later",
                                  of_org, shared_->requests.size())));
  }
  auto request = std::make_shared<Request>();
  request->wanted = std::move(wanted);
  request->on_ready = std::move(on_ready);
  request->opened_at = shared_->clock.SteadyNow();
  request->read_at = request->opened_at;
  shared_->requests[request->wanted.request.id()] = request;
  const auto [begin, end] = shared_->listeners.equal_range(request->wanted.host_id);
  for (auto at = begin; at != end; ++at) at->second->Hear(request);
  return std::make_unique<Stream>(shared_, std::move(request));
}

std::unique_ptr<LogRelay::Listener> LogRelay::Listen(const HostId& host, OnReady on_ready) {
  return std::make_unique<HostListener>(shared_, host, std::move(on_ready));
}

Result<v1::SendLogResponse> LogRelay::Send(const HostId& host, const v1::SendLogRequest& part) {
  v1::SendLogResponse answer;
  size_t text_bytes = 0;
  for (const v1::LogLine& line : part.lines()) text_bytes += line.text().size();
  if (text_bytes > kPartBytesMax) {
    return Fail(InvalidArgument("LOG_PART_TOO_LARGE",
                                fmt::format("lines has {} bytes of text: send at most {} at a time",
                                            text_bytes, kPartBytesMax))
                    .With("field", "lines"));
  }
  std::lock_guard lock(shared_->mutex);
  auto found = shared_->requests.find(part.id());
  if (found == shared_->requests.end()) return answer;
  Request& request = *found->second;
  // A host must not learn of requests for other hosts.
  if (request.wanted.host_id != host || request.over || shared_->stopping) return answer;
  const SteadyTime now = shared_->clock.SteadyNow();
  request.answered_at = now;
  answer.set_go_on(true);
  if (part.part() <= request.part) return answer;  // its answer was lost
  const size_t size = part.ByteSizeLong();
  const bool fits = request.messages.empty() || request.bytes + size <= shared_->options.bytes_max;
  if (fits && shared_->bytes + size <= shared_->options.all_bytes_max) {
    shared_->Take(request, part);
    answer.set_go_on(!request.over);
    return answer;
  }
  if (now - request.read_at < shared_->options.unread_max) {
    answer.set_send_again(true);
    return answer;
  }
  request.over = true;
  request.failure = TooSlow();
  answer.set_go_on(false);
  return answer;
}

void LogRelay::Stop() {
  std::lock_guard lock(shared_->mutex);
  shared_->stopping = true;
  for (const auto& [id, request] : shared_->requests) request->on_ready();
}

}  // namespace tallyman::api
