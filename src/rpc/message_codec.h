// Messages as bytes: JSON by the protobuf mapping, or binary. Pure, thread-safe.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman {

enum class Codec { kJson, kProto };

// INVALID_ARGUMENT MALFORMED_MESSAGE, with the fact "field" when one is at fault (an unknown field,
// or a value that does not fit its type).
Status ParseMessage(Codec codec, std::string_view bytes, google::protobuf::Message& message);

// INTERNAL UNPRINTABLE_MESSAGE.
Result<std::string> FormatMessage(Codec codec, const google::protobuf::Message& message);

}  // namespace tallyman
