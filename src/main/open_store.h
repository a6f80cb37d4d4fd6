// Opens the database that --db names.
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "main/dsn.h"
#include "store/copy.h"
#include "store/store.h"

namespace tallyman::app {

struct OpenOptions {
  // A missing or empty database is created, and the log records it. (For PostgreSQL only the schema
  // is created: run createdb first.) A file that is there is kept from others than its owner and
  // its group, and the log records that as well.
  bool may_create = false;
  // For the commands under `db`: accept an older schema.
  bool as_it_is = false;
  // A file that cannot be written is opened for reading (SqliteStoreOptions::may_be_read_only).
  bool may_be_read_only = false;
  int64_t readers_max = 4;
};

// One store under its three interfaces.
struct OpenedStore {
  std::unique_ptr<store::Store> store;
  store::StoreAdmin* admin = nullptr;
  store::CopyableStore* copyable = nullptr;
  int writers = 1;  // useful number of concurrent transactions
  bool is_read_only = false;
};

// Errors are those of the stores; an older schema is an error unless it is accepted.
Result<OpenedStore> OpenStore(const DatabaseName& name, const OpenOptions& options, Random& random,
                              Log& log);

}  // namespace tallyman::app
