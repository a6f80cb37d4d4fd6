// Opens whatever database --db names.
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "main/dsn.h"
#include "store/copy.h"
#include "store/store.h"

namespace tallyman {

struct OpenOptions {
  // A database that is missing or empty is made, which the log is told. (PostgreSQL makes a schema,
  // not a database: createdb comes first.)
  bool may_create = false;
  // For the commands under `db`: an older schema is no reason to refuse.
  bool as_it_is = false;
  int64_t readers_max = 4;
};

// One store by the three names that it answers to.
struct OpenedStore {
  std::unique_ptr<Store> store;
  StoreAdmin* admin = nullptr;
  CopyableStore* copyable = nullptr;
  int writers = 1;  // transactions at once that are of use
};

// Errors are those of the stores; an older schema is refused unless it may be as it is.
Result<OpenedStore> OpenStore(const DatabaseName& name, const OpenOptions& options, Random& random,
                              Log& log);

}  // namespace tallyman
