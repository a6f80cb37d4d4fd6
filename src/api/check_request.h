// What the definition of the API cannot say about a request, checked before anything else looks at
// it.
#pragma once

#include <google/protobuf/message.h>

#include "base/result.h"

namespace tallyman {

inline constexpr size_t kTextBytesMax = size_t{64} * 1024;
inline constexpr int kItemsMax = 100'000;

// Every text is well-formed UTF-8 without NUL and at most kTextBytesMax long, every list has at
// most kItemsMax items, every enum number is a known one. INVALID_ARGUMENT with the path of the
// field
// ("images[3].variant") as the fact "field", the item of the outermost list as "index", and what
// was found, quoted and cut. Reasons: INVALID_TEXT, TEXT_TOO_LONG, TOO_MANY_ITEMS,
// UNKNOWN_ENUM_VALUE.
Status CheckRequest(const google::protobuf::Message& request);

}  // namespace tallyman
