#include "cli/document.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"

namespace tallyman::cli {
namespace {

namespace json = boost::json;

void Indent(std::string& text, int depth) { text.append(static_cast<size_t>(depth) * 2, ' '); }

void AppendJson(const json::value& value, int depth, std::string& text) {
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    text += "{\n";
    bool first = true;
    for (const auto& [key, member] : *object) {
      if (!std::exchange(first, false)) text += ",\n";
      Indent(text, depth + 1);
      text += json::serialize(json::string(key)) + ": ";
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
  } else {
    text += json::serialize(value);
  }
}

// Whether a reader of YAML takes the plain text for nothing but this string.
bool IsPlainYaml(std::string_view text) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  auto plain = [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || std::string_view("_./@+-").contains(c);
  };
  if (text.empty() || !letter(text[0]) || !std::ranges::all_of(text, plain)) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [&](char c) { return letter(c) ? static_cast<char>(c | 0x20) : c; });
  static constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on",
                                                "off",  "null",  "y",   "n"};
  return std::ranges::find(kWords, lower) == std::end(kWords);
}

void EmitYaml(const json::value& value, YAML::Emitter& emitter) {
  switch (value.kind()) {
    case json::kind::object:
      if (value.get_object().empty()) emitter << YAML::Flow;
      emitter << YAML::BeginMap;
      for (const auto& [key, member] : value.get_object()) {
        emitter << YAML::Key << std::string(key) << YAML::Value;
        EmitYaml(member, emitter);
      }
      emitter << YAML::EndMap;
      break;
    case json::kind::array:
      if (value.get_array().empty()) emitter << YAML::Flow;
      emitter << YAML::BeginSeq;
      for (const json::value& item : value.get_array()) EmitYaml(item, emitter);
      emitter << YAML::EndSeq;
      break;
    case json::kind::string: {
      const std::string text(value.get_string());
      if (!IsPlainYaml(text)) emitter << YAML::DoubleQuoted;
      emitter << text;
      break;
    }
    default:
      emitter << json::serialize(value);
  }
}

}  // namespace

json::value ToDocument(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  // Both fail only on messages with Any or with text that is not UTF-8, which no method answers.
  const auto printed = google::protobuf::util::MessageToJsonString(message, &text, options);
  boost::system::error_code bad;
  json::value document = json::parse(printed.ok() ? text : "{}", bad);
  return bad ? json::value(json::object()) : document;
}

std::string ToJsonText(const json::value& document) {
  std::string text;
  AppendJson(document, 0, text);
  return text + "\n";
}

std::string ToYamlText(const json::value& document) {
  YAML::Emitter emitter;
  emitter.SetIndent(2);
  EmitYaml(document, emitter);
  return std::string(emitter.c_str(), emitter.size()) + "\n";
}

json::string ToJsonString(std::string_view text) { return json::string(ValidUtf8(text)); }

}  // namespace tallyman::cli
