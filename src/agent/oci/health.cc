#include "agent/oci/health.h"

#include <fmt/core.h>

#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kShownBytesMax = 500;
// runc's own message when the command is missing or cannot be run.
constexpr std::string_view kNotStarted = "unable to start container process: ";

std::string End(std::string_view said) {
  while (said.ends_with('\n') || said.ends_with(' ')) said.remove_suffix(1);
  if (said.size() > kShownBytesMax) said.remove_prefix(said.size() - kShownBytesMax);
  return ValidUtf8(said);
}

}  // namespace

std::string DescribeFailedProbe(const std::vector<std::string>& command,
                                const ProcessResult& result) {
  const size_t not_started = result.err.rfind(kNotStarted);
  if (not_started != std::string::npos) {
    std::string_view why = std::string_view(result.err).substr(not_started + kNotStarted.size());
    const bool missing = why.find("no such file") != std::string_view::npos ||
                         why.find("not found") != std::string_view::npos;
    if (missing && command.front() == "/bin/sh" && command.size() > 1 && command[1] == "-c")
      return "its health command needs a shell, and the image has no /bin/sh";
    if (missing)
      return fmt::format("its health command {} is not in the image", Quote(command.front()));
    return fmt::format("its health command {} cannot be run: {}", Quote(command.front()),
                       End(why.substr(0, why.find("\"\n"))));
  }
  std::string said = End(result.out + result.err);
  return fmt::format("its health command ended with status {}{}", result.exit_status,
                     said.empty() ? " and printed nothing" : ": " + said);
}

}  // namespace tallyman::agent::oci
