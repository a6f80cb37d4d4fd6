#include "cli/rollout_numbers.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace tallyman::cli {

std::string FormatSpan(const google::protobuf::Duration& span) {
  const int64_t seconds = span.seconds();
  if (seconds > 0 && seconds % 3600 == 0) return fmt::format("{}h", seconds / 3600);
  if (seconds > 0 && seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}s", seconds);
}

Status ReadItems(const std::string& text, const std::function<Status(std::string item)>& take) {
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    RETURN_IF_ERROR(take(text.substr(from, comma - from)));
    from = comma + 1;
  }
  return {};
}

std::string Names(const google::protobuf::RepeatedPtrField<std::string>& names, int64_t count) {
  constexpr int kShown = 5;
  const int shown = std::min(kShown, names.size());
  const std::vector<std::string> first(names.begin(), names.begin() + shown);
  std::string text = fmt::format("{}", fmt::join(first, ", "));
  if (count > shown) text += fmt::format(" and {} more", count - shown);
  return text;
}

}  // namespace tallyman::cli
