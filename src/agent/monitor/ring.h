// A node's log on its host: a ring of two preallocated files ("segments"), so that it never grows
// and can be written when the host's disk is full.
//
// A segment begins with a header: the magic, the position of its first record in the stream of all
// records ever written, and the number of bytes of its records. When one is full, the other is
// overwritten. A record is
//   u32 length of the whole record | u32 checksum of what follows, but the last field |
//   i64 microseconds since 1970 | u8 1: standard error | text | u32 length of the whole record
// in the byte order of the machine; the second length is for reading backwards. The text of a
// record is one line, at most kRingLineBytesMax of it.
//
// One writer, the node's monitor, and any number of concurrent readers. Records are written before
// the header counts them, and a reader checks the header again after reading: if the segment was
// overwritten in the meantime, it discards what it read. After a power cut a record may be garbage,
// which the checksum detects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tallyman::agent::monitor {

inline constexpr size_t kRingLineBytesMax = 16 << 10;
inline constexpr uint64_t kRingMagic = 0x31474F4C4D594C54;  // "TLYMLOG1"
inline constexpr size_t kRingRecordOverhead = 4 + 4 + 8 + 1 + 4;
inline constexpr const char* kRingSegments[2] = {"0", "1"};

struct RingHeader {
  uint64_t magic = 0;
  uint64_t start = 0;
  uint64_t used = 0;
};

struct RingRecord {
  int64_t at = 0;
  bool is_error = false;
  std::string_view text;
  size_t bytes = 0;  // of the whole record
};

// Appends the record of a line to `to`. REQUIRES: at most kRingLineBytesMax bytes.
void AppendRingRecord(std::string& to, int64_t at, bool is_error, std::string_view text);
// The record that begins at `at` in `bytes`; false: there is none, or it is incomplete or damaged.
bool ReadRingRecord(std::string_view bytes, size_t at, RingRecord& record);
// The length of the record that ends at `end`, from its last field; 0: there is none.
size_t RingRecordBefore(std::string_view bytes, size_t end);

// Writes a ring. Errors of the disk only lose lines. Not thread-safe.
class RingWriter {
 public:
  RingWriter() = default;
  ~RingWriter();
  RingWriter(const RingWriter&) = delete;
  RingWriter& operator=(const RingWriter&) = delete;

  // Opens or creates the ring in the existing `directory`, and continues at its end.
  void Open(const std::string& directory, size_t segment_bytes);
  // Buffered in memory until Flush(), or until there is much. Longer lines are split.
  void Append(int64_t at, bool is_error, std::string_view line);
  void Flush();

 private:
  struct Segment {
    int fd = -1;
    RingHeader header;
  };
  void OpenSegment(const std::string& path, size_t bytes, Segment& segment);
  void Begin(Segment& segment, uint64_t start, uint64_t used);
  void WriteHeader(const Segment& segment);

  Segment segments_[2];
  int current_ = 0;
  size_t room_ = 0;  // for records in a segment
  std::string waiting_;
};

// Creates the two files and allocates them. Returns 0 or the system's error number.
int AllocateRing(const std::string& directory, size_t segment_bytes);

}  // namespace tallyman::agent::monitor
