#include "agent/oci/signals.h"

#include <cctype>
#include <csignal>
#include <cstring>
#include <string>

#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

// Numbered as in a container: this process's C library reserves the first real-time signals and
// counts from there, as the container's does.
std::optional<int> RealTime(std::string_view rest, int from, char sign) {
  if (rest.empty()) return from;
  auto offset = rest.front() == sign ? ParseInt64(rest.substr(1)) : std::nullopt;
  if (!offset || *offset < 0 || *offset > SIGRTMAX - SIGRTMIN) return std::nullopt;
  return static_cast<int>(sign == '+' ? from + *offset : from - *offset);
}

}  // namespace

std::optional<int> ParseSignal(std::string_view text) {
  std::string name;
  for (char c : text) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (auto number = ParseInt64(name))
    return *number >= 1 && *number <= SIGRTMAX ? std::optional(static_cast<int>(*number))
                                               : std::nullopt;
  if (name.starts_with("SIG")) name.erase(0, 3);
  if (name.starts_with("RTMIN")) return RealTime(name.substr(5), SIGRTMIN, '+');
  if (name.starts_with("RTMAX")) return RealTime(name.substr(5), SIGRTMAX, '-');
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  // Older names of some.
  if (name == "IOT") return SIGABRT;
  if (name == "CLD") return SIGCHLD;
  if (name == "POLL") return SIGIO;
  return std::nullopt;
}

}  // namespace tallyman::agent::oci
