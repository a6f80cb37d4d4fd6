// CSV files of images and of hosts.
#include "cli/import_rows.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  const std::string_view text = TextOf(data, size);
  if (auto table = tallyman::cli::ReadCsv("a.csv", text); !table) RequireGoodRefusal(table.error());
  auto images = tallyman::cli::ReadImageRows("images.csv", text, "acme");
  if (!images) {
    RequireGoodRefusal(images.error());
  } else {
    Require(images->specs.size() == images->rows.size());
  }
  auto hosts = tallyman::cli::ReadHostRows("hosts.csv", text, "eu", 1'000'000);
  if (!hosts) {
    RequireGoodRefusal(hosts.error());
  } else {
    for (const auto& host : hosts->specs) Require(host.capacity().memory_bytes() >= 0);
  }
  return 0;
}
