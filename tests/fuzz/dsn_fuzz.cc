// Connection strings: what is refused is never repeated, because it may hold a password.
#include "main/dsn.h"
#include "store/postgres/dsn.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  const std::string text(TextOf(data, size));
  if (auto path = SqlitePathOf(text); !path) RequireGoodRefusal(path.error());
  if (auto shown = ShownDsn(text); !shown) RequireGoodRefusal(shown.error());
  // The secret of a string that is taken is not shown.
  const std::string secret = "s3cretpassword";
  auto shown = ShownDsn("postgres://me:" + secret + "@" + text);
  if (shown) Require(shown->find(secret) == std::string::npos);
  if (!shown) Require(shown.error().message.find(secret) == std::string::npos);
  return 0;
}
