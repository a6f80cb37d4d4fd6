#include "cli/list.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"

namespace tallyman::cli {

void AddFilter(std::string& filter, std::string_view field, std::string_view value) {
  if (value.empty()) return;
  filter += fmt::format("{}{}=", filter.empty() ? "" : " ", field);
  if (!value.starts_with('=') && value.find_first_of(" \t\n\"\\,;'*") == std::string_view::npos) {
    filter += value;
    return;
  }
  filter += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') filter += '\\';
    filter += c;
  }
  filter += '"';
}

std::string JoinFilters(const std::string& a, const std::string& b) {
  return a + (a.empty() || b.empty() ? "" : " ") + b;
}

std::string Wrapped(const std::string& words) {
  constexpr size_t kWidth = 60;
  std::string text;
  size_t line_begin = 0;
  for (size_t at = 0; at < words.size();) {
    const size_t comma = words.find(", ", at);
    const size_t end = comma == std::string::npos ? words.size() : comma + 1;
    if (at > line_begin && end - line_begin > kWidth) {
      text.back() = '\n';
      line_begin = at;
    }
    text += words.substr(at, end - at) + ' ';
    at = end + 1;
  }
  if (!text.empty()) text.pop_back();
  return text;
}

std::string KeysOf(const std::vector<Column>& columns) {
  std::string keys;
  for (const Column& column : columns) keys += (keys.empty() ? "" : ", ") + column.Key();
  return keys;
}

Result<std::vector<size_t>> ChooseColumns(const Context& context,
                                          const std::vector<Column>& columns,
                                          const std::string& wanted) {
  std::vector<size_t> chosen;
  if (wanted.empty()) {
    for (size_t i = 0; i < columns.size(); ++i)
      if (!columns[i].is_wide || context.globals().wide) chosen.push_back(i);
    return chosen;
  }
  auto refuse = [](std::string what) {
    return Fail(InvalidArgument("INVALID_COLUMNS", std::move(what)).With("field", "--columns"));
  };
  if (!context.is_table())
    return refuse("--columns is for tables: leave it out, or take what you need of the document");
  for (size_t at = 0; at <= wanted.size();) {
    const size_t end = std::min(wanted.find(',', at), wanted.size());
    const std::string key = wanted.substr(at, end - at);
    const auto found = std::ranges::find(columns, key, &Column::Key);
    if (found == columns.end()) {
      return refuse(fmt::format("--columns: there is no column {}; there are: {}", Quote(key),
                                KeysOf(columns)));
    }
    chosen.push_back(static_cast<size_t>(found - columns.begin()));
    at = end + 1;
  }
  return chosen;
}

void SortNaturally(std::vector<std::vector<Cell>>& rows) {
  std::ranges::stable_sort(rows, [](const auto& a, const auto& b) {
    return NaturallyBefore(a.at(0).text, b.at(0).text);
  });
}

namespace {

// What was chosen is shown.
std::vector<Column> Chosen(const std::vector<Column>& columns, const std::vector<size_t>& places) {
  std::vector<Column> chosen;
  for (const size_t place : places) chosen.emplace_back(columns[place]).is_wide = false;
  return chosen;
}

}  // namespace

ListTable::ListTable(Context& context, const std::vector<Column>& columns,
                     std::vector<size_t> shown, bool by_name, std::optional<size_t> quiet_column)
    : context_(context),
      shown_(std::move(shown)),
      table_(Chosen(columns, shown_), true),
      by_name_(by_name),
      quiet_column_(quiet_column) {}

void ListTable::Add(std::vector<Cell> row, std::pair<std::string, std::string> note) {
  if (rows_.size() == kRowsHeld) Print();
  rows_.push_back(std::move(row));
  if (!note.second.empty()) notes_.push_back(std::move(note));
}

void ListTable::End(bool is_whole, std::string_view when_empty) {
  if (by_name_ && is_whole && !has_printed_) SortNaturally(rows_);
  if (!rows_.empty()) return Print();
  if (!has_printed_ && !when_empty.empty()) context_.Detail(when_empty);
}

void ListTable::Print() {
  has_printed_ = true;
  if (quiet_column_ && context_.globals().quiet) {
    for (const auto& cells : rows_) context_.Line(Printable(cells[*quiet_column_].text));
  } else {
    for (auto& cells : rows_) {
      std::vector<Cell> kept;
      for (const size_t place : shown_)
        kept.push_back(place < cells.size() ? cells[place] : Cell());
      table_.AddRow(std::move(kept));
    }
    context_.Detail(table_);
    table_.ForgetRows(context_.width_max());
    for (const auto& [title, text] : notes_) PrintBlock(context_, title, text);
  }
  rows_.clear();
  notes_.clear();
}

}  // namespace tallyman::cli
