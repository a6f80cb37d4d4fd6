#include "cli/document.h"

#include <fmt/core.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <map>

#include "base/text.h"

namespace tallyman::cli {
namespace {

namespace json = boost::json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void Indent(std::string& text, int depth) { text.append(static_cast<size_t>(depth) * 2, ' '); }

bool IsSimple(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

void AppendJsonString(std::string_view value, std::string& text) {
  if (IsSimple(value)) {
    text.append(1, '"').append(value).append(1, '"');
  } else {
    text += json::serialize(json::string(value));
  }
}

void AppendJson(const json::value& value, int depth, std::string& text) {
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    text += "{\n";
    bool first = true;
    for (const auto& [key, member] : *object) {
      if (!std::exchange(first, false)) text += ",\n";
      Indent(text, depth + 1);
      AppendJsonString(key, text);
      text += ": ";
      AppendJson(member, depth + 1, text);
    }
    text += "\n";
    Indent(text, depth);
    text += "}";
  } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
    text += "[\n";
    bool first = true;
    for (const json::value& item : *array) {
      if (!std::exchange(first, false)) text += ",\n";
      Indent(text, depth + 1);
      AppendJson(item, depth + 1, text);
    }
    text += "\n";
    Indent(text, depth);
    text += "]";
  } else if (const auto* string = value.if_string()) {
    AppendJsonString(*string, text);
  } else {
    text += json::serialize(value);
  }
}

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool IsPlainWord(std::string_view text) {
  const auto is_plain = [](char c) {
    return IsLetter(c) || (c >= '0' && c <= '9') || std::string_view("_./@+-").contains(c);
  };
  return !text.empty() && IsLetter(text[0]) && std::ranges::all_of(text, is_plain);
}

// Whether a reader of YAML takes the plain text for nothing but this string.
bool IsPlainYaml(std::string_view text) {
  if (!IsPlainWord(text)) return false;
  constexpr size_t kLongestWord = 5;
  if (text.size() > kLongestWord) return true;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return IsLetter(c) ? static_cast<char>(c | 0x20) : c; });
  static constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on",
                                                "off",  "null",  "y",   "n"};
  return std::ranges::find(kWords, lower) == std::end(kWords);
}

// What needs more than quotes is written by the library.
void AppendYamlString(std::string_view value, std::string& text) {
  if (IsPlainYaml(value)) {
    text += value;
  } else if (IsSimple(value)) {
    text.append(1, '"').append(value).append(1, '"');
  } else {
    YAML::Emitter emitter;
    emitter << YAML::DoubleQuoted << std::string(value);
    text.append(emitter.c_str(), emitter.size());
  }
}

void AppendYamlKey(std::string_view key, std::string& text) {
  if (IsPlainWord(key)) {
    text += key;
  } else {
    YAML::Emitter emitter;
    emitter << std::string(key);
    text.append(emitter.c_str(), emitter.size());
  }
  text += ':';
}

bool IsBlock(const json::value& value) {
  return (value.is_object() && !value.get_object().empty()) ||
         (value.is_array() && !value.get_array().empty());
}

// Its first line begins where the text ends; the others are indented. No line end at the end.
void AppendYaml(const json::value& value, int depth, std::string& text) {
  if (const auto* string = value.if_string()) return AppendYamlString(*string, text);
  if (!IsBlock(value)) {
    text += json::serialize(value);
    return;
  }
  bool first = true;
  const auto next_line = [&] {
    if (std::exchange(first, false)) return;
    text += '\n';
    Indent(text, depth);
  };
  if (const auto* array = value.if_array()) {
    for (const json::value& item : *array) {
      next_line();
      text += "- ";
      AppendYaml(item, depth + 1, text);
    }
    return;
  }
  for (const auto& [key, member] : value.get_object()) {
    next_line();
    AppendYamlKey(key, text);
    if (IsBlock(member)) {
      text += '\n';
      Indent(text, depth + 1);
    } else {
      text += ' ';
    }
    AppendYaml(member, depth + 1, text);
  }
}

// Values are made in the memory that is given: those of a list are many.
json::object ToObject(const Message& message, const json::storage_ptr& memory);

json::value MessageValue(const Message& message, const json::storage_ptr& memory) {
  using google::protobuf::util::TimeUtil;
  if (const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(&message))
    return json::string(TimeUtil::ToString(*time), memory);
  if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&message))
    return json::string(TimeUtil::ToString(*duration), memory);
  return ToObject(message, memory);
}

json::value EnumValue(const google::protobuf::EnumDescriptor& type, int number,
                      const json::storage_ptr& memory) {
  const auto* value = type.FindValueByNumber(number);
  if (value == nullptr) return number;
  return json::string(value->name(), memory);
}

// Of a field, or of one element of a repeated one. Large integers are text: not every reader of
// JSON has 64 bits for a number. The types are those that the API has; document_test knows them.
json::value ValueOf(const Message& message, const FieldDescriptor& field,
                    const json::storage_ptr& memory, int index = -1) {
  const Reflection& reflection = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return one ? reflection.GetInt32(message, &field)
                 : reflection.GetRepeatedInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_UINT32:
      return one ? reflection.GetUInt32(message, &field)
                 : reflection.GetRepeatedUInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_INT64:
      return json::string(std::to_string(one ? reflection.GetInt64(message, &field)
                                             : reflection.GetRepeatedInt64(message, &field, index)),
                          memory);
    case FieldDescriptor::CPPTYPE_BOOL:
      return one ? reflection.GetBool(message, &field)
                 : reflection.GetRepeatedBool(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumValue(*field.enum_type(),
                       one ? reflection.GetEnumValue(message, &field)
                           : reflection.GetRepeatedEnumValue(message, &field, index),
                       memory);
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      return json::string(
          one ? reflection.GetStringReference(message, &field, &scratch)
              : reflection.GetRepeatedStringReference(message, &field, index, &scratch),
          memory);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageValue(one ? reflection.GetMessage(message, &field)
                              : reflection.GetRepeatedMessage(message, &field, index),
                          memory);
    default:
      return nullptr;
  }
}

// By key: a protobuf map has no order of its own.
json::object MapValue(const Message& message, const FieldDescriptor& field,
                      const json::storage_ptr& memory) {
  const Reflection& reflection = *message.GetReflection();
  std::map<std::string, json::value> sorted;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    std::string scratch;
    const std::string& key =
        entry.GetReflection()->GetStringReference(entry, field.message_type()->map_key(), &scratch);
    sorted[key] = ValueOf(entry, *field.message_type()->map_value(), memory);
  }
  json::object object(memory);
  for (auto& [key, value] : sorted) object.emplace(key, std::move(value));
  return object;
}

json::object ToObject(const Message& message, const json::storage_ptr& memory) {
  const Reflection& reflection = *message.GetReflection();
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  json::object object(memory);
  object.reserve(static_cast<size_t>(type.field_count()));
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_map()) {
      object.emplace(field.name(), MapValue(message, field, memory));
    } else if (field.is_repeated()) {
      json::array array(memory);
      const int size = reflection.FieldSize(message, &field);
      array.reserve(static_cast<size_t>(size));
      for (int item = 0; item < size; ++item)
        array.push_back(ValueOf(message, field, memory, item));
      object.emplace(field.name(), std::move(array));
    } else if (!field.has_presence() || reflection.HasField(message, &field)) {
      object.emplace(field.name(), ValueOf(message, field, memory));
    }
  }
  return object;
}

// The one field that a list is about.
const FieldDescriptor& ItemsOf(const Message& page) { return *page.GetDescriptor()->field(0); }

}  // namespace

json::value ToDocument(const Message& message) { return ToObject(message, {}); }

std::string ToJsonText(const json::value& document) {
  std::string text;
  AppendJson(document, 0, text);
  return text + "\n";
}

std::string ToYamlText(const json::value& document) {
  std::string text;
  AppendYaml(document, 0, text);
  return text + "\n";
}

std::string ListText::Add(const Message& page) {
  const FieldDescriptor& items = ItemsOf(page);
  std::string text;
  const int size = page.GetReflection()->FieldSize(page, &items);
  for (int i = 0; i < size; ++i) {
    std::array<unsigned char, 16384> buffer;
    json::monotonic_resource memory(buffer.data(), buffer.size());
    const json::value item = ValueOf(page, items, &memory, i);
    if (form_ == Form::kJson) {
      text += count_ == 0 ? fmt::format("{{\n  \"{}\": [\n    ", items.name()) : ",\n    ";
      AppendJson(item, 2, text);
    } else {
      text += count_ == 0 ? fmt::format("{}:\n  - ", items.name()) : "  - ";
      AppendYaml(item, 2, text);
      text += '\n';
    }
    ++count_;
  }
  return text;
}

std::string ListText::End(const Message& last_page) const {
  json::object rest = ToObject(last_page, {});
  if (count_ == 0) return form_ == Form::kJson ? ToJsonText(rest) : ToYamlText(rest);
  rest.stable_erase(ItemsOf(last_page).name());
  if (form_ == Form::kYaml) return ToYamlText(rest);
  // Without its opening brace.
  return "\n  ],\n" + ToJsonText(rest).substr(2);
}

std::string ListText::Break() const {
  if (count_ == 0) return {};
  return form_ == Form::kJson ? "\n" : "] this list is not whole: an error ended it\n";
}

json::string ToJsonString(std::string_view text) { return json::string(ValidUtf8(text)); }

}  // namespace tallyman::cli
