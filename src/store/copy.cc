#include "store/copy.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace tallyman::store {
namespace {

constexpr int64_t kPage = 200;

Error Different(std::string_view what) {
  return DataLoss("COPY_DIFFERS",
                  fmt::format("{} differs in the copy, so nothing of it was kept: this is a bug or "
                              "a damaged database; run `tallyman db check` on both",
                              what));
}

bool SameAudit(const HostAudit& a, const HostAudit& b) {
  return a.host == b.host && a.sums == b.sums && a.ledger_fold == b.ledger_fold &&
         a.ledger_balance == b.ledger_balance && a.ledger_entries == b.ledger_entries &&
         a.ledger_last_seq == b.ledger_last_seq && a.ledger_breaks == b.ledger_breaks;
}

bool IsBalanced(const HostAudit& audit) {
  return audit.host.books == audit.sums.books && audit.host.held == audit.sums.held &&
         audit.host.books == audit.ledger_balance &&
         audit.host.ledger_seq == audit.ledger_last_seq && audit.ledger_breaks == 0;
}

Status CompareHosts(ReadTx& from, ReadTx& to, CopyReport& report) {
  HostId after;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<HostAudit> sent, from.AuditHosts(after, kPage));
    ASSIGN_OR_RETURN(const std::vector<HostAudit> arrived, to.AuditHosts(after, kPage));
    if (!std::ranges::equal(sent, arrived, SameAudit)) return Fail(Different("the audit of hosts"));
    if (sent.empty()) return {};
    report.hosts += std::ssize(sent);
    report.drifted += std::ssize(sent) - std::ranges::count_if(sent, IsBalanced);
    after = sent.back().host.id;
  }
}

Status CompareNodes(ReadTx& from, ReadTx& to, CopyReport& report) {
  const auto same = [](const NodeAudit& a, const NodeAudit& b) {
    return a.node == b.node && a.config == b.config && a.hold == b.hold;
  };
  NodeId after;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<NodeAudit> sent, from.AuditNodes(after, kPage));
    ASSIGN_OR_RETURN(const std::vector<NodeAudit> arrived, to.AuditNodes(after, kPage));
    if (!std::ranges::equal(sent, arrived, same)) return Fail(Different("the audit of nodes"));
    if (sent.empty()) return {};
    report.drifted += std::ssize(sent);
    after = sent.back().node.id;
  }
}

Status CompareBooks(ReadTx& from, ReadTx& to, CopyReport& report) {
  RETURN_IF_ERROR(CompareHosts(from, to, report));
  RETURN_IF_ERROR(CompareNodes(from, to, report));
  ASSIGN_OR_RETURN(const AuditCounts sent, from.CountForAudit());
  ASSIGN_OR_RETURN(const AuditCounts arrived, to.CountForAudit());
  if (sent.nodes != arrived.nodes || sent.ledger_entries != arrived.ledger_entries) {
    return Fail(Different("the number of nodes or ledger entries"));
  }
  report.nodes = sent.nodes;
  report.ledger_entries = sent.ledger_entries;
  return {};
}

Status CheckSameTables(std::vector<CopyTable> ours, std::vector<CopyTable> theirs) {
  std::ranges::sort(ours, {}, &CopyTable::name);
  std::ranges::sort(theirs, {}, &CopyTable::name);
  for (size_t i = 0; i < std::max(ours.size(), theirs.size()); ++i) {
    if (i < ours.size() && i < theirs.size() && ours[i].name == theirs[i].name &&
        ours[i].columns == theirs[i].columns) {
      continue;
    }
    const std::string& name = i < ours.size() ? ours[i].name : theirs[i].name;
    return Fail(FailedPrecondition(
        "SCHEMAS_DIFFER",
        fmt::format("table {} differs between the databases: bring both to this program's schema "
                    "with `tallyman db migrate`, and remove tables that do not belong to it",
                    name)));
  }
  return {};
}

Status CheckEmpty(CopyTarget& target, const std::vector<CopyTable>& tables) {
  for (const CopyTable& table : tables) {
    ASSIGN_OR_RETURN(const int64_t rows, target.CountRows(table));
    if (rows == 0) continue;
    return Fail(FailedPrecondition(
        "DATABASE_NOT_EMPTY",
        fmt::format("the database to copy into has {} row(s) in {} already: give an empty one",
                    rows, table.name)));
  }
  return {};
}

Status CopyTables(CopySource& source, CopyTarget& target, CopyReport& report,
                  const std::function<void(int64_t)>& progress) {
  ASSIGN_OR_RETURN(const std::vector<CopyTable> tables, target.Tables());
  ASSIGN_OR_RETURN(std::vector<CopyTable> sent, source.Tables());
  RETURN_IF_ERROR(CheckSameTables(std::move(sent), tables));
  RETURN_IF_ERROR(CheckEmpty(target, tables));
  for (const CopyTable& table : tables) {
    int64_t rows = 0;
    const Status copied = source.ReadRows(table, [&](std::span<const CopyRow> some) -> Status {
      RETURN_IF_ERROR(target.WriteRows(table, some));
      rows += std::ssize(some);
      if (progress) progress(report.rows + rows);
      return {};
    });
    RETURN_IF_ERROR(copied);
    ASSIGN_OR_RETURN(const int64_t arrived, target.CountRows(table));
    if (arrived != rows) return Fail(Different("the number of rows in " + table.name));
    report.rows += rows;
    ++report.tables;
  }
  return {};
}

}  // namespace

Result<CopyReport> CopyEverything(CopyableStore& from, CopyableStore& to,
                                  const std::function<void(int64_t)>& progress) {
  CopyReport report;
  const Status copied = from.CopyOut([&](CopySource& source, ReadTx& sent) {
    return to.CopyIn([&](CopyTarget& target, ReadTx& arrived) -> Status {
      report = {};
      RETURN_IF_ERROR(CopyTables(source, target, report, progress));
      RETURN_IF_ERROR(CompareBooks(sent, arrived, report));
      return source.CheckStill();
    });
  });
  RETURN_IF_ERROR(copied);
  return report;
}

std::vector<CopyTable> SortByReferences(
    std::vector<CopyTable> tables, const std::vector<std::pair<std::string, std::string>>& edges) {
  std::vector<CopyTable> sorted;
  std::set<std::string, std::less<>> placed;
  std::ranges::sort(tables, {}, &CopyTable::name);
  while (!tables.empty()) {
    const auto is_ready = [&](const CopyTable& table) {
      return std::ranges::all_of(edges, [&](const auto& edge) {
        return edge.first != table.name || edge.second == table.name ||
               placed.contains(edge.second);
      });
    };
    auto ready = std::ranges::find_if(tables, is_ready);
    // Tables with a cycle of references: the database must defer its checks.
    if (ready == tables.end()) ready = tables.begin();
    placed.insert(ready->name);
    sorted.push_back(std::move(*ready));
    tables.erase(ready);
  }
  return sorted;
}

}  // namespace tallyman::store
