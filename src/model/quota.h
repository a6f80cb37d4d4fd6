// The most that an org's live nodes may take in the fleet, charges and holds together.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tallyman {

// An empty limit: none.
struct Quota {
  std::optional<int64_t> node_count;
  std::optional<int64_t> cpu_cores;
  std::optional<int64_t> memory_bytes;
  std::optional<int64_t> disk_bytes;

  bool IsSet() const { return node_count || cpu_cores || memory_bytes || disk_bytes; }
  friend bool operator==(const Quota&, const Quota&) = default;
};

// Its limits, and the words for them.
struct QuotaLimit {
  std::string_view word;
  std::optional<int64_t> Quota::* limit;
};
inline constexpr std::array<QuotaLimit, 4> kQuotaLimits = {{
    {"node_count", &Quota::node_count},
    {"cpu_cores", &Quota::cpu_cores},
    {"memory_bytes", &Quota::memory_bytes},
    {"disk_bytes", &Quota::disk_bytes},
}};

}  // namespace tallyman
