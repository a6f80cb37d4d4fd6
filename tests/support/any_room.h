// A whole control room for tests of behaviour, on SQLite or, where TALLYMAN_TEST_BACKEND says
// `postgres` or `postgres_serializable`, on PostgreSQL: ctest runs such tests once for each.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/system.h"
#include "tests/contract/backend.h"
#include "tests/support/control_calls.h"

namespace tallyman {

// The backend that TALLYMAN_TEST_BACKEND names. Throws std::runtime_error for a word that it is
// not.
BackendParameter ChosenBackend();

// A store between control and the real store, such as a gate.
using StoreWrapper = std::function<std::unique_ptr<store::Store>(store::Store&)>;

// One database, one control, a stopped clock and a fixed seed. Not thread-safe itself; Run() may be
// used from many threads.
class AnyRoom : public ControlCalls {
 public:
  explicit AnyRoom(control::ControlOptions options = {}, const StoreWrapper& wrap = {});
  ~AnyRoom() override;

  // A new control on the same store: other policies, say.
  void Restart(control::ControlOptions options);
  control::Control& Behind() override { return *control; }

  // Damages the database as a person with a shell could: foreign keys off, CHECKs ignored. Fails
  // the test when that changes nothing.
  void Sql(const std::string& statement);
  // Everything stored, to see that nothing changed.
  std::string Dump() { return backend->Dump(); }

  ManualClock clock{FromMicros(1'800'000'000'000'000)};
  SeededRandom random{42};
  SystemSecrets secrets;
  MemoryLog log;
  Metrics metrics;
  std::unique_ptr<StoreBackend> backend;
  store::Store* store = nullptr;  // as control has it
  std::unique_ptr<control::Control> control;

 private:
  std::unique_ptr<store::Store> wrapped_;
};

}  // namespace tallyman
