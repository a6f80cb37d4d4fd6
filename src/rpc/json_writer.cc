#include "rpc/json_writer.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/base64.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/time.h"

namespace tallyman {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::Duration;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Timestamp;

// A field of a message, or one element of a repeated field.
struct Place {
  const Message& message;
  const Reflection& reflection;  // the message's: asking for it is not cheap
  const FieldDescriptor* field;
  int index = -1;  // -1: the field is not repeated
};

template <class T>
T Read(const Place& place, T (Reflection::*one)(const Message&, const FieldDescriptor*) const,
       T (Reflection::*of_many)(const Message&, const FieldDescriptor*, int) const) {
  return place.index < 0 ? (place.reflection.*one)(place.message, place.field)
                         : (place.reflection.*of_many)(place.message, place.field, place.index);
}

const Message& ReadMessage(const Place& place) {
  const Reflection& reflection = *place.message.GetReflection();
  return place.index < 0 ? reflection.GetMessage(place.message, place.field)
                         : reflection.GetRepeatedMessage(place.message, place.field, place.index);
}

// What appends a value says whether it is another one than that of a field nobody has set.

bool AppendString(std::string& out, std::string_view text) {
  AppendJsonString(out, IsUtf8(text) ? text : ValidUtf8(text));
  return !text.empty();
}

bool AppendInteger(std::string& out, auto number) {
  std::array<char, 24> digits;
  out.append(digits.data(), std::to_chars(digits.begin(), digits.end(), number).ptr);
  return number != 0;
}

// Most readers of JSON take its numbers for doubles.
bool AppendWide(std::string& out, auto number) {
  out += '"';
  AppendInteger(out, number);
  out += '"';
  return number != 0;
}

// JSON has no word for what is no number.
bool AppendDouble(std::string& out, double number) {
  if (std::isfinite(number)) {
    fmt::format_to(std::back_inserter(out), "{}", number);
  } else {
    out += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  }
  return number != 0 || std::signbit(number);
}

// In groups of three digits.
void AppendFraction(std::string& out, int32_t nanos) {
  if (nanos == 0) return;
  std::array<char, 10> text;
  text[0] = '.';
  for (size_t i = text.size(); i-- > 1; nanos /= 10)
    text[i] = static_cast<char>('0' + std::abs(nanos % 10));
  size_t size = text.size();
  while (std::string_view(text.data(), size).ends_with("000")) size -= 3;
  out.append(text.data(), size);
}

void AppendTimestamp(std::string& out, const Timestamp& time) {
  constexpr size_t kToSeconds = std::string_view("2006-01-02T15:04:05").size();
  const std::string text = FormatTime(Time(std::chrono::seconds(time.seconds())));
  out += '"';
  out += std::string_view(text).substr(0, kToSeconds);
  AppendFraction(out, time.nanos());
  out += "Z\"";
}

void AppendDuration(std::string& out, const Duration& duration) {
  out += duration.seconds() < 0 || duration.nanos() < 0 ? "\"-" : "\"";
  AppendInteger(out, std::abs(duration.seconds()));
  AppendFraction(out, duration.nanos());
  out += "s\"";
}

void AppendMessage(std::string& out, const Message& message);

bool AppendValue(std::string& out, const Place& place) {
  switch (place.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return AppendInteger(out, Read(place, &Reflection::GetInt32, &Reflection::GetRepeatedInt32));
    case FieldDescriptor::CPPTYPE_UINT32:
      return AppendInteger(out,
                           Read(place, &Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_INT64:
      return AppendWide(out, Read(place, &Reflection::GetInt64, &Reflection::GetRepeatedInt64));
    case FieldDescriptor::CPPTYPE_UINT64:
      return AppendWide(out, Read(place, &Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
    case FieldDescriptor::CPPTYPE_BOOL: {
      const bool is_so = Read(place, &Reflection::GetBool, &Reflection::GetRepeatedBool);
      out += is_so ? "true" : "false";
      return is_so;
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return AppendDouble(out, Read(place, &Reflection::GetDouble, &Reflection::GetRepeatedDouble));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return AppendDouble(out, Read(place, &Reflection::GetFloat, &Reflection::GetRepeatedFloat));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = Read(place, &Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue);
      const EnumValueDescriptor* value = place.field->enum_type()->FindValueByNumber(number);
      if (value == nullptr) return AppendInteger(out, number);
      out += '"';
      out += value->name();
      out += '"';
      return number != 0;
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      const std::string& text =
          place.index < 0
              ? place.reflection.GetStringReference(place.message, place.field, &scratch)
              : place.reflection.GetRepeatedStringReference(place.message, place.field, place.index,
                                                            &scratch);
      if (place.field->type() != FieldDescriptor::TYPE_BYTES) return AppendString(out, text);
      out += '"';
      out += ToBase64(text);
      // With the padding that the mapping wants.
      out.append((3 - text.size() % 3) % 3, '=');
      out += '"';
      return !text.empty();
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  AppendMessage(out, ReadMessage(place));
  return true;
}

// A key of a map, which is always a string in JSON.
std::string KeyOf(const Message& entry) {
  std::string text;
  const FieldDescriptor* key = entry.GetDescriptor()->map_key();
  AppendValue(text, {entry, *entry.GetReflection(), key});
  if (!text.starts_with('"')) text = '"' + text + '"';
  return text;
}

void AppendMap(std::string& out, const Message& message, const Reflection& reflection,
               const FieldDescriptor* field) {
  std::vector<std::pair<std::string, const Message*>> entries;
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    entries.emplace_back(KeyOf(entry), &entry);
  }
  std::ranges::sort(entries);
  out += '{';
  std::string_view comma;
  for (const auto& [key, entry] : entries) {
    out += comma;
    out += key;
    out += ':';
    AppendValue(out, {*entry, *entry->GetReflection(), entry->GetDescriptor()->map_value()});
    comma = ",";
  }
  out += '}';
}

void AppendList(std::string& out, const Message& message, const Reflection& reflection,
                const FieldDescriptor* field) {
  out += '[';
  const int count = reflection.FieldSize(message, field);
  for (int i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    AppendValue(out, {message, reflection, field, i});
  }
  out += ']';
}

// What all messages of a type would ask its description again and again.
struct KnownField {
  const FieldDescriptor* field;
  std::string key;  // as it stands before the value
  bool has_presence;
  bool is_repeated;
  bool is_map;
};

// In the order of their numbers.
const std::vector<KnownField>& FieldsOf(const Descriptor* type) {
  thread_local std::unordered_map<const Descriptor*, std::vector<KnownField>> types;
  auto [at, is_new] = types.try_emplace(type);
  std::vector<KnownField>& fields = at->second;
  if (!is_new) return fields;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    fields.push_back({.field = field,
                      .key = '"' + field->json_name() + "\":",
                      .has_presence = field->has_presence(),
                      .is_repeated = field->is_repeated(),
                      .is_map = field->is_map()});
  }
  std::ranges::sort(fields, {}, [](const KnownField& known) { return known.field->number(); });
  return fields;
}

void AppendMessage(std::string& out, const Message& message) {
  const Descriptor* type = message.GetDescriptor();
  switch (type->well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_TIMESTAMP:
      return AppendTimestamp(out, static_cast<const Timestamp&>(message));
    case Descriptor::WELLKNOWNTYPE_DURATION:
      return AppendDuration(out, static_cast<const Duration&>(message));
    default:
      break;
  }
  const Reflection& reflection = *message.GetReflection();
  out += '{';
  const size_t first = out.size();
  for (const KnownField& known : FieldsOf(type)) {
    const FieldDescriptor* field = known.field;
    if (known.has_presence && !reflection.HasField(message, field)) continue;
    if (known.is_repeated && reflection.FieldSize(message, field) == 0) continue;
    const size_t before = out.size();
    if (before > first) out += ',';
    out += known.key;
    if (known.is_map) {
      AppendMap(out, message, reflection, field);
    } else if (known.is_repeated) {
      AppendList(out, message, reflection, field);
    } else if (!AppendValue(out, {message, reflection, field}) && !known.has_presence) {
      out.resize(before);
    }
  }
  out += '}';
}

}  // namespace

void AppendJson(std::string& out, const Message& message) { AppendMessage(out, message); }

}  // namespace tallyman
