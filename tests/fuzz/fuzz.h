// What all fuzz targets share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/text.h"

namespace tallyman {

// Ends the run, and keeps the input that led here.
inline void Require(bool holds) {
  if (!holds) std::abort();
}

// A rejection must have a reason for scripts, a sentence for people, and no bytes that could
// confuse a terminal or a log.
inline void RequireGoodRefusal(const Error& error) {
  Require(error.code == Code::kInvalidArgument || error.code == Code::kUnimplemented ||
          error.code == Code::kOutOfRange || error.code == Code::kDataLoss);
  Require(!error.reason.empty() && !error.message.empty() && IsUtf8(error.message));
}

inline std::string_view TextOf(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace tallyman
