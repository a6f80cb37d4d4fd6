#include "rpc/message_size.h"

#include <fmt/core.h>
#include <google/protobuf/message.h>
#include <google/protobuf/wire_format.h>

#include <unordered_map>

namespace tallyman::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

// Estimates, rather too high than too low, of what protobuf allocates.
constexpr size_t kStringBytes = 48;  // the object, and its place in a list
constexpr size_t kShortBytes = 15;   // what it holds within itself
constexpr size_t kNumberBytes = 16;  // in a list that has just grown
constexpr size_t kPlaceBytes = 24;   // of a submessage in a list, and what the allocator adds
constexpr size_t kMapEntryBytes = 96;
constexpr size_t kUnknownBytes = 32;
// What the JSON reader keeps of an object or a list until the end.
constexpr size_t kJsonObjectBytes = 64;
constexpr int kDepthMax = 100;  // as protobuf

Error TooManyParts(size_t message_bytes_max) {
  return Error(Code::kResourceExhausted, "MESSAGE_TOO_MANY_PARTS",
               fmt::format("the body has so many parts that its message would take more than {} "
                           "bytes of memory: send it as several requests",
                           message_bytes_max))
      .With("bytes_max", std::to_string(message_bytes_max));
}

class Scan {
 public:
  explicit Scan(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  Status Message(const Descriptor& type, std::string_view bytes, int depth) {
    if (depth > kDepthMax) return Malformed(type);
    RETURN_IF_ERROR(Charge(SizeOf(type)));
    while (!bytes.empty()) RETURN_IF_ERROR(Field(type, bytes, depth));
    return {};
  }

 private:
  Status Charge(size_t bytes) {
    estimate_ += bytes;
    if (estimate_ <= message_bytes_max_) return {};
    return Fail(TooManyParts(message_bytes_max_));
  }
  static std::unexpected<Error> Malformed(const Descriptor& type) {
    return Fail(InvalidArgument("MALFORMED_MESSAGE",
                                fmt::format("the body is not a binary {}", type.full_name())));
  }

  // Of an empty one.
  size_t SizeOf(const Descriptor& type) {
    auto [found, is_new] = sizes_.try_emplace(&type, 0);
    if (is_new) {
      const auto* prototype =
          google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type);
      found->second = prototype->SpaceUsedLong() + kPlaceBytes;
    }
    return found->second;
  }

  static bool TakeVarint(std::string_view& bytes, uint64_t& value) {
    value = 0;
    for (size_t i = 0; i < bytes.size() && i < 10; ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte >= 0x80) continue;
      bytes.remove_prefix(i + 1);
      return true;
    }
    return false;
  }

  // nullptr: protobuf keeps it as an unknown one, which it does too when the wire has another type.
  static const FieldDescriptor* FieldOf(const Descriptor& type, uint64_t tag) {
    if (tag >> 3 > FieldDescriptor::kMaxNumber) return nullptr;
    const auto* field = type.FindFieldByNumber(static_cast<int>(tag >> 3));
    if (field == nullptr) return nullptr;
    using google::protobuf::internal::WireFormat;
    const auto wire_type = static_cast<uint64_t>(WireFormat::WireTypeForFieldType(field->type()));
    const bool is_packed = (tag & 7) == kLengthDelimited && field->is_packable();
    return wire_type == (tag & 7) || is_packed ? field : nullptr;
  }

  Status Field(const Descriptor& type, std::string_view& bytes, int depth) {
    uint64_t tag = 0;
    uint64_t length = 0;
    if (!TakeVarint(bytes, tag)) return Malformed(type);
    const auto* field = FieldOf(type, tag);
    switch (tag & 7) {
      case kVarint:
        if (!TakeVarint(bytes, length)) return Malformed(type);
        return Charge(ValueBytes(field));
      case kFixed64:
      case kFixed32:
        length = (tag & 7) == kFixed64 ? 8 : 4;
        break;
      case kLengthDelimited:
        if (!TakeVarint(bytes, length)) return Malformed(type);
        break;
      default:
        return Malformed(type);
    }
    if (length > bytes.size()) return Malformed(type);
    const std::string_view value = bytes.substr(0, length);
    bytes.remove_prefix(length);
    return (tag & 7) == kLengthDelimited ? Value(field, value, depth) : Charge(ValueBytes(field));
  }

  // Numbers that are not in a list have their place in the message.
  static size_t ValueBytes(const FieldDescriptor* field) {
    if (field == nullptr) return kUnknownBytes;
    return field->is_repeated() ? kNumberBytes : 0;
  }

  Status Value(const FieldDescriptor* field, std::string_view value, int depth) {
    if (field == nullptr) return Charge(kUnknownBytes + kStringBytes + value.size());
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field->is_map()) RETURN_IF_ERROR(Charge(kMapEntryBytes));
      return Message(*field->message_type(), value, depth + 1);
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      return Charge(kStringBytes + (value.size() > kShortBytes ? value.size() : 0));
    return Charge(kNumberBytes * value.size());  // packed
  }

  const size_t message_bytes_max_;
  size_t estimate_ = 0;
  std::unordered_map<const Descriptor*, size_t> sizes_;
};

}  // namespace

Status CheckMessageSize(const Descriptor& type, std::string_view bytes, size_t message_bytes_max) {
  if (bytes.size() <= kSmallBodyBytes) return {};
  return Scan(message_bytes_max).Message(type, bytes, 1);
}

// What stands within strings is no mark. protobuf takes single quotes too.
Status CheckJsonSize(std::string_view json, size_t message_bytes_max) {
  if (json.size() <= kSmallBodyBytes) return {};
  size_t estimate = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"' || c == '\'') {
      for (++i; i < json.size() && json[i] != c; ++i) {
        if (json[i] == '\\') ++i;
      }
    } else if (c == '{' || c == '[') {
      estimate += kJsonObjectBytes;
      if (estimate > message_bytes_max) return Fail(TooManyParts(message_bytes_max));
    }
  }
  return {};
}

}  // namespace tallyman::rpc
