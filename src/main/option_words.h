// Options whose value is one of a few words.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>

#include "base/enum_text.h"
#include "base/reasons.h"
#include "base/result.h"
#include "base/text.h"

namespace tallyman::app {

inline std::unexpected<Error> RefuseOption(std::string reason, std::string_view option,
                                           std::string_view value, std::string_view why) {
  return Fail(
      InvalidArgument(std::move(reason), fmt::format("{} is {}: {}", option, Quote(value), why))
          .With("field", std::string(option))
          .With("value", Quote(value)));
}

template <class Enum>
Status ReadWord(std::string_view option, const std::string& word, Enum& value) {
  if (auto known = FromText<Enum>(word)) {
    value = *known;
    return {};
  }
  return RefuseOption(kUsage, option, word,
                      fmt::format("write {}", fmt::join(EnumText<Enum>::kWords, " or ")));
}

}  // namespace tallyman::app
