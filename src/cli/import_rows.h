// CSV files of images and of hosts, read into specs. Pure: text in, specs or an error with its
// place out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/csv.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/host.pb.h"

namespace tallyman::cli {

// Specs and where each came from. `repeated` counts the rows that say again what an earlier row
// says.
template <class Spec>
struct ImportRows {
  std::vector<Spec> specs;
  std::vector<CsvRow> rows;  // one per spec, its fields in the order of the columns
  int64_t repeated = 0;
};

inline const std::vector<std::string> kImageColumns = {
    "committed_at",     "protocol_key", "image",     "variant_key",
    "semantic_version", "cpu_cores",    "memory_mb", "disk_gb"};
inline const std::vector<std::string> kHostColumns = {"sn", "cpu_milli", "memory_mib"};

// Columns kImageColumns: Unix seconds, megabytes (10^6) and gigabytes (10^9). Underscores in a
// variant become dashes, as references have them. The image's URI is IMAGE:VERSION.
Result<ImportRows<v1::ImageSpec>> ReadImageRows(std::string_view file, std::string_view text,
                                                const std::string& org);

// Columns kHostColumns: thousandths of a core, of which whole cores are taken, and MiB.
Result<ImportRows<v1::HostSpec>> ReadHostRows(std::string_view file, std::string_view text,
                                              const std::string& region, int64_t disk_bytes);

// Takes "hosts[3]: " away from the message of a server's error.
void DropIndex(Error& error);

// A server's error about the spec that its fact "index" names, put at the row, and at the column
// that its fact "field" is about. Other errors stay as they are.
Error PlaceError(std::string_view file, const std::vector<CsvRow>& rows,
                 const std::vector<std::string>& columns, Error error);

}  // namespace tallyman::cli
