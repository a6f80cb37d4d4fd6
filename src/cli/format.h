// Values of the API as people read and type them.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>
#include <google/protobuf/timestamp.pb.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tallyman/v1/common.pb.h"

namespace tallyman::cli {

// One resource dimension: how it is called and where it stands in a message.
struct DimensionView {
  std::string_view word;   // "cpu", as in titles and on rows
  std::string_view field;  // "cpu_cores", as in messages
  int64_t (v1::Resources::*get)() const;
  void (v1::Resources::*set)(int64_t);
  bool is_bytes;
};

inline constexpr std::array<DimensionView, 3> kDimensionViews = {{
    {"cpu", "cpu_cores", &v1::Resources::cpu_cores, &v1::Resources::set_cpu_cores, false},
    {"memory", "memory_bytes", &v1::Resources::memory_bytes, &v1::Resources::set_memory_bytes,
     true},
    {"disk", "disk_bytes", &v1::Resources::disk_bytes, &v1::Resources::set_disk_bytes, true},
}};

// As people type it: whole cores, or bytes with or without a unit. INVALID_ARGUMENT names the
// option and the value.
Result<int64_t> ParseDimension(const DimensionView& dimension, std::string_view name,
                               std::string_view text);

// "8", "16 GB"; with a sign "+8", "-16 GB", "0".
std::string FormatAmount(const DimensionView& dimension, int64_t value);
// Amounts that stand side by side: powers of 1024 only where all of them read well so.
std::vector<std::string> FormatAlike(const DimensionView& dimension,
                                     const std::vector<int64_t>& values);
std::string FormatSigned(const DimensionView& dimension, int64_t value);
std::string FormatSignedCount(int64_t value);

// "8 cores, 16 GB memory, 1.5 TB disk".
std::string FormatResources(const v1::Resources& resources);
// The same with a sign before each amount.
std::string FormatSignedResources(const v1::Resources& resources);
// "3 nodes, 8 cores, ...".
std::string FormatBooks(const v1::Books& books);

// "1 node", "3 nodes"; `plural` is for words that do not take an s.
std::string Counted(int64_t count, std::string_view word, std::string_view plural = {});

// From now on times are shown in the zone of the variable TZ, with its offset, instead of in UTC:
// for the whole process, as the zone itself is.
void ShowTimesByTz();

// "2026-03-01 12:00:00Z": in UTC; empty for a time that is not set.
std::string FormatTimestamp(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp ToTimestamp(Time time);

// The word of an enumerator: that of NODE_STATE_RUNNING is "running"; empty for UNSPECIFIED and for
// a value that this program does not know.
std::string EnumWord(const google::protobuf::EnumDescriptor& type, int value);
template <class Enum>
std::string EnumWord(Enum value) {
  return EnumWord(*google::protobuf::GetEnumDescriptor<Enum>(), value);
}
// The enumerator of a word, in letters of either case; 0 when there is none.
int EnumNumber(const google::protobuf::EnumDescriptor& type, std::string_view word);
// The same for the option `name`. INVALID_ARGUMENT, such as reason INVALID_ROLE for enum Role,
// lists the words.
Result<int> ParseEnum(std::string_view name, std::string_view word,
                      const google::protobuf::EnumDescriptor& type);

}  // namespace tallyman::cli
