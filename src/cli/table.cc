#include "cli/table.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "base/text.h"

namespace tallyman::cli {
namespace {

constexpr int kGap = 2;
constexpr int kShrunkWidthMin = 8;
constexpr std::string_view kCut = "...";

bool StartsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// The first `count` characters.
std::string_view Head(std::string_view text, int count) {
  size_t end = 0;
  while (end < text.size() && (count > 0 || !StartsCharacter(text[end]))) {
    if (StartsCharacter(text[end])) --count;
    ++end;
  }
  return text.substr(0, end);
}

// Names and versions differ mostly at their ends, sentences are read from their beginning.
std::string Fit(std::string_view text, int width, bool is_prose) {
  const int whole = DisplayWidth(text);
  if (whole <= width) return std::string(text);
  const int kept = width - static_cast<int>(kCut.size());
  const int head = is_prose ? kept : kept / 3;
  const std::string_view before_tail = Head(text, whole - (kept - head));
  return std::string(Head(text, head)).append(kCut).append(text.substr(before_tail.size()));
}

}  // namespace

std::string Paint(std::string_view text, Colour colour, bool colour_on) {
  if (!colour_on || colour == Colour::kNone) return std::string(text);
  static constexpr std::string_view kCodes[] = {"", "1", "2", "31", "32", "33"};
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<size_t>(colour)], text);
}

std::string Printable(std::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    size_t length = 1;
    while (length < text.size() && !StartsCharacter(text[length])) ++length;
    const std::string_view character = text.substr(0, length);
    const auto first = static_cast<unsigned char>(character[0]);
    if (first < 0x20 || first == 0x7f || !IsUtf8(character)) {
      for (const char c : character) {
        printable += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    } else {
      printable += character;
    }
    text.remove_prefix(length);
  }
  return printable;
}

int DisplayWidth(std::string_view text) {
  return static_cast<int>(std::ranges::count_if(text, StartsCharacter));
}

std::string Column::Key() const {
  if (!key.empty()) return key;
  std::string small;
  for (const char c : title) small += c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  return small;
}

void Table::AddRow(std::vector<Cell> cells) {
  if (!kept_.empty()) {
    cells.resize(kept_.back() + 1);
    for (size_t i = 0; i < kept_.size(); ++i) std::swap(cells[i], cells[kept_[i]]);
  }
  cells.resize(columns_.size());
  for (Cell& cell : cells) cell.text = Printable(cell.text);
  rows_.push_back(std::move(cells));
}

bool Table::has_wide_columns() const { return std::ranges::any_of(columns_, &Column::is_wide); }

Table Table::Narrow() const {
  std::vector<size_t> kept;
  for (size_t i = 0; i < columns_.size(); ++i)
    if (!columns_[i].is_wide) kept.push_back(i);
  return Only(kept);
}

Table Table::Only(const std::vector<size_t>& kept) const {
  Table narrow({}, may_leave_out_);
  for (const size_t i : kept) narrow.columns_.push_back(columns_[i]);
  for (const auto& row : rows_) {
    std::vector<Cell>& cells = narrow.rows_.emplace_back();
    for (const size_t i : kept) cells.push_back(row[i]);
  }
  return narrow;
}

bool Table::IsUniform(size_t column) const {
  return rows_.size() > 1 && std::ranges::all_of(rows_, [&](const auto& row) {
           return row[column].text == rows_[0][column].text;
         });
}

std::vector<int> Table::Widths(int width_max) const {
  std::vector<int> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    int width = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i].text));
    widths.push_back(width);
  }
  const int gaps = kGap * (static_cast<int>(columns_.size()) - 1);
  int excess = std::accumulate(widths.begin(), widths.end(), gaps) - width_max;
  if (width_max == 0) return widths;
  // What tells rows apart is cut last: first columns that say the same in every row, then the
  // others, then the first, which has the name.
  std::vector<bool> uniform;
  for (size_t i = 0; i < columns_.size(); ++i) uniform.push_back(IsUniform(i));
  for (int turn = 0; turn < 3; ++turn) {
    while (excess > 0) {
      // The widest loses a column.
      int* widest = nullptr;
      for (size_t i = 0; i < columns_.size(); ++i) {
        const bool is_its_turn = turn == 0 ? uniform[i] : turn == 2 || i > 0;
        const bool may_shrink = columns_[i].shrinks && widths[i] > kShrunkWidthMin && is_its_turn;
        if (may_shrink && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
      }
      if (widest == nullptr) break;
      --*widest;
      --excess;
    }
  }
  return widths;
}

bool Table::Fits(int width_max) const {
  const std::vector<int> widths = Widths(width_max);
  const int gaps = kGap * (static_cast<int>(columns_.size()) - 1);
  return std::accumulate(widths.begin(), widths.end(), gaps) <= width_max;
}

// Where something would be cut, nothing is for columns that say nothing.
std::vector<size_t> Table::Kept(int width_max) const {
  std::vector<size_t> kept(columns_.size());
  std::iota(kept.begin(), kept.end(), size_t{0});
  const bool is_cut = width_max > 0 && (Widths(width_max) != Widths(0) || !Fits(width_max));
  if (!widths_.empty() || rows_.empty() || !is_cut) return kept;
  std::erase_if(kept, [&](size_t i) {
    return std::ranges::all_of(rows_, [&](const auto& row) { return row[i].text.empty(); });
  });
  // What tells rows apart needs its room more than what stands on the right.
  const auto suits = [&](const Table& table) {
    const int wanted = std::min(table.Widths(0).front(), width_max / 2);
    return table.Fits(width_max) && table.Widths(width_max).front() >= wanted;
  };
  while (may_leave_out_ && kept.size() > 1 && !suits(Only(kept))) kept.pop_back();
  return kept;
}

void Table::ForgetRows(int width_max) {
  if (widths_.empty()) {
    std::vector<size_t> kept = Kept(width_max);
    *this = Only(kept);
    kept_ = std::move(kept);
    widths_ = Widths(width_max);
  }
  rows_.clear();
}

std::string Table::Render(int width_max, bool colour_on) const {
  if (const std::vector<size_t> kept = Kept(width_max); kept.size() < columns_.size()) {
    std::string left_out;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const bool is_empty =
          std::ranges::all_of(rows_, [&](const auto& row) { return row[i].text.empty(); });
      if (is_empty || std::ranges::find(kept, i) != kept.end()) continue;
      left_out += (left_out.empty() ? "" : ", ") + columns_[i].Key();
    }
    std::string text = Only(kept).Render(width_max, colour_on);
    if (!left_out.empty())
      text += Paint("not shown: " + left_out + " (-o wide)", Colour::kDim, colour_on) + "\n";
    return text;
  }
  const std::vector<int> widths = widths_.empty() ? Widths(width_max) : widths_;
  std::string text;
  auto add_line = [&](auto cell_at) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Cell cell = cell_at(i);
      const bool is_cut = width_max > 0 && columns_[i].shrinks;
      const int width = is_cut ? widths[i] : std::max(widths[i], DisplayWidth(cell.text));
      const std::string fitted = Fit(cell.text, width, columns_[i].is_prose);
      const std::string padding(static_cast<size_t>(width - DisplayWidth(fitted)), ' ');
      if (i > 0) line.append(kGap, ' ');
      if (columns_[i].align == Align::kRight) line += padding;
      line += Paint(fitted, fitted.empty() ? Colour::kNone : cell.colour, colour_on);
      if (columns_[i].align == Align::kLeft) line += padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  const bool titled = widths_.empty() && std::ranges::any_of(columns_, [](const Column& column) {
                        return !column.title.empty();
                      });
  if (titled) add_line([&](size_t i) { return Cell{columns_[i].title, Colour::kBold}; });
  for (const auto& row : rows_) add_line([&](size_t i) { return row[i]; });
  return text;
}

}  // namespace tallyman::cli
