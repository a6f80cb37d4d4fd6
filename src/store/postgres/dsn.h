// A connection string: libpq's URI, shown without its secrets.
#pragma once

#include <string>

#include "base/result.h"

namespace tallyman {

// postgres://USER@HOST:PORT/DATABASE: what messages call the database. Passwords and other
// parameters are left out. INVALID_ARGUMENT INVALID_DATABASE, which repeats nothing of the string,
// when libpq cannot read it.
Result<std::string> ShownDsn(const std::string& dsn);

}  // namespace tallyman
