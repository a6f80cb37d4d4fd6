#include "agent/oci/node_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "agent/file.h"
#include "agent/monitor/ring.h"
#include "agent/system_error.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kPartBytesMax = 1 << 20;
constexpr size_t kTailStepBytes = 256 << 10;
// How often a segment may be overwritten while it is read.
constexpr int kAttemptsMax = 8;

struct Segment {
  FileDescriptor file;
  uint64_t start = 0;
  uint64_t used = 0;

  uint64_t end() const { return start + used; }
};

std::optional<monitor::RingHeader> ReadHeader(int fd) {
  monitor::RingHeader header;
  const bool whole =
      ::pread(fd, &header, sizeof(header), 0) == static_cast<ssize_t>(sizeof(header));
  return whole && header.magic == monitor::kRingMagic ? std::optional(header) : std::nullopt;
}

std::optional<Segment> OpenSegment(const std::filesystem::path& path) {
  Segment segment;
  segment.file = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  const auto header = segment.file.is_open() ? ReadHeader(segment.file.get()) : std::nullopt;
  if (!header) return std::nullopt;
  segment.start = header->start;
  segment.used = header->used;
  return segment;
}

// The older one first, as they were at one moment; nullopt: the ring moved on in the meantime.
std::optional<std::vector<Segment>> OpenSegments(const std::filesystem::path& directory) {
  std::vector<Segment> segments;
  for (const char* name : monitor::kRingSegments) {
    auto segment = OpenSegment(directory / name);
    if (segment) segments.push_back(std::move(*segment));
  }
  if (segments.empty()) return segments;
  // The first may have been filled up and left, or begun anew, before the second was read.
  const auto first = ReadHeader(segments.front().file.get());
  if (!first || first->start != segments.front().start) return std::nullopt;
  segments.front().used = first->used;
  std::ranges::sort(segments, {}, &Segment::start);
  return segments;
}

// Up to `bytes` of records from position `at` of the stream on; nullopt: the segment was
// overwritten.
std::optional<std::string> ReadRecords(const Segment& segment, uint64_t at, uint64_t bytes) {
  std::string records(std::min<uint64_t>(bytes, segment.end() - at), '\0');
  const ssize_t got = ::pread(segment.file.get(), records.data(), records.size(),
                              static_cast<off_t>(sizeof(monitor::RingHeader) + at - segment.start));
  records.resize(got > 0 ? static_cast<size_t>(got) : 0);
  auto header = ReadHeader(segment.file.get());
  if (!header || header->start != segment.start) return std::nullopt;
  return records;
}

NodeLogLine LineOf(const monitor::RingRecord& record) {
  return {.at = Time(std::chrono::microseconds(record.at)),
          .is_error = record.is_error,
          .text = ValidUtf8(record.text)};
}

// False: the ring moved on before a line was read.
bool ReadPart(const std::filesystem::path& directory, uint64_t from, size_t lines_max,
              LogPart& part) {
  const auto segments = OpenSegments(directory);
  if (!segments) return false;
  uint64_t at = from;
  if (!segments->empty()) {
    const uint64_t first = segments->front().start;
    const uint64_t end = segments->back().end();
    // Zero means the present beginning.
    part.gap = from != 0 && (from < first || from > end);
    if (from < first || from > end) at = first;
  }
  size_t bytes = 0;
  bool moved_on = false;
  for (const Segment& segment : *segments) {
    if (at < segment.start) at = segment.start;
    while (at < segment.end() && part.lines.size() < lines_max && bytes < kPartBytesMax) {
      auto records = ReadRecords(segment, at, kPartBytesMax);
      moved_on = !records;
      if (moved_on) break;
      size_t done = 0;
      monitor::RingRecord record;
      while (part.lines.size() < lines_max && bytes < kPartBytesMax &&
             monitor::ReadRingRecord(*records, done, record)) {
        part.lines.push_back(LineOf(record));
        bytes += record.bytes;
        done += record.bytes;
      }
      at += done;
      if (done > 0 || part.lines.size() >= lines_max) continue;
      // No record begins here: a position that was never returned, or garbage after a power cut.
      part.gap = true;
      at = segment.end();
    }
    if (at < segment.end()) break;
  }
  part.next.offset = static_cast<int64_t>(at);
  return !moved_on || !part.lines.empty();
}

// How many bytes at the end of the segment are its last lines; counts them off `lines`.
std::optional<uint64_t> TailBytes(const Segment& segment, int64_t& lines) {
  uint64_t tail = 0;
  while (lines > 0 && tail < segment.used) {
    const uint64_t step = std::min<uint64_t>(kTailStepBytes, segment.used - tail);
    auto records = ReadRecords(segment, segment.end() - tail - step, step);
    if (!records) return std::nullopt;
    size_t end = records->size();
    for (size_t length = 1; lines > 0 && length > 0;) {
      length = monitor::RingRecordBefore(*records, end);
      end -= length;
      if (length > 0) --lines;
    }
    if (end == records->size()) break;  // a line longer than a step, or garbage
    tail += records->size() - end;
  }
  return tail;
}

}  // namespace

Result<LogPart> ReadNodeLog(const std::filesystem::path& directory, const LogPosition& from,
                            size_t lines_max) {
  const auto place = static_cast<uint64_t>(std::max<int64_t>(0, from.offset));
  for (int i = 0; i < kAttemptsMax; ++i) {
    LogPart part;
    part.next = from;
    if (ReadPart(directory, place, lines_max, part)) return part;
  }
  return Fail(Error(Code::kUnavailable, "LOG_BUSY",
                    "the node prints faster than its log can be read: ask for fewer lines"));
}

Result<LogPosition> FindNodeLogTail(const std::filesystem::path& directory, int64_t lines) {
  for (int i = 0; i < kAttemptsMax; ++i) {
    const auto segments = OpenSegments(directory);
    if (!segments) continue;
    uint64_t at = segments->empty() ? 0 : segments->back().end();
    int64_t left = lines;
    bool sound = true;
    for (auto segment = segments->rbegin(); segment != segments->rend() && left > 0; ++segment) {
      auto tail = TailBytes(*segment, left);
      sound = sound && tail.has_value();
      if (tail) at = segment->end() - *tail;
    }
    if (sound) return LogPosition{static_cast<int64_t>(at)};
  }
  return Fail(Error(Code::kUnavailable, "LOG_BUSY",
                    "the node prints faster than its log can be read: ask for fewer lines"));
}

}  // namespace tallyman::agent::oci
