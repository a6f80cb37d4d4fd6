// A database under test: what the contract suite needs from a backend besides Store and StoreAdmin.
//
// To run the suite on another backend, implement StoreBackend and instantiate it beside
// sqlite_backend.cc.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "base/id.h"
#include "store/store.h"

namespace tallyman {

// One fresh, migrated database; it goes away with the object.
class StoreBackend {
 public:
  virtual ~StoreBackend() = default;
  virtual store::Store& store() = 0;
  virtual store::StoreAdmin& admin() = 0;
  // Runs SQL behind the store's back, with the database's foreign keys not looked at.
  virtual void Corrupt(std::string_view sql) = 0;
  // An id as an SQL literal.
  virtual std::string Literal(const Uuid& id) = 0;
  // The same database as another server would open it.
  virtual std::unique_ptr<store::Store> Another() = 0;
  // Every row of every table, in a fixed order, to see changes.
  virtual std::string Dump() = 0;
  // From now on the database refuses to update rows of the table for which `condition` holds of
  // `new` (an SQL expression), with this message.
  virtual void RefuseUpdates(const std::string& table, const std::string& condition,
                             const std::string& message) = 0;
  // From now on it silently does not update rows of the table.
  virtual void IgnoreUpdates(const std::string& table) = 0;
};

// One that makes its own backups.
class BackupBackend : public StoreBackend {
 public:
  // Where a backup may go; a new place at every call.
  virtual std::string BackupTarget() = 0;
  // Opens what Backup() wrote as a separate backend.
  virtual std::unique_ptr<StoreBackend> Restore(const std::string& backup) = 0;
};

struct BackendParameter {
  std::string name;
  std::function<std::unique_ptr<StoreBackend>()> make;
  int writers = 1;  // that a control room on it may have at once
  friend void PrintTo(const BackendParameter& parameter, std::ostream* out) {
    *out << parameter.name;
  }
};

}  // namespace tallyman
