// The backends that the contract suite is run on.
#pragma once

#include <gtest/gtest.h>

#include "tests/contract/backend.h"

namespace tallyman {

BackendParameter SqliteBackend();
BackendParameter PostgresBackend();
// With SERIALIZABLE as the default isolation, as databases that only look like PostgreSQL have it.
BackendParameter PostgresSerializableBackend();

inline auto AllBackends() {
  return testing::Values(SqliteBackend(), PostgresBackend(), PostgresSerializableBackend());
}

// Behind every fixture of the suite: its cases run on every backend.
#define RUN_ON_ALL_BACKENDS(Fixture)                               \
  INSTANTIATE_TEST_SUITE_P(On, Fixture, ::tallyman::AllBackends(), \
                           [](const auto& parameter) { return parameter.param.name; })

// The same for what only a backend that makes its own backups can be asked.
#define RUN_ON_BACKENDS_WITH_BACKUPS(Fixture)                                         \
  INSTANTIATE_TEST_SUITE_P(On, Fixture, testing::Values(::tallyman::SqliteBackend()), \
                           [](const auto& parameter) { return parameter.param.name; })

}  // namespace tallyman
