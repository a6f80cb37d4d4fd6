// What operations that take many items at once share.
#pragma once

#include <fmt/core.h>

#include <string>

#include "base/result.h"

namespace tallyman::control {

// The error says which item of a batch it is about.
inline Error InItem(Error error, std::string_view list, size_t index, std::string_view field) {
  error.message = fmt::format("{}[{}]: {}", list, index, error.message);
  std::erase_if(error.facts,
                [](const auto& fact) { return fact.first == "index" || fact.first == "field"; });
  error.facts.emplace_back("index", std::to_string(index));
  error.facts.emplace_back("field", std::string(field));
  return error;
}

// A batch of 1 to 100,000. INVALID_ARGUMENT names the field.
inline Status CheckBatch(std::string_view list, size_t size) {
  if (size >= 1 && size <= 100'000) return {};
  return Fail(
      InvalidArgument("INVALID_BATCH",
                      fmt::format("{} has {} items: send 1 to 100000 at a time", list, size))
          .With("field", std::string(list)));
}

}  // namespace tallyman::control
