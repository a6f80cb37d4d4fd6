// What the API definition says that a server takes of a method. Pure, thread-safe.
#pragma once

#include <cstddef>
#include <string_view>

namespace tallyman::rpc {

// The longest request of the method ("tallyman.v1.NodeService/GetNode"), as its option `limits`
// says. REQUIRES: the definition has the method, and the method has the option.
size_t BodyBytesMaxOf(std::string_view method);

}  // namespace tallyman::rpc
