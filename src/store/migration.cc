#include "store/migration.h"

#include <fmt/core.h>

namespace tallyman::store {

Status CheckSchema(const SchemaState& schema, const std::string& database, bool may_be_old) {
  if (schema.version > schema.newest_version) {
    return Fail(FailedPrecondition(
                    "SCHEMA_TOO_NEW",
                    fmt::format("database {} has schema version {}, this program knows {}: use the "
                                "program that wrote it, or a newer one",
                                database, schema.version, schema.newest_version))
                    .About(fmt::format("database {}", database))
                    .With("version", std::to_string(schema.version))
                    .With("newest_version", std::to_string(schema.newest_version)));
  }
  if (schema.version == schema.newest_version || may_be_old) return {};
  return Fail(FailedPrecondition(
                  "SCHEMA_TOO_OLD",
                  fmt::format("database {} has schema version {}, this program needs {}: run "
                              "`tallyman db migrate`",
                              database, schema.version, schema.newest_version))
                  .About(fmt::format("database {}", database))
                  .With("version", std::to_string(schema.version))
                  .With("newest_version", std::to_string(schema.newest_version)));
}

}  // namespace tallyman::store
