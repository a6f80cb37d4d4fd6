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

constexpr int32_t kNanosPerMicro = 1'000;
constexpr int32_t kNanosPerMilli = 1'000'000;

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

void AppendString(std::string& out, std::string_view text) {
  if (IsUtf8(text)) return AppendJsonString(out, text);
  AppendJsonString(out, ValidUtf8(text));
}

void AppendInteger(std::string& out, auto number) {
  std::array<char, 24> digits;
  out.append(digits.data(), std::to_chars(digits.begin(), digits.end(), number).ptr);
}

// Most readers of JSON take its numbers for doubles.
void AppendWide(std::string& out, auto number) {
  out += '"';
  AppendInteger(out, number);
  out += '"';
}

// JSON has no word for what is no number.
void AppendDouble(std::string& out, double number) {
  if (std::isfinite(number)) {
    fmt::format_to(std::back_inserter(out), "{}", number);
  } else {
    out += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  }
}

// In groups of three digits.
void AppendFraction(std::string& out, int32_t nanos) {
  nanos = std::abs(nanos);
  if (nanos == 0) return;
  if (nanos % kNanosPerMilli == 0) {
    fmt::format_to(std::back_inserter(out), ".{:03}", nanos / kNanosPerMilli);
  } else if (nanos % kNanosPerMicro == 0) {
    fmt::format_to(std::back_inserter(out), ".{:06}", nanos / kNanosPerMicro);
  } else {
    fmt::format_to(std::back_inserter(out), ".{:09}", nanos);
  }
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

void AppendValue(std::string& out, const Place& place) {
  switch (place.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      AppendInteger(out, Read(place, &Reflection::GetInt32, &Reflection::GetRepeatedInt32));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      AppendInteger(out, Read(place, &Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      AppendWide(out, Read(place, &Reflection::GetInt64, &Reflection::GetRepeatedInt64));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      AppendWide(out, Read(place, &Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      out += Read(place, &Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false";
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      AppendDouble(out, Read(place, &Reflection::GetDouble, &Reflection::GetRepeatedDouble));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      AppendDouble(out, Read(place, &Reflection::GetFloat, &Reflection::GetRepeatedFloat));
      break;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = Read(place, &Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue);
      const EnumValueDescriptor* value = place.field->enum_type()->FindValueByNumber(number);
      if (value != nullptr) {
        out += '"';
        out += value->name();
        out += '"';
      } else {
        AppendInteger(out, number);
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      const std::string& text =
          place.index < 0
              ? place.reflection.GetStringReference(place.message, place.field, &scratch)
              : place.reflection.GetRepeatedStringReference(place.message, place.field, place.index,
                                                            &scratch);
      if (place.field->type() == FieldDescriptor::TYPE_BYTES) {
        out += '"';
        out += ToBase64(text);
        // With the padding that the mapping wants.
        out.append((3 - text.size() % 3) % 3, '=');
        out += '"';
      } else {
        AppendString(out, text);
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      AppendMessage(out, ReadMessage(place));
      break;
  }
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
  std::vector<const FieldDescriptor*> fields;
  fields.reserve(static_cast<size_t>(type->field_count()));
  reflection.ListFields(message, &fields);
  out += '{';
  std::string_view comma;
  for (const FieldDescriptor* field : fields) {
    out += comma;
    out += '"';
    out += field->json_name();
    out += "\":";
    if (field->is_map()) {
      AppendMap(out, message, reflection, field);
    } else if (field->is_repeated()) {
      AppendList(out, message, reflection, field);
    } else {
      AppendValue(out, {message, reflection, field});
    }
    comma = ",";
  }
  out += '}';
}

}  // namespace

void AppendJson(std::string& out, const Message& message) { AppendMessage(out, message); }

}  // namespace tallyman
