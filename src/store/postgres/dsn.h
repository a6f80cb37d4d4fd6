// A connection string: libpq's URI, shown without its secrets.
#pragma once

#include <string>

#include "base/result.h"

namespace tallyman::store::postgres {

// postgres://USER@HOST:PORT/DATABASE: the database's name in messages, without passwords and other
// parameters. INVALID_ARGUMENT INVALID_DATABASE, without any part of the string, when libpq cannot
// read it.
Result<std::string> ShownDsn(const std::string& dsn);

}  // namespace tallyman::store::postgres
