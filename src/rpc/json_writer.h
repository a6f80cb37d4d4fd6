// Messages as JSON by the protobuf mapping. protobuf's own printer (3.21) goes through descriptions
// of types that it makes anew for each message; see docs/adr/0019.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace tallyman {

// Appends what google::protobuf::util::MessageToJsonString() would write, but for escapes that JSON
// does not ask for, and for the order of maps, which is that of their keys. Text that is not UTF-8
// comes out with U+FFFD in the place of what is not. False, after a part was appended: the message
// has more than 2 GB.
//
// REQUIRES: of the well-known types the message holds only Timestamp and Duration; lists and maps
// have field numbers below 2048.
bool AppendJson(std::string& out, const google::protobuf::Message& message);

}  // namespace tallyman
