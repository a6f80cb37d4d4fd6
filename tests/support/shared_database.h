// One database that several servers open, and what a test of races has to see of its locks.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "store/store.h"

namespace tallyman {

// A foreign lock, released with the object.
class HeldLock {
 public:
  virtual ~HeldLock() = default;
};

// A fresh, migrated database, gone with the object. Thread-safe.
class SharedDatabase {
 public:
  virtual ~SharedDatabase() = default;
  // A server's own store. Must be destroyed before the database.
  virtual std::unique_ptr<store::Store> Open() = 0;
  // How many transactions wait now for a lock that another one holds.
  virtual int64_t Waiting() = 0;
  // How many other processes wait for such a lock; if that is not visible, how many have reached
  // the database while it is held.
  virtual int64_t WaitingProcesses() { return Waiting(); }
  // Locks a host's row as a foreign session would; all of the database where nothing less can be
  // locked.
  virtual std::unique_ptr<HeldLock> LockHost(const std::string& name) = 0;
  // Runs SQL behind the stores' backs; damage is allowed.
  virtual void Sql(const std::string& sql) = 0;
  // What --db takes.
  virtual std::string Dsn() const = 0;
};

struct DatabaseParameter {
  std::string name;
  std::function<std::unique_ptr<SharedDatabase>()> make;
  friend void PrintTo(const DatabaseParameter& parameter, std::ostream* out) {
    *out << parameter.name;
  }
};

DatabaseParameter SharedSqlite();
// Two transactions that wait for each other there do so until their lock timeout.
DatabaseParameter SharedPostgres();
// With SERIALIZABLE as the default isolation: a transaction that waited for another one's change
// has to start again.
DatabaseParameter SharedPostgresSerializable();

}  // namespace tallyman
