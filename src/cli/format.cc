#include "cli/format.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>

#include "base/bytes.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/amounts.h"

namespace tallyman::cli {

Result<int64_t> ParseDimension(const DimensionView& dimension, std::string_view name,
                               std::string_view text) {
  return dimension.is_bytes ? ParseAmount(name, text) : ParseCount(name, text);
}

std::string FormatAmount(const DimensionView& dimension, int64_t value) {
  return dimension.is_bytes ? FormatBytes(value) : std::to_string(value);
}

std::vector<std::string> FormatAlike(const DimensionView& dimension,
                                     const std::vector<int64_t>& values) {
  const auto is_binary = [&](int64_t value) {
    return value == 0 || FormatAmount(dimension, value).ends_with("iB");
  };
  const bool all_binary = !dimension.is_bytes || std::ranges::all_of(values, is_binary);
  std::vector<std::string> texts;
  for (const int64_t value : values) {
    // Whole megabytes are always shown in powers of 1000, and no more digits than that.
    const bool round = !all_binary && is_binary(value);
    texts.push_back(FormatAmount(dimension, round ? (value + kMega / 2) / kMega * kMega : value));
  }
  return texts;
}

std::string FormatSigned(const DimensionView& dimension, int64_t value) {
  if (value == 0) return "0";
  return (value > 0 ? "+" : "") + FormatAmount(dimension, value);
}

std::string FormatSignedCount(int64_t value) {
  return fmt::format("{}{}", value > 0 ? "+" : "", value);
}

std::string FormatResources(const v1::Resources& resources) {
  return fmt::format("{}, {} memory, {} disk", Counted(resources.cpu_cores(), "core"),
                     FormatBytes(resources.memory_bytes()), FormatBytes(resources.disk_bytes()));
}

std::string FormatSignedResources(const v1::Resources& resources) {
  const auto& [cpu, memory, disk] = kDimensionViews;
  return fmt::format("{} cores, {} memory, {} disk", FormatSigned(cpu, resources.cpu_cores()),
                     FormatSigned(memory, resources.memory_bytes()),
                     FormatSigned(disk, resources.disk_bytes()));
}

std::string FormatBooks(const v1::Books& books) {
  return fmt::format("{}, {}", Counted(books.node_count(), "node"),
                     FormatResources(books.allocated()));
}

std::string Counted(int64_t count, std::string_view word, std::string_view plural) {
  if (count == 1) return fmt::format("1 {}", word);
  return plural.empty() ? fmt::format("{} {}s", count, word) : fmt::format("{} {}", count, plural);
}

namespace {

std::atomic<bool> times_are_local = false;

}  // namespace

void ShowTimesByTz() {
  ::tzset();
  times_are_local = true;
}

std::string FormatTimestamp(const google::protobuf::Timestamp& time) {
  // The range that the definition of Timestamp allows; anything else is not a time.
  constexpr int64_t kSecondsMin = -62135596800;
  constexpr int64_t kSecondsMax = 253402300799;
  if (time.seconds() == 0 && time.nanos() == 0) return {};
  if (time.seconds() < kSecondsMin || time.seconds() > kSecondsMax) return "?";
  const auto seconds = static_cast<std::time_t>(time.seconds());
  std::tm local{};
  if (!times_are_local || ::localtime_r(&seconds, &local) == nullptr || local.tm_gmtoff == 0)
    return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", fmt::gmtime(seconds));
  const int64_t minutes = std::abs(local.tm_gmtoff) / 60;
  return fmt::format("{:%Y-%m-%d %H:%M:%S}{}{:02}:{:02}", local, local.tm_gmtoff < 0 ? '-' : '+',
                     minutes / 60, minutes % 60);
}

google::protobuf::Timestamp ToTimestamp(Time time) {
  constexpr int64_t kMicrosPerSecond = 1'000'000;
  const int64_t micros = ToMicros(time);
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(micros / kMicrosPerSecond);
  stamp.set_nanos(static_cast<int32_t>(micros % kMicrosPerSecond * 1000));
  return stamp;
}

namespace {

// "NODE_STATE_" of enum NodeState: the enumerator of zero is always the unspecified one.
std::string_view EnumPrefix(const google::protobuf::EnumDescriptor& type) {
  constexpr std::string_view kUnspecified = "UNSPECIFIED";
  std::string_view prefix = type.value(0)->name();
  prefix.remove_suffix(prefix.ends_with(kUnspecified) ? kUnspecified.size() : 0);
  return prefix;
}

}  // namespace

std::string EnumWord(const google::protobuf::EnumDescriptor& type, int value) {
  const auto* known = type.FindValueByNumber(value);
  if (value == 0 || known == nullptr) return {};
  std::string word = known->name().substr(EnumPrefix(type).size());
  std::ranges::transform(word, word.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return word;
}

int EnumNumber(const google::protobuf::EnumDescriptor& type, std::string_view word) {
  std::string name(EnumPrefix(type));
  for (const char c : word) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  const auto* known = type.FindValueByName(name);
  return known == nullptr ? 0 : known->number();
}

Result<int> ParseEnum(std::string_view name, std::string_view word,
                      const google::protobuf::EnumDescriptor& type) {
  if (const int number = EnumNumber(type, word); number != 0) return number;
  std::string words;
  for (int i = 1; i < type.value_count(); ++i) {
    words += i == 1 ? "" : i + 1 < type.value_count() ? ", " : " or ";
    words += EnumWord(type, type.value(i)->number());
  }
  std::string_view prefix = EnumPrefix(type);
  prefix.remove_suffix(1);
  return Fail(InvalidArgument(fmt::format("INVALID_{}", prefix),
                              fmt::format("{} is {}: write {}", name, Quote(word), words))
                  .With("field", std::string(name)));
}

}  // namespace tallyman::cli
