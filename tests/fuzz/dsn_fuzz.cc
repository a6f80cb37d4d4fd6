// Connection strings: what is refused is never repeated, because it may hold a password.
#include "base/digest.h"
#include "main/dsn.h"
#include "store/postgres/dsn.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  const std::string text(TextOf(data, size));
  if (auto name = tallyman::app::ParseDsn(text); !name) RequireGoodRefusal(name.error());
  if (auto shown = tallyman::store::postgres::ShownDsn(text); !shown)
    RequireGoodRefusal(shown.error());
  // The secret of a string that is taken is not shown, nor that of one that is refused.
  // One that the text cannot have of itself.
  const std::string secret = Sha256Hex(text);
  const auto name = tallyman::app::ParseDsn("postgres://me:" + secret + "@" + text);
  const std::string& said = name ? name->shown : name.error().message;
  Require(said.find(secret) == std::string::npos);
  return 0;
}
