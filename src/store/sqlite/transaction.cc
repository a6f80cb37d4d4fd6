#include "store/sqlite/transaction.h"

#include "store/corrections.h"
#include "store/proof.h"
#include "store/refusals.h"
#include "store/sqlite/changes.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/snapshot.h"
#include "store/sqlite/sums.h"

namespace tallyman {
namespace {

constexpr char kHostLedger[] =
    "SELECT " TALLYMAN_LEDGER_COLUMNS
    " FROM ledger l WHERE l.host_id = ?1 AND l.seq > ?2 ORDER BY l.seq LIMIT ?3";
// A node has no index of its own here: one row fewer to write in every upgrade. Its host's entries
// lie side by side.
constexpr char kNodeLedger[] =
    "SELECT " TALLYMAN_LEDGER_COLUMNS
    " FROM ledger l WHERE l.host_id = (SELECT host_id FROM nodes WHERE id = ?1) AND l.seq > ?2 "
    "AND l.node_id = ?1 ORDER BY l.seq LIMIT ?3";
constexpr char kOrgUsage[] =
    "SELECT count(*), ifnull(sum(cpu_cores), 0), ifnull(sum(memory_bytes), 0), "
    "ifnull(sum(disk_bytes), 0) FROM nodes "
    "WHERE org_id = ?1 AND released_at IS NULL AND deleted_at IS NULL";

Result<std::vector<LedgerEntry>> ReadLedger(SqliteQuery& query) {
  std::vector<LedgerEntry> entries;
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Next());
    if (!more) return entries;
    LedgerEntry& entry = entries.emplace_back();
    std::optional<std::string> corrections;
    RETURN_IF_ERROR(query.Read(entry, corrections));
    if (corrections && !CorrectionsFromJson(*corrections, entry.corrections)) {
      return Fail(UnreadableCorrections(entry));
    }
  }
}

}  // namespace

Result<Snapshot> SqliteTransaction::Load(const LockSet& wanted) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadSnapshot(connection_, images_, wanted);
}

void SqliteTransaction::Apply(ChangeSet changes) {
  applied_.push_back(std::move(changes));
  if (written_) written_ = WriteChanges(connection_, applied_.back());
}

Status SqliteTransaction::Finish() {
  RETURN_IF_ERROR(written_);
  return ProveBooks(connection_, HostsTouched(applied_));
}

Status SqliteTransaction::CheckReadable() const {
  if (applied_.empty()) return {};
  return Fail(ReadAfterWrite());
}

Result<std::vector<LedgerEntry>> SqliteTransaction::HostLedger(const HostId& host,
                                                               int64_t after_seq, int64_t limit) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kHostLedger);
  query.Bind(host, after_seq, limit);
  return ReadLedger(query);
}

Result<std::vector<LedgerEntry>> SqliteTransaction::NodeLedger(const NodeId& node,
                                                               int64_t after_seq, int64_t limit) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kNodeLedger);
  query.Bind(node, after_seq, limit);
  return ReadLedger(query);
}

Result<Books> SqliteTransaction::OrgUsage(const OrgId& org) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kOrgUsage);
  query.Bind(org);
  Books usage;
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(usage));
  return usage;
}

}  // namespace tallyman
