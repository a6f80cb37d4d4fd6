// Comma-separated values as RFC 4180 has them, read whole, every field with the place it stands at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tallyman::cli {

// Lines and columns count from 1; columns count characters, not bytes.
struct FilePosition {
  int64_t line = 1;
  int64_t column = 1;

  friend bool operator==(const FilePosition&, const FilePosition&) = default;
};

// INVALID_ARGUMENT with the message "FILE:LINE:COLUMN: what" and the facts file, line and column.
Error AtPosition(std::string_view file, FilePosition position, std::string reason,
                 std::string_view what);
// The same error, with the place before its message and among its facts.
Error AtPosition(std::string_view file, FilePosition position, Error error);

struct CsvField {
  std::string text;
  FilePosition position;
};

using CsvRow = std::vector<CsvField>;

struct CsvTable {
  std::vector<CsvRow> rows;
};

struct CsvLimits {
  size_t field_bytes_max = 4096;
};

// Takes LF and CRLF, a byte order mark, quoted fields with doubled quotes and line ends in them,
// and empty lines at the end. INVALID_ARGUMENT with the place, reason INVALID_CSV: text that is not
// UTF-8, NUL, a stray or unclosed quote, a field that is too long, an empty line between others.
Result<CsvTable> ReadCsv(std::string_view file, std::string_view text,
                         const CsvLimits& limits = {});

// The rows below the header, their fields brought into the order of `columns`. INVALID_ARGUMENT,
// reason INVALID_CSV: no header, a column that is missing, unknown or there twice, a row with more
// or fewer fields than the header.
Result<std::vector<CsvRow>> SelectColumns(std::string_view file, CsvTable table,
                                          const std::vector<std::string>& columns);

}  // namespace tallyman::cli
