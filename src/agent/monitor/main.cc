// `tallyman-monitor`, which the agent starts for every node: see monitor.h.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "agent/monitor/monitor.h"

int main(int count, char** words) {
  tallyman::agent::monitor::MonitorOptions options;
  int i = 1;
  for (; i + 1 < count && std::string_view(words[i]) != "--"; i += 2) {
    const std::string_view name = words[i];
    const char* value = words[i + 1];
    if (name == "--directory") options.directory = value;
    if (name == "--log") options.log_directory = value;
    if (name == "--segment-bytes") options.segment_bytes = std::strtoull(value, nullptr, 10);
    if (name == "--group") options.groups.emplace_back(value);
    if (name == "--oom-file") options.oom_file = value;
    if (name == "--lock") options.lock = std::atoi(value);
    if (name == "--owner") options.owner = std::atoll(value);
    if (name == "--pid") options.pid = std::atoi(value);
    if (name == "--started") options.started = std::atoll(value);
  }
  for (++i; i < count; ++i) options.command.emplace_back(words[i]);
  if (options.directory.empty() || options.log_directory.empty() ||
      options.segment_bytes < 64 << 10 || (options.command.empty() && options.pid <= 1)) {
    std::fputs("tallyman-monitor is started by \"tallyman agent\", once for each node\n", stderr);
    return 2;
  }
  // Not the command's, until it is.
  if (options.lock >= 0) ::fcntl(options.lock, F_SETFD, FD_CLOEXEC);
  return tallyman::agent::monitor::RunMonitor(options);
}
