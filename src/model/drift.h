// Drift: a stored number that differs from what it should be.
#pragma once

#include <optional>
#include <string>

#include "model/ids.h"
#include "model/resources.h"

namespace tallyman {

enum class DriftKind { kNodeFields, kNodeHold, kHostBooks, kHostHold, kLedger, kCordon };

template <>
struct EnumText<DriftKind> {
  static constexpr std::array<std::string_view, 6> kWords = {
      "node_fields", "node_hold", "host_books", "host_hold", "ledger", "cordon"};
};

// One dimension of one node or host. `dimension` is a Dimension's word or "node_count".
struct Drift {
  DriftKind kind = DriftKind::kHostBooks;
  HostId host_id;
  std::string host_name;
  std::optional<NodeId> node_id;
  std::string node_name;
  std::string dimension;
  int64_t stored = 0;
  int64_t true_value = 0;

  friend bool operator==(const Drift&, const Drift&) = default;
};

}  // namespace tallyman
