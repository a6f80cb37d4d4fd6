#include "agent/monitor/ring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tallyman::agent::monitor {
namespace {

constexpr size_t kHeaderBytes = sizeof(RingHeader);
constexpr size_t kFlushBytes = 256 << 10;

template <class Number>
void Put(std::string& to, Number number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

template <class Number>
Number Get(std::string_view bytes, size_t at) {
  Number number{};
  std::memcpy(&number, bytes.data() + at, sizeof(number));
  return number;
}

// FNV-1a.
uint32_t Checksum(std::string_view bytes) {
  uint32_t sum = 2166136261U;
  for (unsigned char byte : bytes) sum = (sum ^ byte) * 16777619U;
  return sum;
}

bool WriteAt(int fd, std::string_view bytes, size_t at) {
  while (!bytes.empty()) {
    ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(wrote));
    at += static_cast<size_t>(wrote);
  }
  return true;
}

// Preallocates; returns 0 or the system's error number.
int Allocate(int fd, size_t bytes) {
  // On a file system that cannot preallocate (EOPNOTSUPP), the ring still does not grow.
  const bool allocated =
      fd >= 0 && (::fallocate(fd, 0, 0, static_cast<off_t>(bytes)) == 0 || errno == EOPNOTSUPP);
  return allocated ? 0 : errno;
}

int OpenFile(const std::string& path) {
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

}  // namespace

void AppendRingRecord(std::string& to, int64_t at, bool is_error, std::string_view text) {
  const auto length = static_cast<uint32_t>(text.size() + kRingRecordOverhead);
  Put(to, length);
  const size_t sum_at = to.size();
  Put(to, uint32_t{0});
  Put(to, at);
  to += is_error ? '\1' : '\0';
  to += text;
  const uint32_t sum = Checksum(std::string_view(to).substr(sum_at + sizeof(uint32_t)));
  std::memcpy(to.data() + sum_at, &sum, sizeof(sum));
  Put(to, length);
}

bool ReadRingRecord(std::string_view bytes, size_t at, RingRecord& record) {
  if (at + kRingRecordOverhead > bytes.size()) return false;
  const size_t length = Get<uint32_t>(bytes, at);
  if (length < kRingRecordOverhead || length > kRingLineBytesMax + kRingRecordOverhead ||
      length > bytes.size() - at)
    return false;
  std::string_view whole = bytes.substr(at, length);
  std::string_view summed = whole.substr(8, length - 12);
  if (Get<uint32_t>(whole, 4) != Checksum(summed)) return false;
  record = {.at = Get<int64_t>(whole, 8),
            .is_error = whole[16] == '\1',
            .text = summed.substr(9),
            .bytes = length};
  return true;
}

size_t RingRecordBefore(std::string_view bytes, size_t end) {
  if (end < kRingRecordOverhead || end > bytes.size()) return 0;
  const size_t length = Get<uint32_t>(bytes, end - 4);
  return length >= kRingRecordOverhead && length <= end ? length : 0;
}

RingWriter::~RingWriter() {
  for (const Segment& segment : segments_) {
    if (segment.fd >= 0) ::close(segment.fd);
  }
}

void RingWriter::OpenSegment(const std::string& path, size_t bytes, Segment& segment) {
  segment.fd = OpenFile(path);
  RingHeader& header = segment.header;
  struct stat info{};
  const bool there =
      ::fstat(segment.fd, &info) == 0 &&
      ::pread(segment.fd, &header, kHeaderBytes, 0) == static_cast<ssize_t>(kHeaderBytes) &&
      header.magic == kRingMagic;
  if (!there) header = {};
  // A segment of another size: drop its content, but keep its end position.
  if (there && static_cast<size_t>(info.st_size) != bytes) {
    header.start += header.used;
    header.used = 0;
    if (::ftruncate(segment.fd, 0) != 0) header = {};
  }
  Allocate(segment.fd, bytes);
  // After a power cut the header may count bytes that were never written.
  std::string records(std::min<uint64_t>(header.used, room_), '\0');
  if (::pread(segment.fd, records.data(), records.size(), kHeaderBytes) !=
      static_cast<ssize_t>(records.size()))
    records.clear();
  header.used = 0;
  for (RingRecord record; ReadRingRecord(records, header.used, record);)
    header.used += record.bytes;
}

void RingWriter::Open(const std::string& directory, size_t segment_bytes) {
  room_ = segment_bytes - kHeaderBytes;
  for (int i = 0; i < 2; ++i)
    OpenSegment(directory + "/" + kRingSegments[i], segment_bytes, segments_[i]);
  const RingHeader& first = segments_[0].header;
  const RingHeader& second = segments_[1].header;
  const bool second_is_newer =
      second.magic == kRingMagic && (first.magic != kRingMagic || second.start > first.start);
  current_ = second_is_newer ? 1 : 0;
  Segment& current = segments_[current_];
  Begin(current, current.header.start, current.header.used);
}

void RingWriter::Begin(Segment& segment, uint64_t start, uint64_t used) {
  segment.header = {.magic = kRingMagic, .start = start, .used = used};
  WriteHeader(segment);
}

void RingWriter::WriteHeader(const Segment& segment) {
  WriteAt(segment.fd,
          std::string_view(reinterpret_cast<const char*>(&segment.header), kHeaderBytes), 0);
}

void RingWriter::Append(int64_t at, bool is_error, std::string_view line) {
  do {
    const std::string_view part = line.substr(0, kRingLineBytesMax);
    line.remove_prefix(part.size());
    if (segments_[current_].header.used + waiting_.size() + part.size() + kRingRecordOverhead >
        room_) {
      Flush();
      const RingHeader& full = segments_[current_].header;
      const uint64_t end = full.start + full.used;
      current_ = 1 - current_;
      Begin(segments_[current_], end, 0);
    }
    AppendRingRecord(waiting_, at, is_error, part);
    if (waiting_.size() >= kFlushBytes) Flush();
  } while (!line.empty());
}

void RingWriter::Flush() {
  if (waiting_.empty()) return;
  Segment& current = segments_[current_];
  if (WriteAt(current.fd, waiting_, kHeaderBytes + current.header.used)) {
    current.header.used += waiting_.size();
    WriteHeader(current);
  }
  waiting_.clear();
}

int AllocateRing(const std::string& directory, size_t segment_bytes) {
  for (const char* name : kRingSegments) {
    const int fd = OpenFile(directory + "/" + name);
    const int error = Allocate(fd, segment_bytes);
    if (fd >= 0) ::close(fd);
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace tallyman::agent::monitor
