// Page tokens: those that are taken are those that were made.
#include "control/reads/page_token.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  const std::string text(TextOf(data, size));
  if (auto cursor = tallyman::control::ParsePageToken("nodes", text); !cursor) {
    RequireGoodRefusal(cursor.error());
  } else {
    auto again =
        tallyman::control::ParsePageToken("nodes", tallyman::control::PageToken("nodes", *cursor));
    Require(again && again->value == cursor->value && again->key == cursor->key);
    Require(!tallyman::control::ParsePageToken("hosts", text));
  }
  // Whatever stands in a cursor comes back.
  const size_t half = size / 2;
  const tallyman::store::ListCursor made{.value = text.substr(0, half), .key = text.substr(half)};
  auto read =
      tallyman::control::ParsePageToken("nodes", tallyman::control::PageToken("nodes", made));
  Require(read && read->value == made.value && read->key == made.key);
  return 0;
}
