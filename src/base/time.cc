#include "base/time.h"

#include <algorithm>
#include <cstdlib>

#include "base/checked.h"

namespace tallyman {

using namespace std::chrono;

namespace {

// The last `count` digits of `number`, at `at`; without a sign, because no time shown has one.
void PutDigits(std::string& text, size_t at, size_t count, int64_t number) {
  for (size_t i = at + count; i > at; number /= 10)
    text[--i] = static_cast<char>('0' + std::abs(number % 10));
}

std::optional<int64_t> Digits(std::string_view text, size_t at, size_t count) {
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
  }
  return ParseInt64(text.substr(at, count));
}

}  // namespace

std::string FormatTime(Time time) {
  auto day = floor<days>(time);
  year_month_day date(day);
  hh_mm_ss clock(time - day);
  std::string text = "0000-00-00T00:00:00.000000Z";
  PutDigits(text, 0, 4, static_cast<int>(date.year()));
  PutDigits(text, 5, 2, static_cast<unsigned>(date.month()));
  PutDigits(text, 8, 2, static_cast<unsigned>(date.day()));
  PutDigits(text, 11, 2, clock.hours().count());
  PutDigits(text, 14, 2, clock.minutes().count());
  PutDigits(text, 17, 2, clock.seconds().count());
  PutDigits(text, 20, 6, clock.subseconds().count());
  return text;
}

std::optional<Time> ParseTime(std::string_view text) {
  if (text.size() != 20 && text.size() != 27) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
      text.back() != 'Z') {
    return std::nullopt;
  }
  auto y = Digits(text, 0, 4), mo = Digits(text, 5, 2), d = Digits(text, 8, 2);
  auto h = Digits(text, 11, 2), mi = Digits(text, 14, 2), s = Digits(text, 17, 2);
  std::optional<int64_t> micros = 0;
  if (text.size() == 27) {
    if (text[19] != '.') return std::nullopt;
    micros = Digits(text, 20, 6);
  }
  if (!y || !mo || !d || !h || !mi || !s || !micros) return std::nullopt;
  year_month_day date(year(static_cast<int>(*y)), month(static_cast<unsigned>(*mo)),
                      std::chrono::day(static_cast<unsigned>(*d)));
  if (!date.ok() || *h > 23 || *mi > 59 || *s > 59) return std::nullopt;
  return Time(sys_days(date)) + hours(*h) + minutes(*mi) + seconds(*s) + microseconds(*micros);
}

std::optional<Time> ParseTypedTime(std::string_view text) {
  constexpr size_t kDateSize = 10;
  constexpr size_t kSecondsSize = 19;
  constexpr size_t kNanosSize = 30;
  constexpr size_t kOffsetSize = 6;  // "+02:00"
  if (text.size() == kSecondsSize + kOffsetSize && text[kSecondsSize + 3] == ':' &&
      (text[kSecondsSize] == '+' || text[kSecondsSize] == '-')) {
    const auto local = ParseTypedTime(std::string(text.substr(0, kSecondsSize)) + 'Z');
    const auto h = Digits(text, kSecondsSize + 1, 2);
    const auto mi = Digits(text, kSecondsSize + 4, 2);
    if (!local || !h || !mi || *h > 23 || *mi > 59) return std::nullopt;
    const auto offset = hours(*h) + minutes(*mi);
    return text[kSecondsSize] == '+' ? *local - offset : *local + offset;
  }
  if (text.size() > kNanosSize) return std::nullopt;
  std::string full(text);
  if (text.size() == kDateSize) full += "T00:00:00Z";
  // As tables show it, or without the letter.
  const bool is_short = text.size() == kSecondsSize;
  if (text.size() >= kSecondsSize && text[kDateSize] == ' ' &&
      (is_short || text.substr(kSecondsSize) == "Z")) {
    full[kDateSize] = 'T';
    if (is_short) full += 'Z';
  }
  if (text.size() > kSecondsSize + 2 && text[kSecondsSize] == '.' && text.back() == 'Z') {
    full.pop_back();
    if (!std::ranges::all_of(full.substr(kSecondsSize + 1),
                             [](char c) { return c >= '0' && c <= '9'; })) {
      return std::nullopt;
    }
    full.resize(kSecondsSize + 1 + 6, '0');
    full += 'Z';
  }
  return ParseTime(full);
}

}  // namespace tallyman
