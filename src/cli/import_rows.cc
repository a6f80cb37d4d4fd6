#include "cli/import_rows.h"

#include <fmt/core.h>

#include <google/protobuf/util/message_differencer.h>
#include <algorithm>
#include <unordered_map>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/semver.h"
#include "base/text.h"
#include "cli/amounts.h"

namespace tallyman::cli {
namespace {

constexpr CsvLimits kLimits = {.field_bytes_max = 4096};

// Puts the place of `field` before an error that reading it gave.
template <class T>
Result<T> At(std::string_view file, const CsvField& field, Result<T> result) {
  if (result) return result;
  return Fail(AtPosition(file, field.position, std::move(result).error()));
}

Status CheckField(std::string_view file, const std::string& column, const CsvField& field) {
  if (const Status valid = CheckName(column, field.text); !valid) {
    return Fail(AtPosition(file, field.position, valid.error()));
  }
  return {};
}

// A count of 1 or more, times a unit.
Result<int64_t> ReadPositive(std::string_view file, const std::string& column,
                             const CsvField& field, int64_t unit) {
  ASSIGN_OR_RETURN(const int64_t count, At(file, field, ParseCount(column, field.text)));
  if (count == 0) {
    return Fail(AtPosition(file, field.position, "INVALID_NUMBER",
                           fmt::format("{} is 0: it must be 1 or more", column)));
  }
  return At(file, field, ScaleAmount(column, count, unit));
}

Result<v1::ImageSpec> ReadImageRow(std::string_view file, const CsvRow& row,
                                   const std::string& org) {
  constexpr int64_t kSecondsMax = 253402300799;  // the end of the year 9999
  v1::ImageSpec spec;
  ASSIGN_OR_RETURN(const int64_t seconds,
                   At(file, row[0], ParseCount("committed_at", row[0].text)));
  if (seconds > kSecondsMax) {
    return Fail(
        AtPosition(file, row[0].position, "INVALID_NUMBER",
                   fmt::format("committed_at is {}: that is after the year 9999", seconds)));
  }
  spec.mutable_committed_at()->set_seconds(seconds);
  for (const size_t i : {1, 2, 3}) RETURN_IF_ERROR(CheckField(file, kImageColumns[i], row[i]));
  if (!SemVer::Parse(row[4].text)) {
    return Fail(AtPosition(
        file, row[4].position, "INVALID_VERSION",
        fmt::format("semantic_version is {}: write MAJOR.MINOR.PATCH", Quote(row[4].text))));
  }
  spec.set_protocol(row[1].text);
  spec.set_variant(row[3].text);
  std::ranges::replace(*spec.mutable_variant(), '_', '-');
  spec.set_semantic_version(row[4].text);
  spec.set_image_uri(row[2].text + ":" + row[4].text);
  spec.set_org(org);
  ASSIGN_OR_RETURN(const int64_t cpu, ReadPositive(file, "cpu_cores", row[5], 1));
  ASSIGN_OR_RETURN(const int64_t memory, ReadPositive(file, "memory_mb", row[6], kMega));
  ASSIGN_OR_RETURN(const int64_t disk, ReadPositive(file, "disk_gb", row[7], kGiga));
  spec.mutable_minimum()->set_cpu_cores(cpu);
  spec.mutable_minimum()->set_memory_bytes(memory);
  spec.mutable_minimum()->set_disk_bytes(disk);
  return spec;
}

Result<v1::HostSpec> ReadHostRow(std::string_view file, const CsvRow& row,
                                 const std::string& region, int64_t disk_bytes) {
  constexpr int64_t kMilliPerCore = 1000;
  v1::HostSpec spec;
  RETURN_IF_ERROR(CheckField(file, "sn", row[0]));
  spec.set_name(row[0].text);
  spec.set_region(region);
  ASSIGN_OR_RETURN(const int64_t milli, At(file, row[1], ParseCount("cpu_milli", row[1].text)));
  if (milli < kMilliPerCore) {
    return Fail(
        AtPosition(file, row[1].position, "INVALID_NUMBER",
                   fmt::format("cpu_milli is {}: a host needs a whole core, 1000 or more", milli)));
  }
  ASSIGN_OR_RETURN(const int64_t memory, ReadPositive(file, "memory_mib", row[2], kMebi));
  spec.mutable_capacity()->set_cpu_cores(milli / kMilliPerCore);
  spec.mutable_capacity()->set_memory_bytes(memory);
  spec.mutable_capacity()->set_disk_bytes(disk_bytes);
  return spec;
}

// Reads every row, and keeps the first of those with the same key. `differs_at` names the first
// column in which two specs of one key differ.
template <class Spec, class Read, class Key>
Result<ImportRows<Spec>> ReadRows(std::string_view file, std::string_view text,
                                  const std::vector<std::string>& columns, size_t key_column,
                                  Read read, Key key) {
  ASSIGN_OR_RETURN(CsvTable table, ReadCsv(file, text, kLimits));
  ASSIGN_OR_RETURN(std::vector<CsvRow> rows, SelectColumns(file, std::move(table), columns));
  ImportRows<Spec> out;
  std::unordered_map<std::string, size_t> seen;
  for (CsvRow& row : rows) {
    ASSIGN_OR_RETURN(Spec spec, read(row));
    const auto [found, is_new] = seen.emplace(key(spec), out.specs.size());
    if (is_new) {
      out.specs.push_back(std::move(spec));
      out.rows.push_back(std::move(row));
      continue;
    }
    const CsvRow& first = out.rows[found->second];
    if (!google::protobuf::util::MessageDifferencer::Equals(spec, out.specs[found->second])) {
      size_t differs = key_column;
      for (size_t i = columns.size(); i-- > 0;) {
        if (row[i].text != first[i].text) differs = i;
      }
      return Fail(
          AtPosition(file, row[differs].position, "CONFLICTING_ROWS",
                     fmt::format("{} is {}, but line {} says {} for the same key", columns[differs],
                                 Quote(row[differs].text), first[differs].position.line,
                                 Quote(first[differs].text))));
    }
    ++out.repeated;
  }
  return out;
}

// The column that a field of a spec was read from; npos when it comes from no column.
size_t ColumnOf(std::string_view field, const std::vector<std::string>& columns) {
  static const std::vector<std::pair<std::string_view, std::string_view>> kMeanings = {
      {"protocol", "protocol_key"},
      {"variant", "variant_key"},
      {"semantic_version", "semantic_version"},
      {"image_uri", "image"},
      {"committed_at", "committed_at"},
      {"cpu_cores", "cpu_cores"},
      {"cpu_cores", "cpu_milli"},
      {"memory_bytes", "memory_mb"},
      {"memory_bytes", "memory_mib"},
      {"disk_bytes", "disk_gb"},
      {"name", "sn"}};
  const std::string_view last = field.substr(field.rfind('.') + 1);
  for (const auto& [name, column] : kMeanings) {
    const auto found = std::ranges::find(columns, column);
    if (name == last && found != columns.end()) return static_cast<size_t>(found - columns.begin());
  }
  return std::string_view::npos;
}

}  // namespace

Result<ImportRows<v1::ImageSpec>> ReadImageRows(std::string_view file, std::string_view text,
                                                const std::string& org) {
  constexpr size_t kKeyColumn = 3;
  return ReadRows<v1::ImageSpec>(
      file, text, kImageColumns, kKeyColumn,
      [&](const CsvRow& row) { return ReadImageRow(file, row, org); },
      [](const v1::ImageSpec& spec) {
        return fmt::format("{}/{}@{} {}", spec.protocol(), spec.variant(), spec.semantic_version(),
                           spec.committed_at().seconds());
      });
}

Result<ImportRows<v1::HostSpec>> ReadHostRows(std::string_view file, std::string_view text,
                                              const std::string& region, int64_t disk_bytes) {
  return ReadRows<v1::HostSpec>(
      file, text, kHostColumns, 0,
      [&](const CsvRow& row) { return ReadHostRow(file, row, region, disk_bytes); },
      [](const v1::HostSpec& spec) { return spec.name(); });
}

void DropIndex(Error& error) {
  // The place in the file says it better than "hosts[3]: ".
  const std::string index = fmt::format("[{}]: ", error.Fact("index"));
  const size_t at = error.message.find(index);
  if (at != std::string::npos && error.message.find(' ') > at)
    error.message.erase(0, at + index.size());
}

Error PlaceError(std::string_view file, const std::vector<CsvRow>& rows,
                 const std::vector<std::string>& columns, Error error) {
  const auto index = ParseInt64(error.Fact("index"));
  if (!index || *index < 0 || static_cast<size_t>(*index) >= rows.size()) return error;
  const CsvRow& row = rows[static_cast<size_t>(*index)];
  const size_t column = ColumnOf(error.Fact("field"), columns);
  FilePosition position = {.line = row[0].position.line, .column = 1};
  if (column != std::string_view::npos) position = row[column].position;
  DropIndex(error);
  return AtPosition(file, position, std::move(error));
}

}  // namespace tallyman::cli
