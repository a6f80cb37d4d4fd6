// Runs a tool and waits for it: an argument vector, never a shell; a deadline; output that is
// bounded.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"

namespace tallyman {

struct ProcessOptions {
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
  // Where both outputs go, for a tool that leaves a process behind which keeps them; empty: they
  // are read. The file is created or appended to.
  std::string output_file = {};
  // A descriptor that the tool inherits, so that a lock on it lasts as long as the tool; -1: none.
  int inherited = -1;
  // The tool is killed when this process dies, for work that is begun anew rather than waited for.
  bool dies_with_caller = false;
  // Asked for: the tool is killed, and the answer is CANCELED TOOL_STOPPED.
  std::stop_token stop = {};
};

struct ProcessResult {
  int exit_status = 0;  // 128 + N when signal N ended it
  // The first 64 KiB of each; what is beyond is read and dropped.
  std::string out;
  std::string err;
};

// Runs `arguments[0]`, found in the system's directories for programs unless it is an absolute
// path, with a small fixed environment, in a process group of its own and with no input. After the
// timeout the whole group is killed.
//
// Thread-safe. FAILED_PRECONDITION TOOL_MISSING; DEADLINE_EXCEEDED TOOL_TIMED_OUT; CANCELED
// TOOL_STOPPED; INTERNAL TOOL_NOT_STARTED.
Result<ProcessResult> RunProcess(const std::vector<std::string>& arguments,
                                 const ProcessOptions& options = {});

// The same, where an exit status other than 0 is INTERNAL TOOL_FAILED with the end of what the tool
// said. Gives what it wrote to its standard output.
Result<std::string> RunTool(const std::vector<std::string>& arguments,
                            const ProcessOptions& options = {});

// What TOOL_FAILED is made of, for callers that know some statuses themselves.
Error ToolFailed(const std::vector<std::string>& arguments, const ProcessResult& result);

}  // namespace tallyman
