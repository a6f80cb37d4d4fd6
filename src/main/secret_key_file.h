// The file with the keys that seal secrets: base/sealer.h has its form.
#pragma once

#include <string>

#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/sealer.h"
#include "main/dsn.h"

namespace tallyman::app {

// Reads the file at `given`. Where nothing is given, an SQLite database has its file beside it,
// which is made when it is not there: for its owner only, with a random key, and never over an
// existing file. A PostgreSQL database has none, and the Sealer has no key.
//
// NOT_FOUND SECRET_KEY_FILE_MISSING; PERMISSION_DENIED SECRET_KEY_FILE_UNREADABLE;
// FAILED_PRECONDITION SECRET_KEY_FILE_EXPOSED when others than its owner may read it; INTERNAL
// SECRET_KEY_FILE_NOT_WRITTEN; those of Sealer::Parse().
Result<Sealer> ReadSecretKeys(const DatabaseName& database, const std::string& given,
                              SecretSource& secrets, Log& log);

}  // namespace tallyman::app
