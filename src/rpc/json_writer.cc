#include "rpc/json_writer.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/time.h"

namespace tallyman::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::Duration;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Timestamp;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Caches what the messages of a type need from its descriptor.
struct KnownField {
  int number;
  FieldDescriptor::Type type;
  bool is_repeated;
  bool is_map;
  std::string key;  // as written before the value
  const EnumDescriptor* enum_type;
  const Descriptor* message_type;
};

// In the order of their numbers, in which messages are written.
const std::vector<KnownField>& FieldsOf(const Descriptor* type) {
  thread_local std::unordered_map<const Descriptor*, std::vector<KnownField>> types;
  auto [at, is_new] = types.try_emplace(type);
  std::vector<KnownField>& fields = at->second;
  if (!is_new) return fields;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    fields.push_back({.number = field->number(),
                      .type = field->type(),
                      .is_repeated = field->is_repeated(),
                      .is_map = field->is_map(),
                      .key = '"' + field->json_name() + "\":",
                      .enum_type = field->enum_type(),
                      .message_type = field->message_type()});
  }
  std::ranges::sort(fields, {}, &KnownField::number);
  return fields;
}

// The bytes of a message. Reads return false if they are not a valid message.
class Input : public CodedInputStream {
 public:
  explicit Input(std::string_view bytes)
      : CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()),
                         static_cast<int>(bytes.size())) {}

  template <class T, FieldDescriptor::Type type>
  bool Read(T& value) {
    return WireFormatLite::ReadPrimitive<T, static_cast<WireFormatLite::FieldType>(type)>(this,
                                                                                          &value);
  }
  // The length of a string, of bytes, or of a message.
  bool ReadBytes(std::string_view& bytes) {
    int size = 0;
    int left = 0;
    const void* data = nullptr;
    if (!ReadVarintSizeAsInt(&size)) return false;
    GetDirectBufferPointerInline(&data, &left);
    bytes = {static_cast<const char*>(data), static_cast<size_t>(size)};
    return size <= left && Skip(size);
  }
};

void AppendString(std::string& out, std::string_view text) {
  AppendJsonString(out, IsUtf8(text) ? text : ValidUtf8(text));
}

void AppendNumber(std::string& out, auto number) {
  std::array<char, 24> digits{};
  out.append(digits.data(), std::to_chars(digits.begin(), digits.end(), number).ptr);
}

// Most JSON readers treat numbers as doubles, so 64-bit numbers are strings.
void AppendInteger(std::string& out, auto number) {
  constexpr bool is_text = sizeof number == sizeof(int64_t);
  if (is_text) out += '"';
  AppendNumber(out, number);
  if (is_text) out += '"';
}

// JSON has no literals for NaN and infinity.
void AppendFloating(std::string& out, auto number) {
  if (std::isfinite(number)) {
    fmt::format_to(std::back_inserter(out), "{}", number);
  } else {
    out += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  }
}

void AppendEnum(std::string& out, const EnumDescriptor& type, int number) {
  const EnumValueDescriptor* value = type.FindValueByNumber(number);
  if (value == nullptr) return AppendNumber(out, number);
  out += '"';
  out += value->name();
  out += '"';
}

// With the padding that the mapping requires.
void AppendBase64(std::string& out, std::string_view bytes) {
  out += '"';
  out += ToBase64(bytes);
  out.append((3 - bytes.size() % 3) % 3, '=');
  out += '"';
}

// In groups of three digits.
void AppendFraction(std::string& out, int32_t nanos) {
  if (nanos == 0) return;
  std::array<char, 10> text{};
  text[0] = '.';
  for (size_t i = text.size(); i-- > 1; nanos /= 10)
    text[i] = static_cast<char>('0' + std::abs(nanos % 10));
  size_t size = text.size();
  while (std::string_view(text.data(), size).ends_with("000")) size -= 3;
  out.append(text.data(), size);
}

bool AppendTimestamp(std::string& out, std::string_view bytes) {
  Timestamp time;
  if (!time.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  constexpr size_t kToSeconds = std::string_view("2006-01-02T15:04:05").size();
  const std::string text = FormatTime(Time(std::chrono::seconds(time.seconds())));
  out += '"';
  out += std::string_view(text).substr(0, kToSeconds);
  AppendFraction(out, time.nanos());
  out += "Z\"";
  return true;
}

bool AppendDuration(std::string& out, std::string_view bytes) {
  Duration duration;
  if (!duration.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  out += duration.seconds() < 0 || duration.nanos() < 0 ? "\"-" : "\"";
  AppendNumber(out, std::abs(duration.seconds()));
  AppendFraction(out, duration.nanos());
  out += "s\"";
  return true;
}

bool AppendMessage(std::string& out, const Descriptor& type, std::string_view bytes);

template <class T, FieldDescriptor::Type type>
bool AppendRead(std::string& out, Input& input, void (*append)(std::string&, T)) {
  T value{};
  if (!input.Read<T, type>(value)) return false;
  append(out, value);
  return true;
}

// One value, or one element of a list.
bool AppendValue(std::string& out, const KnownField& field, Input& input) {
  using F = FieldDescriptor;
  switch (field.type) {
    case F::TYPE_INT32:
      return AppendRead<int32_t, F::TYPE_INT32>(out, input, AppendInteger);
    case F::TYPE_SINT32:
      return AppendRead<int32_t, F::TYPE_SINT32>(out, input, AppendInteger);
    case F::TYPE_SFIXED32:
      return AppendRead<int32_t, F::TYPE_SFIXED32>(out, input, AppendInteger);
    case F::TYPE_UINT32:
      return AppendRead<uint32_t, F::TYPE_UINT32>(out, input, AppendInteger);
    case F::TYPE_FIXED32:
      return AppendRead<uint32_t, F::TYPE_FIXED32>(out, input, AppendInteger);
    case F::TYPE_INT64:
      return AppendRead<int64_t, F::TYPE_INT64>(out, input, AppendInteger);
    case F::TYPE_SINT64:
      return AppendRead<int64_t, F::TYPE_SINT64>(out, input, AppendInteger);
    case F::TYPE_SFIXED64:
      return AppendRead<int64_t, F::TYPE_SFIXED64>(out, input, AppendInteger);
    case F::TYPE_UINT64:
      return AppendRead<uint64_t, F::TYPE_UINT64>(out, input, AppendInteger);
    case F::TYPE_FIXED64:
      return AppendRead<uint64_t, F::TYPE_FIXED64>(out, input, AppendInteger);
    case F::TYPE_DOUBLE:
      return AppendRead<double, F::TYPE_DOUBLE>(out, input, AppendFloating);
    case F::TYPE_FLOAT:
      return AppendRead<float, F::TYPE_FLOAT>(out, input, AppendFloating);
    case F::TYPE_BOOL:
      return AppendRead<bool, F::TYPE_BOOL>(
          out, input, [](std::string& to, bool is_so) { to += is_so ? "true" : "false"; });
    case F::TYPE_ENUM: {
      int number = 0;
      if (!input.Read<int, F::TYPE_ENUM>(number)) return false;
      AppendEnum(out, *field.enum_type, number);
      return true;
    }
    case F::TYPE_STRING:
    case F::TYPE_BYTES:
    case F::TYPE_MESSAGE: {
      std::string_view bytes;
      if (!input.ReadBytes(bytes)) return false;
      if (field.type == F::TYPE_MESSAGE) return AppendMessage(out, *field.message_type, bytes);
      field.type == F::TYPE_STRING ? AppendString(out, bytes) : AppendBase64(out, bytes);
      return true;
    }
    case F::TYPE_GROUP:
      break;
  }
  return false;
}

// Packed: the numbers of a list follow one another without tags.
bool AppendPacked(std::string& out, const KnownField& field, Input& input) {
  std::string_view bytes;
  if (!input.ReadBytes(bytes)) return false;
  Input numbers(bytes);
  std::string_view comma;
  while (numbers.CurrentPosition() < std::ssize(bytes)) {
    out += comma;
    comma = ",";
    if (!AppendValue(out, field, numbers)) return false;
  }
  return true;
}

bool AppendList(std::string& out, const KnownField& field, uint32_t tag, Input& input) {
  const bool is_packed =
      WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED &&
      FieldDescriptor::IsTypePackable(field.type);
  out += '[';
  std::string_view comma;
  do {
    out += comma;
    comma = ",";
    if (!(is_packed ? AppendPacked : AppendValue)(out, field, input)) return false;
  } while (input.ExpectTag(tag));
  out += ']';
  return true;
}

// Both halves of an entry are always written. A key is always a string in JSON.
bool AppendMap(std::string& out, const KnownField& field, uint32_t tag, Input& input) {
  const std::vector<KnownField>& halves = FieldsOf(field.message_type);
  std::vector<std::pair<std::string, std::string>> entries;
  do {
    std::string_view bytes;
    if (!input.ReadBytes(bytes)) return false;
    Input entry(bytes);
    auto& [key, value] = entries.emplace_back();
    if (entry.ReadTag() == 0 || !AppendValue(key, halves[0], entry)) return false;
    if (entry.ReadTag() == 0 || !AppendValue(value, halves[1], entry)) return false;
    if (!key.starts_with('"')) key = '"' + key + '"';
  } while (input.ExpectTag(tag));
  std::ranges::sort(entries);
  std::string_view comma = "{";
  for (const auto& [key, value] : entries) {
    out += comma;
    out += key;
    out += ':';
    out += value;
    comma = ",";
  }
  out += '}';
  return true;
}

bool AppendMessage(std::string& out, const Descriptor& type, std::string_view bytes) {
  switch (type.well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_TIMESTAMP:
      return AppendTimestamp(out, bytes);
    case Descriptor::WELLKNOWNTYPE_DURATION:
      return AppendDuration(out, bytes);
    default:
      break;
  }
  const std::vector<KnownField>& fields = FieldsOf(&type);
  auto field = fields.begin();
  Input input(bytes);
  std::string_view comma;
  out += '{';
  while (const uint32_t tag = input.ReadTag()) {
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    while (field != fields.end() && field->number < number) ++field;
    if (field == fields.end() || field->number != number) {
      if (!WireFormatLite::SkipField(&input, tag)) return false;
      continue;
    }
    out += comma;
    comma = ",";
    out += field->key;
    const bool written = field->is_map        ? AppendMap(out, *field, tag, input)
                         : field->is_repeated ? AppendList(out, *field, tag, input)
                                              : AppendValue(out, *field, input);
    if (!written) return false;
  }
  out += '}';
  return input.ConsumedEntireMessage();
}

}  // namespace

bool AppendJson(std::string& out, const Message& message) {
  std::string bytes;
  return message.SerializePartialToString(&bytes) &&
         AppendMessage(out, *message.GetDescriptor(), bytes);
}

}  // namespace tallyman::rpc
