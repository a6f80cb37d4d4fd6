// A container's output: reads two pipes, line by line, into a ring, with a rate limit.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/monitor/ring.h"

namespace tallyman::agent::monitor {

class Output {
 public:
  Output() = default;
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Without a ring, the output is read and lost.
  void OpenRing(const std::string& directory, size_t segment_bytes) {
    ring_.Open(directory, segment_bytes);
  }
  // `stream` is 0 for standard output, 1 for standard error.
  bool OpenPipe(int stream, const std::string& path);
  // -1: nothing more will come.
  int fd(int stream) const { return streams_[stream].fd; }
  bool IsOpen() const { return fd(0) >= 0 || fd(1) >= 0; }

  // Reads the available output, up to a bound; `at` is the time now. After much output in a short
  // time it pauses, so that a node that prints endlessly costs its host little.
  void Read(int stream, int64_t at);
  // Adds a line from the monitor itself.
  void Note(std::string_view line);
  void Flush() { ring_.Flush(); }
  // Also writes unfinished lines.
  void Close();
  // The end of the output, in whole lines unless they are too long.
  std::string Tail() const;

 private:
  struct Stream {
    int fd = -1;
    std::string line;  // an unfinished line
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

}  // namespace tallyman::agent::monitor
