// A whole control room on a real SQLite file, for tests below the API.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/system.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/support/control_calls.h"
#include "tests/support/temp_dir.h"

namespace tallyman {

// One store, one control, a stopped clock and a fixed seed. Not thread-safe itself; Call() may be
// used from many threads.
class ControlRoom : public ControlCalls {
 public:
  explicit ControlRoom(control::ControlOptions options = {},
                       store::sqlite::SqliteStoreOptions store_options = {}) {
    store_options.create_if_missing = true;
    store_options.for_migration = true;
    auto opened = store::sqlite::SqliteStore::Open(path(), store_options);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    store = std::move(*opened);
    auto migrated = store->Migrate();
    EXPECT_TRUE(migrated.has_value()) << (migrated ? "" : migrated.error().message);
    Restart(options);
  }

  // A new control on the same store: other policies, say.
  void Restart(control::ControlOptions options) {
    control.reset();
    options.secrets = &secrets;
    control = std::make_unique<control::Control>(*store, clock, random, log, metrics, options);
  }

  std::string path() const { return (dir.path() / "fleet.db").string(); }

  control::Control& Behind() override { return *control; }

  TempDir dir;
  ManualClock clock{FromMicros(1'800'000'000'000'000)};
  SeededRandom random{42};
  SystemSecrets secrets;
  MemoryLog log;
  Metrics metrics;
  std::unique_ptr<store::sqlite::SqliteStore> store;
  std::unique_ptr<control::Control> control;
};

}  // namespace tallyman
