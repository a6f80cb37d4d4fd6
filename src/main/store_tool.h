// Operations on a database as a whole, of either kind, for the commands under `db`.
#pragma once

#include "base/log.h"
#include "base/random.h"
#include "cli/cli.h"

namespace tallyman::app {

// Thread-safe: it has no state. Owns neither randomness nor log.
class StoreTool final : public cli::DatabaseTool {
 public:
  StoreTool(Random& random, Log& log) : random_(random), log_(log) {}

  Result<cli::MigrateReport> Migrate(const std::string& dsn) override;
  Status Backup(const std::string& dsn, const std::string& to,
                const std::function<void(int64_t done, int64_t total)>& progress) override;
  Result<cli::RestoreReport> Restore(
      const std::string& from, const std::string& dsn,
      const std::function<void(int64_t done, int64_t total)>& progress) override;
  Result<cli::CheckReport> Check(const std::string& dsn) override;
  Result<cli::CopiedReport> Copy(const std::string& from, const std::string& to,
                                 const std::function<void(int64_t done)>& progress) override;
  std::string Shown(const std::string& dsn) override;

 private:
  Random& random_;
  Log& log_;
};

}  // namespace tallyman::app
