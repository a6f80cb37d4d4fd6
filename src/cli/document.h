// Answers as documents: JSON by the protobuf mapping, and YAML of the same.
//
// Field names are those of the definition, every field is there but messages and optional fields
// that are not set, 64-bit integers are strings.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
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

// The text of the answer to a list, made page by page: together the same as that of the whole
// answer. REQUIRES: the first field of the answer has the items.
class ListText {
 public:
  enum class Form { kJson, kYaml };
  explicit ListText(Form form) : form_(form) {}

  // The next items.
  std::string Add(const google::protobuf::Message& page);
  // What follows the items, of the last page. REQUIRES: its items were added.
  std::string End(const google::protobuf::Message& last_page) const;
  // What to end with instead, so that no reader of JSON or YAML takes what there is for the whole.
  std::string Break() const;

 private:
  const Form form_;
  int64_t count_ = 0;
};

// The text as a JSON string that is safe to make of anything: broken UTF-8 becomes U+FFFD.
boost::json::string ToJsonString(std::string_view text);

}  // namespace tallyman::cli
