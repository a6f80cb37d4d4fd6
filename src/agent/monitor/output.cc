#include "agent/monitor/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace tallyman::agent::monitor {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr int kReadsAtOnce = 8;
constexpr size_t kTailBytesMax = 2000;
// The tail is cut only now and then.
constexpr size_t kTailKeptBytes = 64 << 10;
// 32 MiB a second, counted over bursts of 4 MiB.
constexpr size_t kBurstBytes = 4 << 20;
constexpr int64_t kBurstMicros = 125'000;

int64_t MonotonicMicros() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

Output::~Output() {
  for (const Stream& stream : streams_) {
    if (stream.fd >= 0) ::close(stream.fd);
  }
}

bool Output::OpenPipe(int stream, const std::string& path) {
  streams_[stream].fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  return streams_[stream].fd >= 0;
}

void Output::Read(int stream, int64_t at) {
  Stream& from = streams_[stream];
  last_at_ = at;
  char buffer[kReadBytes];
  for (int i = 0; i < kReadsAtOnce && from.fd >= 0; ++i) {
    ssize_t got = ::read(from.fd, buffer, sizeof(buffer));
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      ::close(from.fd);
      from.fd = -1;
      return;
    }
    Take(stream, at, std::string_view(buffer, static_cast<size_t>(got)));
    KeepPace(static_cast<size_t>(got));
  }
}

void Output::Take(int stream, int64_t at, std::string_view bytes) {
  std::string& line = streams_[stream].line;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (line.empty() && end != std::string_view::npos && part.size() <= kRingLineBytesMax) {
      Emit(stream, at, part);
    } else {
      for (std::string_view left = part; !left.empty();) {
        const std::string_view fits = left.substr(0, kRingLineBytesMax - line.size());
        line += fits;
        left.remove_prefix(fits.size());
        if (line.size() == kRingLineBytesMax && !left.empty()) {
          Emit(stream, at, line);
          line.clear();
        }
      }
      if (end == std::string_view::npos) return;
      Emit(stream, at, line);
      line.clear();
    }
    bytes.remove_prefix(end + 1);
  }
}

void Output::Emit(int stream, int64_t at, std::string_view line) {
  ring_.Append(at, stream == 1, line);
  tail_.append(line.substr(line.size() - std::min(line.size(), kTailBytesMax)));
  tail_ += '\n';
  if (tail_.size() > kTailKeptBytes) tail_.erase(0, tail_.size() - kTailBytesMax - 1);
}

std::string Output::Tail() const {
  if (tail_.size() <= kTailBytesMax) return tail_;
  // Starts at the beginning of a line, if there is one.
  const size_t cut = tail_.size() - kTailBytesMax;
  const size_t end = tail_.find('\n', cut - 1);
  return tail_.substr(end + 1 < tail_.size() ? end + 1 : cut);
}

void Output::Note(std::string_view line) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  ring_.Append(static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000, true, line);
  ring_.Flush();
}

void Output::Close() {
  for (int i = 0; i < 2; ++i) {
    if (!streams_[i].line.empty()) Emit(i, last_at_, streams_[i].line);
    streams_[i].line.clear();
  }
  ring_.Flush();
}

void Output::KeepPace(size_t bytes) {
  const int64_t now = MonotonicMicros();
  if (now - burst_began_ > kBurstMicros) {
    burst_began_ = now;
    burst_bytes_ = 0;
  }
  burst_bytes_ += bytes;
  if (burst_bytes_ < kBurstBytes) return;
  const int64_t left = kBurstMicros - (now - burst_began_);
  if (left > 0) ::usleep(static_cast<useconds_t>(left));
  burst_began_ = MonotonicMicros();
  burst_bytes_ = 0;
}

}  // namespace tallyman::agent::monitor
