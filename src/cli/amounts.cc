#include "cli/amounts.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/text.h"

namespace tallyman::cli {
namespace {

struct Unit {
  std::string_view name;  // lower case
  int64_t bytes;
};

constexpr std::array kUnits = {
    Unit{"b", 1},       Unit{"kb", 1000},          Unit{"mb", kMega},
    Unit{"gb", kGiga},  Unit{"tb", 1000 * kGiga},  Unit{"pb", 1000 * 1000 * kGiga},
    Unit{"kib", 1024},  Unit{"mib", kMebi},        Unit{"gib", kGibi},
    Unit{"tib", kTebi}, Unit{"pib", 1024 * kTebi},
};

// Fewer bytes than that are a forgotten unit.
constexpr int64_t kBareBytesMin = kMega;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool AllDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, IsDigit);
}

Error Refuse(std::string_view reason, std::string_view field, std::string_view text,
             std::string_view why) {
  return InvalidArgument(std::string(reason), fmt::format("{} is {}: {}", field, Quote(text), why))
      .With("field", std::string(field))
      .With("value", std::string(text.substr(0, 100)));
}

// Why digits alone were not enough.
std::string_view WhyNoCount(std::string_view text) {
  if (text.empty()) return "a number is missing";
  if (text[0] == '-' && AllDigits(text.substr(1))) return "it may not be negative";
  const size_t point = text.find_first_of(".,");
  if (point != std::string_view::npos && AllDigits(text.substr(0, point)) &&
      AllDigits(text.substr(point + 1))) {
    return "fractions are not accepted, write a whole number";
  }
  return "it is not a whole number";
}

Result<int64_t> ParseDigits(std::string_view reason, std::string_view field,
                            std::string_view digits, std::string_view text) {
  if (!AllDigits(digits)) return Fail(Refuse(reason, field, text, WhyNoCount(digits)));
  const auto number = ParseInt64(digits);
  if (!number) {
    return Fail(
        Refuse(reason, field, text, "it is beyond the largest number, 9223372036854775807"));
  }
  return *number;
}

}  // namespace

Result<int64_t> ParseCount(std::string_view field, std::string_view text) {
  return ParseDigits("INVALID_NUMBER", field, text, text);
}

Result<int64_t> ParsePositive(std::string_view field, std::string_view text, int64_t max) {
  ASSIGN_OR_RETURN(const int64_t number, ParseCount(field, text));
  if (number >= 1 && number <= max) return number;
  return Fail(Refuse("INVALID_NUMBER", field, text,
                     max == INT64_MAX ? "write 1 or more" : fmt::format("write 1 to {}", max)));
}

Result<int64_t> ParseAmount(std::string_view field, std::string_view text) {
  size_t end = text.size();
  while (end > 0 && !IsDigit(text[end - 1]) && text[end - 1] != '.' && text[end - 1] != ' ') --end;
  std::string unit(text.substr(end));
  std::ranges::transform(unit, unit.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  std::string_view digits = text.substr(0, end);
  if (digits.ends_with(' ') && !unit.empty()) digits.remove_suffix(1);
  // Text without any digit is not an amount in an unknown unit.
  if (digits.empty()) {
    return Fail(Refuse("INVALID_AMOUNT", field, text,
                       text.empty() ? "an amount is missing" : "it is not an amount such as 32GB"));
  }
  int64_t unit_bytes = 1;
  if (!unit.empty()) {
    const auto* found = std::ranges::find(kUnits, unit, &Unit::name);
    if (found == kUnits.end()) {
      return Fail(Refuse("INVALID_AMOUNT", field, text,
                         "use bytes, or one of kB MB GB TB PB KiB MiB GiB TiB PiB"));
    }
    unit_bytes = found->bytes;
  }
  auto count = ParseDigits("INVALID_AMOUNT", field, digits, text);
  if (!count) return Fail(std::move(count).error());
  if (unit.empty() && *count != 0 && *count < kBareBytesMin) {
    return Fail(Refuse("INVALID_AMOUNT", field, text,
                       fmt::format("a number without a unit means bytes, and so few are hardly "
                                   "meant: write {0}GB or {0}GiB, or {0}B",
                                   *count)));
  }
  const auto bytes = CheckedMul(*count, unit_bytes);
  if (!bytes) {
    return Fail(Refuse("INVALID_AMOUNT", field, text,
                       "it is beyond the largest amount, 9223372036854775807 bytes"));
  }
  return *bytes;
}

Result<int64_t> ScaleAmount(std::string_view field, int64_t count, int64_t unit_bytes) {
  const auto bytes = CheckedMul(count, unit_bytes);
  if (!bytes) {
    return Fail(Refuse("INVALID_AMOUNT", field, std::to_string(count),
                       fmt::format("times {} it is beyond the largest amount, 9223372036854775807 "
                                   "bytes",
                                   unit_bytes)));
  }
  return *bytes;
}

Result<std::pair<std::string, std::string>> ParseKeyValue(std::string_view field,
                                                          std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    // Without the text, which may be a secret.
    return Fail(InvalidArgument("INVALID_KEY_VALUE",
                                fmt::format("{} has no key or no value: write KEY=VALUE", field))
                    .With("field", std::string(field)));
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<int64_t> ParseLifetime(std::string_view field, std::string_view text) {
  struct Span {
    char letter;
    int64_t seconds;
  };
  constexpr Span kSpans[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}};
  const char letter = text.empty() ? ' ' : text.back();
  const auto* unit = std::ranges::find(kSpans, letter, &Span::letter);
  if (unit == std::end(kSpans)) {
    return Fail(InvalidArgument(
        "INVALID_LIFETIME",
        fmt::format("{} is {}: write a number and s, m, h or d, such as 30d", field, Quote(text))));
  }
  ASSIGN_OR_RETURN(const int64_t count, ParseCount(field, text.substr(0, text.size() - 1)));
  return ScaleAmount(field, count, unit->seconds);
}

}  // namespace tallyman::cli
