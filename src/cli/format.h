// Values of the API as people read them.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tallyman/v1/common.pb.h"

namespace tallyman {

// One resource dimension: how it is called and where it stands in a message.
struct DimensionView {
  std::string_view word;   // "cpu", as in titles and on rows
  std::string_view field;  // "cpu_cores", as in messages
  int64_t (v1::Resources::*get)() const;
  bool is_bytes;
};

inline constexpr std::array<DimensionView, 3> kDimensionViews = {{
    {"cpu", "cpu_cores", &v1::Resources::cpu_cores, false},
    {"memory", "memory_bytes", &v1::Resources::memory_bytes, true},
    {"disk", "disk_bytes", &v1::Resources::disk_bytes, true},
}};

// "8", "16 GB"; with a sign "+8", "-16 GB", "0".
std::string FormatAmount(const DimensionView& dimension, int64_t value);
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

// "2026-03-01 12:00:00", in UTC; empty for a time that is not set.
std::string FormatTimestamp(const google::protobuf::Timestamp& time);

// The word of an enumerator: EnumWord("NODE_STATE_RUNNING", "NODE_STATE_") is "running"; empty for
// UNSPECIFIED and for a value that this program does not know.
std::string EnumWord(std::string_view name, std::string_view prefix);

}  // namespace tallyman
