// Files that a command reads whole.
#pragma once

#include <string>

#include "cli/context.h"

namespace tallyman::cli {

// A reason that is compared.
inline constexpr char kFileNotFound[] = "FILE_NOT_FOUND";

// The text of a file; "-" is standard input. NOT_FOUND, reason FILE_NOT_FOUND; INVALID_ARGUMENT,
// reason FILE_UNREADABLE or FILE_TOO_LARGE.
Result<std::string> ReadInput(Context& context, const std::string& path, size_t bytes_max);

}  // namespace tallyman::cli
