#include "agent/boot.h"

#include "agent/file.h"

namespace tallyman::agent {
namespace {

constexpr char kBootId[] = "boot_id";
constexpr char kRuns[] = "agent_runs";

}  // namespace

std::string BootId() {
  auto text = ReadFile("/proc/sys/kernel/random/boot_id");
  return text ? text->substr(0, text->find('\n')) : "";
}

Result<bool> BeginRun(SqliteJournal& journal, const std::string& boot_id) {
  ASSIGN_OR_RETURN(const std::string before, journal.Fact(kBootId));
  ASSIGN_OR_RETURN(const std::string runs, journal.Fact(kRuns));
  RETURN_IF_ERROR(journal.SetFact(kBootId, boot_id));
  RETURN_IF_ERROR(journal.SetFact(kRuns, "yes"));
  return runs == "yes" && !before.empty() && !boot_id.empty() && before != boot_id;
}

Status EndRun(SqliteJournal& journal) { return journal.SetFact(kRuns, "no"); }

}  // namespace tallyman::agent
