// The life of a monitor: the parent of one container's first process, from its start to its end.
//
// It runs runc, reads the container's output from two named pipes into a ring (ring.h), waits for
// the container's end and records it. It knows nothing of agents and outlives them. It only uses
// the C library, so that it stays small: there is one for every node.
//
// In its directory, which belongs to this boot:
//   out, err   named pipes. The container has them open for reading too: a write never ends it by
//              SIGPIPE, and when the monitor is killed, another one reads on.
//   monitor    "PID STARTED": who the monitor is
//   pid        the container's first process
//   end        how it ended: "CODE SIGNAL MICROSECONDS OOM KNOWN", a line feed, and the end of what
//              it printed. CODE is 128 + SIGNAL where one ended it. OOM: it failed, and the kernel
//              had killed processes of it for want of memory. KNOWN is 0 where only its end was
//              seen, not its status.
#pragma once

#include <string>
#include <vector>

namespace tallyman::agent::monitor {

struct MonitorOptions {
  std::string directory;
  std::string log_directory;
  size_t segment_bytes = 8 << 20;
  // The group, in every hierarchy of control groups, to which the monitor moves, such as
  // /tallyman/monitor. It is outside the agent's, so that stopping the agent's group does not end
  // the monitor.
  std::vector<std::string> groups;
  std::string oom_file;
  int lock = -1;  // held until the container runs
  // Root of the container, which opens its pipes by name (/dev/stdout); -1: the host's root is.
  long long owner = -1;
  // What starts the container and ends. Empty: it runs, as process `pid`, and is to be watched.
  std::vector<std::string> command;
  int pid = 0;
  long long started = 0;  // as in /proc/PID/stat
};

// Forks into the background, where it returns when the container has ended. In the foreground it
// returns the exit status of the program as soon as the container runs or cannot be started: 0, or
// that of the command, or 100 with a message on standard error.
int RunMonitor(const MonitorOptions& options);

}  // namespace tallyman::agent::monitor
