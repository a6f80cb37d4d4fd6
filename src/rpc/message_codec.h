// Messages as bytes: JSON by the protobuf mapping, or binary. Pure, thread-safe.
#pragma once

#include <google/protobuf/message.h>

#include <limits>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman::rpc {

enum class Codec { kJson, kProto };

inline constexpr size_t kAnySize = std::numeric_limits<size_t>::max();

// INVALID_ARGUMENT MALFORMED_MESSAGE, with the fact "field" where one is to blame (a field that the
// message does not have, a value that its type does not take). RESOURCE_EXHAUSTED
// MESSAGE_TOO_MANY_PARTS instead of a message that would take more memory than `message_bytes_max`.
Status ParseMessage(Codec codec, std::string_view bytes, google::protobuf::Message& message,
                    size_t message_bytes_max = kAnySize);

// INTERNAL UNPRINTABLE_MESSAGE.
Result<std::string> FormatMessage(Codec codec, const google::protobuf::Message& message);

}  // namespace tallyman::rpc
