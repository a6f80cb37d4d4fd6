// The inside of a server on a shared database: a store, a control room with its own combiner, and
// the public interface.
#pragma once

#include <memory>

#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tests/support/api_calls.h"
#include "tests/support/pausing_store.h"
#include "tests/support/shared_database.h"

namespace tallyman {

class Server : public ApiCalls<ControlCalls> {
 public:
  // `seed`: of the ids that it makes; no two servers of one database may have the same.
  Server(std::unique_ptr<store::Store> way_in, uint64_t seed, control::ControlOptions options = {})
      : store(std::move(way_in)), random(seed) {
    Restart(options);
  }

  void Restart(control::ControlOptions options) {
    control.reset();
    control = std::make_unique<control::Control>(store, clock, random, log, metrics, options);
  }
  control::Control& Behind() override { return *control; }

  PausingStore store;
  ManualClock clock{FromMicros(1'800'000'000'000'000)};
  SeededRandom random;
  MemoryLog log;
  Metrics metrics;
  std::unique_ptr<control::Control> control;
};

}  // namespace tallyman
