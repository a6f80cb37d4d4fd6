// gzip (RFC 1952), by zlib.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman::rpc {

// Compresses at the fastest level, because the result is read once.
std::string Gzip(std::string_view bytes);

// INVALID_ARGUMENT MALFORMED_GZIP; RESOURCE_EXHAUSTED MESSAGE_TOO_LARGE once the result would be
// longer than `bytes_max`.
Result<std::string> Gunzip(std::string_view bytes, size_t bytes_max);

}  // namespace tallyman::rpc
