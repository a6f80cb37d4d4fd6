// Answers as documents: JSON by the protobuf mapping, and YAML of the same.
//
// Field names are those of the definition, every field is there, 64-bit integers are strings.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace google::protobuf {
class Message;
}

namespace tallyman::cli {

boost::json::value ToDocument(const google::protobuf::Message& message);

// Indented by two spaces, with a line end at the end.
std::string ToJsonText(const boost::json::value& document);
std::string ToYamlText(const boost::json::value& document);

// The text as a JSON string that is safe to make of anything: broken UTF-8 becomes U+FFFD.
boost::json::string ToJsonString(std::string_view text);

}  // namespace tallyman::cli
