#include "planner/capacity.h"

#include <fmt/core.h>

namespace tallyman::planner {

Status CheckCapacityAmounts(const Resources& capacity) {
  for (Dimension d : kDimensions) {
    int64_t value = capacity.get(d);
    if (value >= 1 && value <= kHostMax.get(d)) continue;
    return Fail(InvalidArgument("INVALID_CAPACITY", fmt::format("capacity.{} is {}: use 1 to {}",
                                                                ToText(d), value, kHostMax.get(d)))
                    .With("field", fmt::format("capacity.{}", ToText(d)))
                    .With("dimension", std::string(ToText(d)))
                    .With("value", std::to_string(value)));
  }
  return {};
}

std::vector<Warning> OverCapacity(const Host& host) {
  std::vector<Warning> warnings;
  auto free = FreeOf(host);
  if (!free) return warnings;  // books beyond 64 bits are the audit's business
  for (Dimension d : kDimensions) {
    if (free->get(d) >= 0) continue;
    warnings.push_back({"OVER_CAPACITY",
                        fmt::format("host {} carries {} {} more than its capacity of {}", host.name,
                                    -free->get(d), ToText(d), host.capacity.get(d)),
                        host.id, host.name, std::string(ToText(d))});
  }
  return warnings;
}

}  // namespace tallyman::planner
