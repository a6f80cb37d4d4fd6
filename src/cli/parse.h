// From the words that were typed to the command that is meant.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"

namespace tallyman {

using Command = std::function<CommandResult(Context&)>;

struct Parsed {
  GlobalOptions globals;
  // What is to be done; empty when there is only `text` to print, such as help.
  Command command;
  std::string text;
};

// Refused words are INVALID_ARGUMENT, reason USAGE (or that of what is wrong), and say where help
// is; an unknown word names the nearest known one. `globals` of the answer hold what was
// understood. With no words at all the answer is the help and reason NO_COMMAND.
Result<Parsed> ParseCommandLine(const std::vector<std::string>& arguments,
                                const CliEnvironment& environment);

// The output format that is meant even where parsing failed: errors follow it too.
OutputFormat GuessOutputFormat(const std::vector<std::string>& arguments);

// The one of `known` that is nearest to `typed`; empty when none is near.
std::string Nearest(const std::string& typed, const std::vector<std::string>& known);

}  // namespace tallyman
