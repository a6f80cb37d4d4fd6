// Scripts that make a shell complete the words of the command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tallyman {

// A word of the command line and what may follow it.
struct CommandWord {
  std::string name;
  std::string description;
  std::vector<std::string> options;  // "--image", "-o"
  std::vector<CommandWord> words;
};

// For bash, zsh or fish. INVALID_ARGUMENT, reason UNKNOWN_SHELL, for any other.
Result<std::string> CompletionScript(std::string_view shell, const CommandWord& root);

}  // namespace tallyman
