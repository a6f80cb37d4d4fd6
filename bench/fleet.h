// Fleets to measure on, made in bulk: through the Store, which proves the books of every batch, but
// past the operations, so that a million nodes take seconds.
//
// Every node is settled: it runs its config and waits for nothing. Each has the rows that creating
// it would have left: config, command, ledger entry, event.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace tallyman {

inline constexpr char kBenchOrg[] = "acme";
inline constexpr char kBenchRegion[] = "eu";
// Images that differ in what they need; nodes of an even fleet begin with the first.
inline constexpr char kSmallImage[] = "chain/full@1.0.0";
inline constexpr char kLargeImage[] = "chain/full@2.0.0";
inline constexpr char kHugeImage[] = "chain/full@3.0.0";

struct FleetShape {
  int64_t hosts = 0;
  int64_t nodes = 0;
  // Hosts of three sizes with 0 to twice the mean of nodes, of three images; else all alike.
  bool varied = false;
};

// Makes the fleet in `database`: a file that must not be there yet, or an empty database of
// PostgreSQL. A file is left checkpointed: it can be copied by itself.
Status MakeFleet(const std::string& database, const FleetShape& shape);

}  // namespace tallyman
