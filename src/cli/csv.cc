#include "cli/csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace tallyman::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// Reads one character after the other and knows where it is.
class CsvReader {
 public:
  CsvReader(std::string_view file, std::string_view text, const CsvLimits& limits)
      : file_(file), text_(text), limits_(limits) {
    if (text_.starts_with(kByteOrderMark)) next_ = kByteOrderMark.size();
  }

  Result<CsvTable> Read() {
    CsvTable table;
    while (!AtEnd()) {
      const FilePosition start = position_;
      ASSIGN_OR_RETURN(CsvRow row, ReadRow());
      const bool empty = row.size() == 1 && row[0].text.empty() && !was_quoted_;
      if (!empty && first_empty_) {
        return Fail(Bad(*first_empty_, "an empty line; remove it"));
      }
      if (empty) {
        first_empty_ = first_empty_.value_or(start);
      } else {
        table.rows.push_back(std::move(row));
      }
    }
    return table;
  }

 private:
  bool AtEnd() const { return next_ == text_.size(); }
  char Peek() const { return text_[next_]; }
  bool AtLineEnd() const {
    return Peek() == '\n' || (Peek() == '\r' && text_.substr(next_).starts_with("\r\n"));
  }

  char Take() {
    const char c = text_[next_++];
    if (c == '\n') {
      ++position_.line;
      position_.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++position_.column;
    }
    return c;
  }

  Error Bad(FilePosition position, std::string_view what) const {
    return AtPosition(file_, position, "INVALID_CSV", what);
  }

  // Ends after the line's end.
  Result<CsvRow> ReadRow() {
    CsvRow row;
    was_quoted_ = false;
    while (true) {
      CsvField field{.position = position_};
      RETURN_IF_ERROR(!AtEnd() && Peek() == '"' ? ReadQuoted(field) : ReadPlain(field));
      if (!IsUtf8(field.text)) {
        return Fail(Bad(field.position, fmt::format("{} is not UTF-8", Quote(field.text))));
      }
      row.push_back(std::move(field));
      if (AtEnd()) return row;
      if (AtLineEnd()) {
        if (Take() == '\r') Take();
        return row;
      }
      Take();  // The comma.
    }
  }

  Status Append(CsvField& field, FilePosition at, char c) {
    if (c == '\0') return Fail(Bad(at, "a NUL character"));
    if (field.text.size() == limits_.field_bytes_max) {
      return Fail(Bad(field.position,
                      fmt::format("the field is longer than {} bytes", limits_.field_bytes_max)));
    }
    field.text += c;
    return {};
  }

  Status ReadPlain(CsvField& field) {
    while (!AtEnd() && Peek() != ',' && !AtLineEnd()) {
      const FilePosition at = position_;
      if (Peek() == '"') {
        return Fail(
            Bad(at, "a quote inside a field; put the whole field into quotes and double it"));
      }
      if (Peek() == '\r') return Fail(Bad(at, "a carriage return that ends no line"));
      RETURN_IF_ERROR(Append(field, at, Take()));
    }
    return {};
  }

  Status ReadQuoted(CsvField& field) {
    was_quoted_ = true;
    Take();
    while (true) {
      if (AtEnd()) return Fail(Bad(field.position, "the quote that opens here is never closed"));
      const FilePosition at = position_;
      const char c = Take();
      if (c != '"') {
        RETURN_IF_ERROR(Append(field, at, c));
      } else if (!AtEnd() && Peek() == '"') {
        RETURN_IF_ERROR(Append(field, at, Take()));
      } else if (AtEnd() || Peek() == ',' || AtLineEnd()) {
        return {};
      } else {
        return Fail(Bad(position_, "text after a closing quote"));
      }
    }
  }

  std::string_view file_;
  std::string_view text_;
  CsvLimits limits_;
  size_t next_ = 0;
  FilePosition position_;
  bool was_quoted_ = false;
  std::optional<FilePosition> first_empty_;
};

// Where in a row each of `columns` stands.
Result<std::vector<size_t>> FindColumns(std::string_view file, const CsvRow& header,
                                        const std::vector<std::string>& columns) {
  for (size_t i = 0; i < header.size(); ++i) {
    const CsvField& field = header[i];
    if (std::ranges::find(columns, field.text) == columns.end()) {
      return Fail(AtPosition(file, field.position, "INVALID_CSV",
                             fmt::format("unknown column {}; the columns are {}", Quote(field.text),
                                         fmt::join(columns, ","))));
    }
    for (size_t j = 0; j < i; ++j) {
      if (header[j].text == field.text) {
        return Fail(AtPosition(file, field.position, "INVALID_CSV",
                               fmt::format("column {} is there twice", Quote(field.text))));
      }
    }
  }
  std::vector<size_t> places;
  for (const std::string& column : columns) {
    const auto found = std::ranges::find(header, column, &CsvField::text);
    if (found == header.end()) {
      return Fail(AtPosition(file, {}, "INVALID_CSV",
                             fmt::format("column {} is missing; the columns are {}", Quote(column),
                                         fmt::join(columns, ","))));
    }
    places.push_back(static_cast<size_t>(found - header.begin()));
  }
  return places;
}

}  // namespace

Error AtPosition(std::string_view file, FilePosition position, std::string reason,
                 std::string_view what) {
  return AtPosition(file, position, InvalidArgument(std::move(reason), std::string(what)));
}

Error AtPosition(std::string_view file, FilePosition position, Error error) {
  error.message = fmt::format("{}:{}:{}: {}", file, position.line, position.column, error.message);
  return std::move(error)
      .With("file", std::string(file))
      .With("line", std::to_string(position.line))
      .With("column", std::to_string(position.column));
}

Result<CsvTable> ReadCsv(std::string_view file, std::string_view text, const CsvLimits& limits) {
  return CsvReader(file, text, limits).Read();
}

Result<std::vector<CsvRow>> SelectColumns(std::string_view file, CsvTable table,
                                          const std::vector<std::string>& columns) {
  if (table.rows.empty()) {
    return Fail(AtPosition(
        file, {}, "INVALID_CSV",
        fmt::format("the file is empty; its first line must be {}", fmt::join(columns, ","))));
  }
  ASSIGN_OR_RETURN(const auto places, FindColumns(file, table.rows[0], columns));
  std::vector<CsvRow> rows;
  rows.reserve(table.rows.size() - 1);
  for (size_t i = 1; i < table.rows.size(); ++i) {
    CsvRow& from = table.rows[i];
    if (from.size() != columns.size()) {
      const size_t last = std::min(from.size() - 1, columns.size());
      return Fail(AtPosition(
          file, from[last].position, "INVALID_CSV",
          fmt::format("the row has {} fields, the header has {}", from.size(), columns.size())));
    }
    CsvRow row;
    row.reserve(places.size());
    for (const size_t place : places) row.push_back(std::move(from[place]));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tallyman::cli
