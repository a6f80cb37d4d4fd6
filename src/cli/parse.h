// From the words that were typed to the command that is meant.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/words.h"

namespace tallyman::cli {

struct Parsed {
  GlobalOptions globals;
  // The command; empty when there is only `text` to print, such as help.
  Action action;
  std::string text;
};

// Errors are those of CommandLine::Parse().
Result<Parsed> ParseCommandLine(const std::vector<std::string>& arguments,
                                const CliEnvironment& environment);

// The output format that is meant even where parsing failed: errors follow it too.
OutputFormat GuessOutputFormat(const std::vector<std::string>& arguments);

}  // namespace tallyman::cli
