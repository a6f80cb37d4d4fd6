// Tables of text that line up and fit a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tallyman::cli {

// Takes away what a line on a terminal shows.
inline constexpr std::string_view kEraseLine = "\r\x1b[K";

enum class Align { kLeft, kRight };
enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow };

// The text in that colour; as it is when colour is off or kNone.
std::string Paint(std::string_view text, Colour colour, bool colour_on);

// The text with control characters and broken UTF-8 written as \xNN: safe to print on a terminal.
std::string Printable(std::string_view text);

// How many columns it takes: one per character.
int DisplayWidth(std::string_view text);

struct Cell {
  std::string text;
  Colour colour = Colour::kNone;
};

struct Column {
  std::string title;
  Align align = Align::kLeft;
  // May be cut when the table is wider than the terminal: "..." stands for what is left out, in the
  // middle, or at the end of a sentence.
  bool shrinks = false;
  bool is_prose = false;
  // Shown with -o wide, and where it is asked for, only.
  bool is_wide = false;
  // How it is asked for, where that is not its title in small letters, "cpu_used".
  std::string key = {};

  std::string Key() const;
};

// Two spaces between columns, no trailing spaces, the titles first unless all are empty.
class Table {
 public:
  // `may_leave_out`: columns that do not fit even when they are cut, or only when the first one is
  // cut to less than half of the terminal, are left out from the right, and named below the rows.
  explicit Table(std::vector<Column> columns, bool may_leave_out = false)
      : columns_(std::move(columns)), may_leave_out_(may_leave_out) {}

  // A row shorter than the columns is filled up with empty cells.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  bool has_wide_columns() const;
  // The same without its wide columns.
  Table Narrow() const;

  // `width_max` 0: nothing is cut. Where it would be, columns that are empty are left out first.
  std::string Render(int width_max, bool colour_on) const;
  // Rows that follow are rendered without the titles, in the widths that the rows so far need;
  // longer cells are cut where they may be, else they push the rest of their line.
  void ForgetRows(int width_max);

 private:
  // The columns at these places.
  Table Only(const std::vector<size_t>& kept) const;
  // Whether all of several rows say the same there.
  bool IsUniform(size_t column) const;
  std::vector<int> Widths(int width_max) const;
  bool Fits(int width_max) const;
  std::vector<size_t> Kept(int width_max) const;

  std::vector<Column> columns_;
  bool may_leave_out_;
  std::vector<std::vector<Cell>> rows_;
  // Of rows that were forgotten: the widths of the columns, and their places in rows to come.
  std::vector<int> widths_;
  std::vector<size_t> kept_;
};

}  // namespace tallyman::cli
