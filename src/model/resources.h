// Amounts of the three resources, and a host's books. All arithmetic is checked: nothing wraps,
// nothing is clamped.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "base/enum_text.h"
#include "base/result.h"

namespace tallyman {

enum class Dimension { kCpuCores, kMemoryBytes, kDiskBytes };

template <>
struct EnumText<Dimension> {
  static constexpr std::array<std::string_view, 3> kWords = {"cpu_cores", "memory_bytes",
                                                             "disk_bytes"};
};

inline constexpr std::array kDimensions = {Dimension::kCpuCores, Dimension::kMemoryBytes,
                                           Dimension::kDiskBytes};

// Whole cores and bytes. Only differences are negative.
struct Resources {
  int64_t cpu_cores = 0;
  int64_t memory_bytes = 0;
  int64_t disk_bytes = 0;

  int64_t get(Dimension dimension) const;
  int64_t& at(Dimension dimension);
  bool AnyNegative() const { return cpu_cores < 0 || memory_bytes < 0 || disk_bytes < 0; }
  // Every dimension of this is at most that of `capacity`; an exact fit fits.
  bool FitsIn(const Resources& capacity) const;

  friend bool operator==(const Resources&, const Resources&) = default;
};

// OUT_OF_RANGE, reason RESOURCE_OVERFLOW, names the dimension and both operands.
Result<Resources> Add(const Resources& a, const Resources& b);
Result<Resources> Subtract(const Resources& a, const Resources& b);

// The larger of the two in each dimension.
Resources Max(const Resources& a, const Resources& b);
// a - b in each dimension, or 0 where b is larger. REQUIRES: neither has a negative amount.
Resources Excess(const Resources& a, const Resources& b);

// A host's four counters.
struct Books {
  int64_t node_count = 0;
  Resources allocated;

  bool AnyNegative() const { return node_count < 0 || allocated.AnyNegative(); }
  friend bool operator==(const Books&, const Books&) = default;
};

// Errors as for Resources; the count is the dimension "node_count".
Result<Books> Add(const Books& a, const Books& b);
Result<Books> Subtract(const Books& a, const Books& b);

}  // namespace tallyman
