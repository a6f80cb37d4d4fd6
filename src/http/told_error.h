// What a caller is told of an error.
#pragma once

#include "base/error.h"

namespace tallyman::http {

// The error without what is for the log only: where the database is, who uses it, and what its
// library said about the connection. An error that passes by itself says when to come back.
Error ToldError(Error error);

}  // namespace tallyman::http
