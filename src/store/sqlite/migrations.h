// SQLite's schema, step by step.
#pragma once

#include <span>

#include "store/migration.h"

namespace tallyman::store::sqlite {

std::span<const Migration> SqliteMigrations();

}  // namespace tallyman::store::sqlite
