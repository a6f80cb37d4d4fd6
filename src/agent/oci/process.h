// Runs a tool with an argument vector, never a shell; with a deadline; and with bounded output.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/file.h"
#include "agent/oci/job.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// Reasons that are compared.
inline constexpr char kToolFailed[] = "TOOL_FAILED";
inline constexpr char kToolMissing[] = "TOOL_MISSING";
inline constexpr char kToolTimedOut[] = "TOOL_TIMED_OUT";

struct ProcessOptions {
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
  // The file for both outputs, for a tool that leaves a process behind which keeps them open;
  // empty: they are read. The file is created or appended to.
  std::string output_file = {};
  // Whose the pipes of both outputs are, for what opens them by name (/dev/stdout); -1: ours.
  int64_t output_owner = -1;
  // A descriptor that the tool inherits, so that a lock on it lasts as long as the tool; -1: none.
  int inherited = -1;
  // Kill the tool when this process dies, for work that is started over instead of waited for.
  bool dies_with_caller = false;
  // Destroying the Process leaves the tool running, for work that must not be interrupted.
  bool left_running = false;
  // On a stop request the tool is killed, and the result is CANCELED TOOL_STOPPED.
  std::stop_token stop = {};
  // Added to the tool's environment, each NAME=VALUE.
  std::vector<std::string> variables = {};
};

struct ProcessResult {
  int exit_status = 0;  // 128 + N if signal N ended it
  // The first 64 KiB of each; the rest is read and dropped.
  std::string out;
  std::string err;
};

// A running tool. Its outputs are read when it is polled, so a tool that prints much between two
// polls waits. Movable; destroying it kills the tool with its whole process group, unless it is set
// to keep running.
//
// Thread-safe for different processes.
class Process {
 public:
  // Starts `arguments[0]`, found in the system's program directories unless it is an absolute path,
  // with a small fixed environment, in its own process group and without input. FAILED_PRECONDITION
  // TOOL_MISSING; INTERNAL TOOL_NOT_STARTED.
  static Result<Process> Start(std::vector<std::string> arguments, ProcessOptions options = {});
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  // Empty: it still runs. After its timeout the group is killed: DEADLINE_EXCEEDED TOOL_TIMED_OUT;
  // CANCELED TOOL_STOPPED. REQUIRES: it has not returned its result before.
  std::optional<Result<ProcessResult>> Poll();
  // Waits until it is worth polling again, at most this long.
  void WaitFor(std::chrono::milliseconds patience) const;
  pid_t pid() const { return pid_; }

 private:
  Process() = default;
  void Kill();

  std::vector<std::string> arguments_;
  ProcessOptions options_;
  std::chrono::steady_clock::time_point deadline_;
  pid_t pid_ = -1;  // -1: reaped
  FileDescriptor pidfd_;
  FileDescriptor out_;
  FileDescriptor err_;
  ProcessResult result_;
};

// Runs a tool to its end without blocking a thread. Errors as Process.
Job<ProcessResult> RunProcessJob(std::vector<std::string> arguments, ProcessOptions options = {});
// The same, but an exit status other than 0 is INTERNAL TOOL_FAILED with the end of the tool's
// messages. Returns its standard output.
Job<std::string> RunToolJob(std::vector<std::string> arguments, ProcessOptions options = {});

// Blocking versions of both, for tools that end at once.
Result<ProcessResult> RunProcess(const std::vector<std::string>& arguments,
                                 const ProcessOptions& options = {});
Result<std::string> RunTool(const std::vector<std::string>& arguments,
                            const ProcessOptions& options = {});

// Makes TOOL_FAILED, for callers that handle some statuses themselves.
Error ToolFailed(const std::vector<std::string>& arguments, const ProcessResult& result);

}  // namespace tallyman::agent::oci
