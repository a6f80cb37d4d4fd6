// The policies that the operator of a fleet may choose.
#pragma once

#include <chrono>

#include "base/bytes.h"
#include "model/host.h"

namespace tallyman::planner {

// What an operation does when it finds wrong books.
enum class DriftPolicy { kHeal, kAbort };

struct Policies {
  DriftPolicy drift = DriftPolicy::kHeal;
  CapacityPolicy capacity = CapacityPolicy::kWarn;  // a host may have its own
  // A host that was heard once and then said nothing for so long is silent.
  std::chrono::microseconds host_silent = std::chrono::seconds(90);
  // The most that one node may request.
  Resources node_max = {1000, kTebi, 100 * kTebi};
};

// A warning: the operation was carried out, but somebody should know about it.
struct Warning {
  std::string reason;
  std::string message;
  HostId host_id;
  std::string host_name;
  std::string dimension;  // "" when it is not about a single one
};

}  // namespace tallyman::planner

namespace tallyman {

template <>
struct EnumText<planner::DriftPolicy> {
  static constexpr std::array<std::string_view, 2> kWords = {"heal", "abort"};
};

}  // namespace tallyman
