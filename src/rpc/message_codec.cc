#include "rpc/message_codec.h"

#include <fmt/core.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/text.h"
#include "rpc/json_writer.h"
#include "rpc/message_size.h"

namespace tallyman::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kJsonBytesUsual = 2048;
constexpr std::string_view kTypePrefix = "type.googleapis.com";
// protobuf takes sizes as int.
constexpr size_t kBytesMax = size_t{1} << 30;

// A map of a request has values, any of which may be a secret.
bool HasMap(const Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i)
    if (type.field(i)->is_map()) return true;
  return false;
}

// protobuf reports "PATH: WHAT" or "(PATH): WHAT" for a field, and for broken syntax "WHAT\nTHE
// INPUT\n ^".
Error JsonError(const Message& message, std::string_view said) {
  std::string_view line = said.substr(0, said.find('\n'));
  constexpr std::string_view kCode = "INVALID_ARGUMENT:";
  if (line.starts_with(kCode)) line.remove_prefix(kCode.size());
  constexpr std::string_view kShowsValue = "invalid value";
  if (const size_t at = line.find(kShowsValue);
      at != std::string_view::npos && HasMap(*message.GetDescriptor()))
    line = line.substr(0, at + kShowsValue.size());
  size_t colon = line.find(": ");
  std::string_view path = colon == std::string_view::npos ? "" : line.substr(0, colon);
  if (path.starts_with('(') && path.ends_with(')')) path = path.substr(1, path.size() - 2);
  bool is_path = !path.empty() && path.find_first_of(" \"'{") == std::string_view::npos;
  Error error = InvalidArgument(
      "MALFORMED_MESSAGE",
      fmt::format("the body is not the JSON of a {}: {}", message.GetTypeName(), Quote(line)));
  if (is_path) error.facts.emplace_back("field", Quote(path).substr(1, Quote(path).size() - 2));
  return error;
}

// Finds a field by either of its names in JSON; nullptr: there is none.
const FieldDescriptor* FieldOf(const Descriptor& type, const std::string& name) {
  if (const FieldDescriptor* field = type.FindFieldByName(name)) return field;
  const FieldDescriptor* field = type.FindFieldByCamelcaseName(name);
  return field != nullptr && field->json_name() == name ? field : nullptr;
}

// Reads the form of most requests, an object of plain strings, directly into the message. False:
// protobuf must read this body; the message is still empty.
bool ParseStrings(std::string_view json, Message& message) {
  auto skip = [&json](std::string_view what) {
    json.remove_prefix(std::min(json.find_first_not_of(" \t\r\n"), json.size()));
    if (!json.starts_with(what)) return false;
    json.remove_prefix(what.size());
    return true;
  };
  // A string of printable ASCII, without escapes.
  auto take_string = [&]() -> std::optional<std::string_view> {
    if (!skip("\"")) return std::nullopt;
    size_t size = 0;
    while (size < json.size() && json[size] >= ' ' && json[size] < 0x7f && json[size] != '"' &&
           json[size] != '\\') {
      ++size;
    }
    if (!json.substr(size).starts_with('"')) return std::nullopt;
    std::string_view text = json.substr(0, size);
    json.remove_prefix(size + 1);
    return text;
  };
  const auto* reflection = message.GetReflection();
  auto take_field = [&] {
    const auto name = take_string();
    if (!name || !skip(":")) return false;
    const auto value = take_string();
    if (!value) return false;
    const FieldDescriptor* field = FieldOf(*message.GetDescriptor(), std::string(*name));
    // Leaves a repeated field, or one that excludes another, to protobuf.
    if (field == nullptr || field->type() != FieldDescriptor::TYPE_STRING || field->is_repeated() ||
        field->containing_oneof() != nullptr || !reflection->GetString(message, field).empty()) {
      return false;
    }
    reflection->SetString(&message, field, std::string(*value));
    return true;
  };
  bool whole = skip("{") && take_field();
  while (whole && skip(",")) whole = take_field();
  whole = whole && skip("}") && skip("") && json.empty();
  if (!whole) message.Clear();
  return whole;
}

Status ParseBinary(std::string_view bytes, Message& message, size_t message_bytes_max) {
  if (message_bytes_max != kAnySize)
    RETURN_IF_ERROR(CheckMessageSize(*message.GetDescriptor(), bytes, message_bytes_max));
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
  return Fail(InvalidArgument("MALFORMED_MESSAGE",
                              fmt::format("the body is not a binary {}", message.GetTypeName())));
}

// protobuf writes it as binary first, and so does its JsonStringToMessage().
Status ParseJson(std::string_view json, Message& message, size_t message_bytes_max) {
  // protobuf takes nothing at all, and null, for an empty message; JSON has no such document.
  if (json.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Fail(InvalidArgument("MALFORMED_MESSAGE",
                                "the body is empty: send a JSON object, {} if no field is set"));
  }
  if (!IsUtf8(json)) {
    return Fail(InvalidArgument("MALFORMED_MESSAGE", "the body is not UTF-8"));
  }
  if (ParseStrings(json, message)) return {};
  RETURN_IF_ERROR(CheckJsonSize(json, message_bytes_max));
  static const std::unique_ptr<google::protobuf::util::TypeResolver> resolver(
      google::protobuf::util::NewTypeResolverForDescriptorPool(
          std::string(kTypePrefix), google::protobuf::DescriptorPool::generated_pool()));
  std::string binary;
  auto status = google::protobuf::util::JsonToBinaryString(
      resolver.get(), fmt::format("{}/{}", kTypePrefix, message.GetTypeName()),
      {json.data(), json.size()}, &binary);
  if (!status.ok()) return Fail(JsonError(message, std::string(status.message())));
  return ParseBinary(binary, message, message_bytes_max);
}

}  // namespace

Status ParseMessage(Codec codec, std::string_view bytes, Message& message,
                    size_t message_bytes_max) {
  if (bytes.size() > kBytesMax) {
    return Fail(InvalidArgument(
        "MALFORMED_MESSAGE",
        fmt::format("the body has {} bytes, more than any message may have", bytes.size())));
  }
  return codec == Codec::kProto ? ParseBinary(bytes, message, message_bytes_max)
                                : ParseJson(bytes, message, message_bytes_max);
}

Result<std::string> FormatMessage(Codec codec, const Message& message) {
  std::string bytes;
  if (codec == Codec::kProto) {
    if (message.SerializeToString(&bytes)) return bytes;
  } else {
    bytes.reserve(kJsonBytesUsual);
    if (AppendJson(bytes, message)) return bytes;
  }
  return Fail(Internal("UNPRINTABLE_MESSAGE",
                       fmt::format("a {} could not be written", message.GetTypeName())));
}

}  // namespace tallyman::rpc
