// INSERT statements from lists of columns, put together by the compiler.
//
//   kInsertSql<"INSERT INTO orgs", "id, name", "VALUES">.data()
//     -> INSERT INTO orgs (id, name) VALUES ($1, $2)
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace tallyman {

// A string literal as a parameter of a template.
template <size_t kSize>
struct SqlLiteral {
  char text[kSize];

  consteval SqlLiteral(const char (&literal)[kSize]) { std::ranges::copy(literal, text); }
  constexpr std::string_view view() const { return {text, kSize - 1}; }
};

// Writes into an array that is long enough; one that is not does not compile.
template <size_t kSize>
struct SqlWriter {
  std::array<char, kSize> text{};
  size_t at = 0;

  constexpr void Add(std::string_view part) {
    for (char c : part) text[at++] = c;
  }
  constexpr void AddNumber(int number) {
    if (number > 9) text[at++] = static_cast<char>('0' + number / 10);
    text[at++] = static_cast<char>('0' + number % 10);
  }
};

// BEFORE (COLUMNS) FROM ($1, $2, ...)AFTER: one parameter for each column, at most 99.
template <SqlLiteral kBefore, SqlLiteral kColumns, SqlLiteral kFrom, SqlLiteral kAfter = "">
inline constexpr auto kInsertSql = [] {
  constexpr auto columns = std::ranges::count(kColumns.view(), ',') + 1;
  SqlWriter<sizeof kBefore + sizeof kColumns + sizeof kFrom + sizeof kAfter + 5 * columns + 8>
      writer;
  writer.Add(kBefore.view());
  writer.Add(" (");
  writer.Add(kColumns.view());
  writer.Add(") ");
  writer.Add(kFrom.view());
  for (int i = 1; i <= columns; ++i) {
    writer.Add(i == 1 ? " ($" : ", $");
    writer.AddNumber(i);
  }
  writer.Add(")");
  writer.Add(kAfter.view());
  return writer.text;
}();

}  // namespace tallyman
