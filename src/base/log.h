// Logging, as a dependency: an interface that accepts lines. main writes them with spdlog, tests
// keep them.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace tallyman {

enum class LogLevel { kInfo, kWarning, kError };

struct LogLine {
  LogLevel level = LogLevel::kInfo;
  // A stable word that names the kind of line, such as "drift_found".
  std::string event;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;
};

// Thread-safe. Never blocks for long, never fails.
class Log {
 public:
  virtual ~Log() = default;
  virtual void Write(const LogLine& line) = 0;
};

// Keeps the lines, for tests and for commands that show them afterwards. Thread-safe.
class MemoryLog : public Log {
 public:
  void Write(const LogLine& line) override;
  std::vector<LogLine> lines() const;

 private:
  mutable std::mutex mutex_;
  std::vector<LogLine> lines_;
};

}  // namespace tallyman
