#include "api/check_request.h"

#include <fmt/core.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <string>
#include <string_view>

#include "base/text.h"

namespace tallyman::api {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The current place in the request. It is cheap to update; its text is built only for an error.
struct Place {
  const Place* outer = nullptr;
  std::string_view name;
  int index = -1;  // in a list

  std::string ToText() const {
    std::string text =
        outer == nullptr ? std::string(name) : fmt::format("{}.{}", outer->ToText(), name);
    return index < 0 ? text : fmt::format("{}[{}]", text, index);
  }
  const Place& outermost() const { return outer == nullptr ? *this : outer->outermost(); }
};

std::unexpected<Error> Refuse(const Place& place, std::string reason, std::string_view what) {
  std::string field = place.ToText();
  Error error =
      InvalidArgument(std::move(reason), fmt::format("{} {}", field, what)).With("field", field);
  const Place& outermost = place.outermost();
  if (outermost.index >= 0) error.facts.emplace_back("index", std::to_string(outermost.index));
  return Fail(std::move(error));
}

Status CheckString(const Place& place, const FieldDescriptor& field, const std::string& text) {
  // A value of a map may be a secret.
  const bool is_shown = !field.containing_type()->options().map_entry() || field.number() == 1;
  const auto shown = [&] { return is_shown ? Quote(text) : "not shown"; };
  if (text.size() > kTextBytesMax) {
    return Refuse(place, "TEXT_TOO_LONG",
                  fmt::format("is {}: its {} bytes are more than the {} allowed", shown(),
                              text.size(), kTextBytesMax));
  }
  if (!IsUtf8(text))
    return Refuse(place, "INVALID_TEXT", fmt::format("is {}: not well-formed UTF-8", shown()));
  if (text.find('\0') != std::string::npos) {
    return Refuse(place, "INVALID_TEXT", fmt::format("is {}: it contains a NUL", shown()));
  }
  return {};
}

Status CheckEnum(const Place& place, const FieldDescriptor& field, int number) {
  if (field.enum_type()->FindValueByNumber(number) != nullptr) return {};
  return Refuse(
      place, "UNKNOWN_ENUM_VALUE",
      fmt::format("is {}, which is not a value of {}", number, field.enum_type()->name()));
}

Status CheckMessage(const Message& message, const Place* outer);

Status CheckOne(const Message& message, const FieldDescriptor& field, const Place& place) {
  const Reflection& reflection = *message.GetReflection();
  std::string scratch;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return CheckString(place, field,
                         place.index < 0 ? reflection.GetStringReference(message, &field, &scratch)
                                         : reflection.GetRepeatedStringReference(
                                               message, &field, place.index, &scratch));
    case FieldDescriptor::CPPTYPE_ENUM:
      return CheckEnum(place, field,
                       place.index < 0
                           ? reflection.GetEnumValue(message, &field)
                           : reflection.GetRepeatedEnumValue(message, &field, place.index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return CheckMessage(place.index < 0
                              ? reflection.GetMessage(message, &field)
                              : reflection.GetRepeatedMessage(message, &field, place.index),
                          &place);
    default:
      return {};
  }
}

Status CheckMessage(const Message& message, const Place* outer) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    Place place{outer, field->name()};
    if (!field->is_repeated()) {
      RETURN_IF_ERROR(CheckOne(message, *field, place));
      continue;
    }
    int size = reflection.FieldSize(message, field);
    if (size > kItemsMax) {
      return Refuse(
          place, "TOO_MANY_ITEMS",
          fmt::format("has {} items, more than the {} allowed in one request", size, kItemsMax));
    }
    for (place.index = 0; place.index < size; ++place.index)
      RETURN_IF_ERROR(CheckOne(message, *field, place));
  }
  return {};
}

}  // namespace

Status CheckRequest(const Message& request) { return CheckMessage(request, nullptr); }

}  // namespace tallyman::api
