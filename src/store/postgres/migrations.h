// PostgreSQL's schema, step by step.
#pragma once

#include <span>

#include "store/migration.h"

namespace tallyman::store::postgres {

std::span<const Migration> PostgresMigrations();

}  // namespace tallyman::store::postgres
