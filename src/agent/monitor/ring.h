// What a node prints, on its host: a ring of two files ("segments") that are allocated ahead, so
// that it never grows, and can be written when the host's disk is full.
//
// A segment begins with a header: the magic, where its first record stands in the stream of all
// records ever written, and how many bytes of records it has. When one is full the other begins
// anew. A record is
//   u32 length of the whole record | u32 checksum of what follows, but the last field |
//   i64 microseconds since 1970 | u8 1: standard error | text | u32 length of the whole record
// in the byte order of the machine; the second length is for reading backwards. The text of a
// record is one line, at most kRingLineBytesMax of it.
//
// One writer, the node's monitor; any number of readers beside it. Bytes of records are written
// before the header counts them, and a reader looks at the header again after it has read: had the
// segment begun anew meanwhile, what was read is nothing. After a power cut a record may be
// garbage; the checksum tells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tallyman {

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
// The record that begins at `at` in `bytes`; false: there is none, or it is not whole and sound.
bool ReadRingRecord(std::string_view bytes, size_t at, RingRecord& record);
// The length of the record that ends at `end`, as it says itself; 0: there is none.
size_t RingRecordBefore(std::string_view bytes, size_t end);

// Writes a ring. Errors of the disk lose lines, and nothing else. Not thread-safe.
class RingWriter {
 public:
  RingWriter() = default;
  ~RingWriter();
  RingWriter(const RingWriter&) = delete;
  RingWriter& operator=(const RingWriter&) = delete;

  // Opens or makes the ring in `directory`, which is there, and goes on where it ended.
  void Open(const std::string& directory, size_t segment_bytes);
  // Kept in memory until Flush(), or until there is much of it. Longer lines are cut into several.
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

// Makes the two files and allocates them. 0, or the number of the system's error.
int AllocateRing(const std::string& directory, size_t segment_bytes);

}  // namespace tallyman
