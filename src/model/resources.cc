#include "model/resources.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/checked.h"
#include "base/reasons.h"
#include "model/host.h"

namespace tallyman {
namespace {

using Operation = std::optional<int64_t> (*)(int64_t, int64_t);

Result<int64_t> Compute(Operation operation, char sign, std::string_view dimension, int64_t a,
                        int64_t b) {
  if (auto value = operation(a, b)) return *value;
  return Fail(
      Error(Code::kOutOfRange, kResourceOverflow,
            fmt::format("{} {} {} of {} is beyond 64 bits: check the amounts that were asked for",
                        a, sign, b, dimension))
          .With("dimension", std::string(dimension))
          .With("left", std::to_string(a))
          .With("right", std::to_string(b)));
}

Result<Resources> Combine(Operation operation, char sign, const Resources& a, const Resources& b) {
  Resources out;
  for (Dimension dimension : kDimensions) {
    ASSIGN_OR_RETURN(out.at(dimension), Compute(operation, sign, ToText(dimension),
                                                a.get(dimension), b.get(dimension)));
  }
  return out;
}

Result<Books> Combine(Operation operation, char sign, const Books& a, const Books& b) {
  Books out;
  ASSIGN_OR_RETURN(out.node_count,
                   Compute(operation, sign, "node_count", a.node_count, b.node_count));
  ASSIGN_OR_RETURN(out.allocated, Combine(operation, sign, a.allocated, b.allocated));
  return out;
}

}  // namespace

int64_t Resources::get(Dimension dimension) const {
  return const_cast<Resources*>(this)->at(dimension);
}

int64_t& Resources::at(Dimension dimension) {
  switch (dimension) {
    case Dimension::kCpuCores:
      return cpu_cores;
    case Dimension::kMemoryBytes:
      return memory_bytes;
    case Dimension::kDiskBytes:
      break;
  }
  return disk_bytes;
}

bool Resources::FitsIn(const Resources& capacity) const {
  return cpu_cores <= capacity.cpu_cores && memory_bytes <= capacity.memory_bytes &&
         disk_bytes <= capacity.disk_bytes;
}

Result<Resources> Add(const Resources& a, const Resources& b) {
  return Combine(CheckedAdd, '+', a, b);
}
Result<Resources> Subtract(const Resources& a, const Resources& b) {
  return Combine(CheckedSub, '-', a, b);
}
Result<Books> Add(const Books& a, const Books& b) { return Combine(CheckedAdd, '+', a, b); }
Result<Books> Subtract(const Books& a, const Books& b) { return Combine(CheckedSub, '-', a, b); }

Resources Max(const Resources& a, const Resources& b) {
  return {std::max(a.cpu_cores, b.cpu_cores), std::max(a.memory_bytes, b.memory_bytes),
          std::max(a.disk_bytes, b.disk_bytes)};
}

Resources Excess(const Resources& a, const Resources& b) {
  Resources out;
  for (Dimension dimension : kDimensions) {
    out.at(dimension) = std::max<int64_t>(0, a.get(dimension) - b.get(dimension));
  }
  return out;
}

Result<Resources> FreeOf(const Host& host) {
  ASSIGN_OR_RETURN(Resources unallocated, Subtract(host.capacity, host.books.allocated));
  return Subtract(unallocated, host.held);
}

}  // namespace tallyman
