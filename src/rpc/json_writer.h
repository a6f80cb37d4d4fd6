// Messages as JSON by the protobuf mapping. protobuf's own printer (3.21) rebuilds type
// descriptions for each message; see docs/adr/0019.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace tallyman::rpc {

// Appends what google::protobuf::util::MessageToJsonString() would write, except for escapes that
// JSON does not require, and with maps ordered by key. Bytes that are not UTF-8 become U+FFFD.
// False, after a part was appended: the message has more than 2 GB.
//
// REQUIRES: of the well-known types the message holds only Timestamp and Duration; lists and maps
// have field numbers below 2048.
bool AppendJson(std::string& out, const google::protobuf::Message& message);

}  // namespace tallyman::rpc
