#include "base/time.h"

#include <fmt/format.h>

#include "base/checked.h"

namespace tallyman {

using namespace std::chrono;

std::string FormatTime(Time time) {
  auto day = floor<days>(time);
  year_month_day date(day);
  hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

namespace {

std::optional<int64_t> Digits(std::string_view text, size_t at, size_t count) {
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
  }
  return ParseInt64(text.substr(at, count));
}

}  // namespace

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

}  // namespace tallyman
