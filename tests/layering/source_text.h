// C++ source split into code and string literals, as far as needed to search it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tallyman::layering {

struct SourceText {
  // The source with comments and the insides of string and character literals left out. The lines
  // stay where they were.
  std::string code;
  // The insides of the string literals, in order. Those of #include lines are among them.
  std::vector<std::string> literals;
  // The names in #include "..." lines.
  std::vector<std::string> own_includes;
  // The names in #include <...> lines.
  std::vector<std::string> library_includes;
};

// Never fails: text that is not C++ gives an odd but harmless answer.
SourceText ReadSource(std::string_view text);

}  // namespace tallyman::layering
