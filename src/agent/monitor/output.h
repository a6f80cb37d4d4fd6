// What a container prints: two pipes, read line by line into a ring, at a bounded pace.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/monitor/ring.h"

namespace tallyman {

class Output {
 public:
  Output() = default;
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Without a ring, what is printed is read and lost.
  void OpenRing(const std::string& directory, size_t segment_bytes) {
    ring_.Open(directory, segment_bytes);
  }
  // `stream` is 0 for standard output, 1 for standard error.
  bool OpenPipe(int stream, const std::string& path);
  // -1: nothing more will come.
  int fd(int stream) const { return streams_[stream].fd; }
  bool IsOpen() const { return fd(0) >= 0 || fd(1) >= 0; }

  // Reads what is there, at most some; `at` is the time now. When much came in a short time it
  // waits for a moment, so that a node that prints without end costs its host little.
  void Read(int stream, int64_t at);
  // A line of the monitor's own.
  void Note(std::string_view line);
  void Flush() { ring_.Flush(); }
  // Writes lines that have no end yet, too.
  void Close();
  // The last of what was printed, whole lines where they are not too long.
  std::string Tail() const;

 private:
  struct Stream {
    int fd = -1;
    std::string line;  // what has no end yet
  };
  void Take(int stream, int64_t at, std::string_view bytes);
  void Emit(int stream, int64_t at, std::string_view line);
  void KeepPace(size_t bytes);

  RingWriter ring_;
  Stream streams_[2];
  std::string tail_;
  int64_t last_at_ = 0;
  size_t burst_bytes_ = 0;
  int64_t burst_began_ = 0;
};

}  // namespace tallyman
