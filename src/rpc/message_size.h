// How much memory a message would take, found out before it is read: two bytes of a body can become
// a submessage of hundreds.
//
// A body of at most kSmallBodyBytes is not looked at: it cannot become more than a few MiB. Pure,
// thread-safe.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace tallyman::rpc {

inline constexpr size_t kSmallBodyBytes = size_t{64} * 1024;

// What a body of this length may become. Batches of 100,000 short items, and long items in any
// number, stay below it.
constexpr size_t MessageBytesMax(size_t body_bytes) { return (size_t{8} << 20) + 6 * body_bytes; }

// RESOURCE_EXHAUSTED MESSAGE_TOO_MANY_PARTS when the binary message of this type would take more
// than `message_bytes_max`; INVALID_ARGUMENT MALFORMED_MESSAGE when its lengths cannot be true, it
// is nested too deeply, or has groups, which no message of ours has. Fields that the type does not
// have count as well.
Status CheckMessageSize(const google::protobuf::Descriptor& type, std::string_view bytes,
                        size_t message_bytes_max);

// The same of what protobuf keeps while it reads a JSON document, by the marks in it: whether it is
// one is not looked at.
Status CheckJsonSize(std::string_view json, size_t message_bytes_max);

}  // namespace tallyman::rpc
