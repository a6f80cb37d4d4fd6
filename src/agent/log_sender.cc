#include "agent/log_sender.h"

#include <algorithm>
#include <utility>

#include "agent/told.h"
#include "base/text.h"

namespace tallyman::agent {
namespace {

using std::chrono::microseconds;

constexpr const char* kMethod = "tallyman.v1.AgentService/SendLog";
constexpr size_t kLineBytesMax = size_t{16} * 1024;

google::protobuf::Timestamp ToMessage(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  google::protobuf::Timestamp out;
  out.set_seconds(seconds.time_since_epoch().count());
  out.set_nanos(static_cast<int32_t>((time - seconds).count() * 1000));
  return out;
}

// Clamps a requested time to the range that exists.
Time FromMessage(const google::protobuf::Timestamp& time) {
  constexpr int64_t kSecondsMax = 253'402'300'799;  // the end of the year 9999
  return Time(std::chrono::seconds(std::clamp<int64_t>(time.seconds(), 0, kSecondsMax)) +
              microseconds(time.nanos() / 1000));
}

}  // namespace

// Only the stepping thread touches it, except for what Take() sets before it is in the map.
struct LogSender::Answer {
  v1::LogRequest request;
  NodeId node_id;
  Time asked_at{};  // later lines are not requested, unless the log is followed
  SteadyTime taken_at{};
  std::string refusal;
  bool begun = false;
  bool at_end = false;  // everything was read
  bool over = false;
  LogPosition position;
  std::deque<v1::LogLine> lines;
  bool gap = false;
  // The part in flight: sent again until it is answered.
  std::optional<v1::SendLogRequest> part;
  int64_t part_number = 0;
  SteadyTime sent_at{};     // the last time that the control plane accepted a part
  SteadyTime not_before{};  // earliest time of the next attempt
};

LogSender::LogSender(client::Client& client, LogSource& source, Clock& clock,
                     LogSenderOptions options)
    : client_(client), source_(source), clock_(clock), options_(options) {}

LogSender::~LogSender() = default;

void LogSender::Take(const v1::LogRequest& request) {
  auto answer = std::make_shared<Answer>();
  answer->request = request;
  answer->asked_at = clock_.Now();
  answer->taken_at = clock_.SteadyNow();
  answer->sent_at = answer->taken_at;
  if (auto id = NodeId::Parse(request.node_id())) {
    answer->node_id = *id;
  } else {
    answer->refusal = "node_id is not an id";
  }
  {
    std::lock_guard lock(mutex_);
    // Up to twice as many: those beyond answers_max are refused. Further ones get no answer and
    // time out.
    if (answers_.size() >= 2 * options_.answers_max || request.id().empty()) return;
    if (answers_.size() >= options_.answers_max)
      answer->refusal =
          "it already serves as many readers of logs as it can: try again when one has ended";
    if (!answers_.emplace(request.id(), std::move(answer)).second) return;
    asked_ = true;
  }
  changed_.notify_all();
}

void LogSender::Begin(Answer& answer) {
  answer.begun = true;
  if (answer.request.tail() <= 0 || !answer.refusal.empty()) return;
  auto position = source_.FindLogTail(answer.node_id, answer.request.tail());
  if (position) {
    answer.position = *position;
  } else {
    answer.refusal = position.error().message;
  }
}

void LogSender::Read(Answer& answer) {
  auto read = source_.ReadLog(answer.node_id, answer.position, options_.lines_at_once);
  if (!read) {
    answer.refusal = read.error().message;
    return;
  }
  // The log begins somewhere: only a reader that had started before has lost lines.
  answer.gap |= read->gap && answer.position != LogPosition{};
  answer.position = read->next;
  if (read->lines.empty() && !answer.request.follow()) answer.at_end = true;
  for (const NodeLogLine& line : read->lines) {
    if (answer.request.has_since() && line.at < FromMessage(answer.request.since())) continue;
    // By then the existing lines are sent, unless the node prints faster than they can be sent.
    // Until then the times of lines do not count, because the clock may have been set back.
    const bool takes_long = clock_.SteadyNow() - answer.taken_at >= options_.patience;
    if (!answer.request.follow() && takes_long && line.at > answer.asked_at) {
      answer.at_end = true;
      return;
    }
    v1::LogLine& out = answer.lines.emplace_back();
    *out.mutable_at() = ToMessage(line.at);
    out.set_is_error(line.is_error);
    out.set_text(CleanText(line.text, kLineBytesMax));
  }
}

// Builds the next part, if there is anything to send.
void LogSender::MakePart(Answer& answer) {
  v1::SendLogRequest part;
  size_t bytes = 0;
  while (!answer.lines.empty()) {
    bytes += answer.lines.front().ByteSizeLong();
    if (bytes > options_.part_bytes_max && part.lines_size() > 0) break;
    *part.add_lines() = std::move(answer.lines.front());
    answer.lines.pop_front();
  }
  if (std::exchange(answer.gap, false)) part.set_lost_lines(1);
  part.set_end(answer.at_end && answer.lines.empty());
  if (!answer.refusal.empty()) {
    part.set_error(Told(answer.refusal));
    part.set_end(true);
  }
  const bool is_first = answer.part_number == 0;
  const bool is_due = clock_.SteadyNow() - answer.sent_at >= options_.sign_of_life;
  if (part.lines().empty() && part.lost_lines() == 0 && !part.end() && !is_first && !is_due) return;
  part.set_id(answer.request.id());
  part.set_part(++answer.part_number);
  answer.part = std::move(part);
}

void LogSender::Send(Answer& answer) {
  v1::SendLogResponse response;
  const Status sent = client_.Call(kMethod, *answer.part, response);
  const SteadyTime now = clock_.SteadyNow();
  if (sent && response.go_on() && !response.send_again()) {
    answer.sent_at = now;
    answer.over = answer.part->end();
    answer.part.reset();
    return;
  }
  // Either the reader is slow, which is not our concern, or the control plane is unreachable.
  if (sent && response.go_on()) {
    answer.sent_at = now;
  } else if (sent || now - answer.sent_at >= options_.patience) {
    answer.over = true;
  }
  answer.not_before = now + options_.retry_pause;
}

bool LogSender::Step(Answer& answer) {
  if (clock_.SteadyNow() < answer.not_before) return false;
  if (!answer.begun) Begin(answer);
  if (!answer.part) {
    if (answer.lines.empty() && !answer.at_end && answer.refusal.empty()) Read(answer);
    MakePart(answer);
  }
  if (!answer.part) return false;
  Send(answer);
  return true;
}

bool LogSender::Step() {
  std::vector<std::shared_ptr<Answer>> answers;
  {
    std::lock_guard lock(mutex_);
    asked_ = false;
    for (const auto& [id, answer] : answers_) answers.push_back(answer);
  }
  bool sent = false;
  for (const auto& answer : answers) {
    sent |= Step(*answer);
    if (!answer->over) continue;
    std::lock_guard lock(mutex_);
    answers_.erase(answer->request.id());
  }
  return sent;
}

void LogSender::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const bool sent = Step();
    std::unique_lock lock(mutex_);
    if (answers_.empty()) {
      changed_.wait(lock, stop, [this] { return asked_; });
    } else if (!sent) {
      changed_.wait_for(lock, stop, options_.poll, [this] { return asked_; });
    }
  }
}

}  // namespace tallyman::agent
