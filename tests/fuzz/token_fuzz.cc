// Texts of tokens: what is read is written as it was.
#include "model/token.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  const auto token = ParseTokenText(TextOf(data, size));
  if (token) Require(FormatTokenText(*token) == TextOf(data, size));
  return 0;
}
