// Runs a tool: an argument vector, never a shell; a deadline; output that is bounded.
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

namespace tallyman {

struct ProcessOptions {
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
  // Where both outputs go, for a tool that leaves a process behind which keeps them; empty: they
  // are read. The file is created or appended to.
  std::string output_file = {};
  // Whose the pipes of both outputs are, for what opens them by name (/dev/stdout); -1: ours.
  int64_t output_owner = -1;
  // A descriptor that the tool inherits, so that a lock on it lasts as long as the tool; -1: none.
  int inherited = -1;
  // The tool is killed when this process dies, for work that is begun anew rather than waited for.
  bool dies_with_caller = false;
  // Destroying the Process leaves the tool running, for work that must not be broken off.
  bool left_running = false;
  // Asked for: the tool is killed, and the answer is CANCELED TOOL_STOPPED.
  std::stop_token stop = {};
  // Added to the tool's environment, each NAME=VALUE.
  std::vector<std::string> variables = {};
};

struct ProcessResult {
  int exit_status = 0;  // 128 + N when signal N ended it
  // The first 64 KiB of each; what is beyond is read and dropped.
  std::string out;
  std::string err;
};

// A tool that runs. Its outputs are read when it is looked at, so one that prints much between two
// looks waits for the next. Movable; destroying it kills the tool with its whole process group,
// unless it is to be left running.
//
// Thread-safe for different processes.
class Process {
 public:
  // Starts `arguments[0]`, found in the system's directories for programs unless it is an absolute
  // path, with a small fixed environment, in a process group of its own and with no input.
  // FAILED_PRECONDITION TOOL_MISSING; INTERNAL TOOL_NOT_STARTED.
  static Result<Process> Start(std::vector<std::string> arguments, ProcessOptions options = {});
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  // Empty: it still runs. After its timeout the group is killed: DEADLINE_EXCEEDED TOOL_TIMED_OUT;
  // CANCELED TOOL_STOPPED. REQUIRES: it has not given its result before.
  std::optional<Result<ProcessResult>> Poll();
  // Waits until it is worth looking at it again, at most that long.
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

// Runs a tool to its end, without a thread that waits. Errors as Process.
Job<ProcessResult> RunProcessJob(std::vector<std::string> arguments, ProcessOptions options = {});
// The same, where an exit status other than 0 is INTERNAL TOOL_FAILED with the end of what the tool
// said. Gives what it wrote to its standard output.
Job<std::string> RunToolJob(std::vector<std::string> arguments, ProcessOptions options = {});

// The same two for what ends at once: they wait.
Result<ProcessResult> RunProcess(const std::vector<std::string>& arguments,
                                 const ProcessOptions& options = {});
Result<std::string> RunTool(const std::vector<std::string>& arguments,
                            const ProcessOptions& options = {});

// What TOOL_FAILED is made of, for callers that know some statuses themselves.
Error ToolFailed(const std::vector<std::string>& arguments, const ProcessResult& result);

}  // namespace tallyman
