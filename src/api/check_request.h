// Checks what the API definition cannot express about a request, before any other code reads it.
#pragma once

#include <google/protobuf/message.h>

#include "base/result.h"

namespace tallyman::api {

inline constexpr size_t kTextBytesMax = size_t{64} * 1024;
inline constexpr int kItemsMax = 100'000;

// Every text is well-formed UTF-8 without NUL and at most kTextBytesMax long, every list has at
// most kItemsMax items, and every enum number is known. INVALID_ARGUMENT has the path of the field
// ("images[3].variant") as the fact "field", the item of the outermost list as "index", and what
// was found, quoted and cut. Reasons: INVALID_TEXT, TEXT_TOO_LONG, TOO_MANY_ITEMS,
// UNKNOWN_ENUM_VALUE.
Status CheckRequest(const google::protobuf::Message& request);

}  // namespace tallyman::api
