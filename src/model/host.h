// A host: a machine with a capacity, and the books that say what is allocated on it.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "model/ids.h"
#include "model/resources.h"

namespace tallyman {

// What to do with an upgrade that takes a host over its capacity.
enum class CapacityPolicy { kWarn, kEnforce };

template <>
struct EnumText<CapacityPolicy> {
  static constexpr std::array<std::string_view, 2> kWords = {"warn", "enforce"};
};

// What is known of the agent on a host.
enum class Liveness { kNeverHeard, kLive, kSilent };

template <>
struct EnumText<Liveness> {
  static constexpr std::array<std::string_view, 3> kWords = {"never_heard", "live", "silent"};
};

// Invariants: `books` equal the sums over the host's live nodes, `held` the sum of their holds.
struct Host {
  HostId id;
  std::string name;  // unique; never changes but when the host is retired
  RegionId region_id;
  Resources capacity;
  std::optional<CapacityPolicy> capacity_policy;  // empty: the server's
  Books books;
  Resources held;
  int64_t ledger_seq = 0;  // of the newest ledger entry
  int64_t version = 1;
  Time created_at;
  Time updated_at;
  bool heard = false;                // a report was taken from it at least once
  std::optional<Time> silent_since;  // its last report, when that is too long ago
  bool cordoned = false;             // there is a claim: it gets no new nodes
  std::optional<Time> retired_at;    // gone for good, with all that it carried

  friend bool operator==(const Host&, const Host&) = default;
};

enum class ClaimKind { kCordon, kRetired, kDrain };

template <>
struct EnumText<ClaimKind> {
  static constexpr std::array<std::string_view, 3> kWords = {"cordon", "retired", "drain"};
};

// Somebody keeps new nodes off a host: it is cordoned while anybody does.
struct HostClaim {
  HostId host_id;
  std::string owner;  // one claim of each kind
  ClaimKind kind = ClaimKind::kCordon;
  std::string reason;  // for people; may be empty
  std::string created_by;
  Time created_at;

  friend bool operator==(const HostClaim&, const HostClaim&) = default;
};

inline Liveness LivenessOf(const Host& host) {
  if (host.silent_since) return Liveness::kSilent;
  return host.heard ? Liveness::kLive : Liveness::kNeverHeard;
}
// Placement in a region passes over the others.
inline bool TakesNewNodes(const Host& host) { return !host.cordoned && !host.silent_since; }

// capacity - allocated - held; negative where the host carries more than it has.
Result<Resources> FreeOf(const Host& host);

}  // namespace tallyman
