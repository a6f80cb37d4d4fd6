// Page tokens: those that are taken are those that were made.
#include "control/reads/page_token.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  const std::string text(TextOf(data, size));
  if (auto cursor = ParsePageToken("nodes", text); !cursor) {
    RequireGoodRefusal(cursor.error());
  } else {
    auto again = ParsePageToken("nodes", PageToken("nodes", *cursor));
    Require(again && again->value == cursor->value && again->key == cursor->key);
    Require(!ParsePageToken("hosts", text));
  }
  // Whatever stands in a cursor comes back.
  const size_t half = size / 2;
  const ListCursor made{.value = text.substr(0, half), .key = text.substr(half)};
  auto read = ParsePageToken("nodes", PageToken("nodes", made));
  Require(read && read->value == made.value && read->key == made.key);
  return 0;
}
