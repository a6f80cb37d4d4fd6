// Messages as bytes: JSON by the protobuf mapping, or binary. Pure, thread-safe.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman {

enum class Codec { kJson, kProto };

// INVALID_ARGUMENT MALFORMED_MESSAGE, with the fact "field" where one is to blame (a field that the
// message does not have, a value that its type does not take).
Status ParseMessage(Codec codec, std::string_view bytes, google::protobuf::Message& message);

// INTERNAL UNPRINTABLE_MESSAGE.
Result<std::string> FormatMessage(Codec codec, const google::protobuf::Message& message);

}  // namespace tallyman
