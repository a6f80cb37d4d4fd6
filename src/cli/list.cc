#include "cli/list.h"

#include <fmt/core.h>

namespace tallyman::cli {

void AddFilter(std::string& filter, std::string_view field, std::string_view value) {
  if (value.empty()) return;
  const bool quoted = value.find_first_of(" \t\n\"") != std::string_view::npos;
  filter += fmt::format("{}{}={}{}{}", filter.empty() ? "" : " ", field, quoted ? "\"" : "", value,
                        quoted ? "\"" : "");
}

std::string JoinFilters(const std::string& a, const std::string& b) {
  return a + (a.empty() || b.empty() ? "" : " ") + b;
}

}  // namespace tallyman::cli
