// The audit of a large fleet beside bare SQL statements that compute the same comparisons.
//
//   BENCH_FLEET  the fleet, which is only read
//
// `sql` compares the sums over nodes with the books and holds of the hosts, node fields with
// configs, holds with what is open, and the ledger's last balance, number and fold with the books.
// `sql_whole` looks at every balance of the ledger as well, as the audit does. One of the three in
// a process
// (--benchmark_filter) gives its own peak of memory.
#include <benchmark/benchmark.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "bench/rig.h"

namespace tallyman {
namespace {

constexpr char kSums[] =
    "SELECT count(*) FROM hosts h LEFT JOIN (SELECT host_id, count(*) AS n, sum(cpu_cores) AS c, "
    "sum(memory_bytes) AS m, sum(disk_bytes) AS d, sum(held_cpu_cores) AS hc, "
    "sum(held_memory_bytes) AS hm, sum(held_disk_bytes) AS hd FROM nodes INDEXED BY nodes_live "
    "WHERE released_at IS NULL AND deleted_at IS NULL GROUP BY host_id) s ON s.host_id = h.id "
    "WHERE (h.node_count, h.node_cpu_cores, h.node_memory_bytes, h.node_disk_bytes, "
    "h.held_cpu_cores, h.held_memory_bytes, h.held_disk_bytes) <> (ifnull(s.n, 0), "
    "ifnull(s.c, 0), ifnull(s.m, 0), ifnull(s.d, 0), ifnull(s.hc, 0), ifnull(s.hm, 0), "
    "ifnull(s.hd, 0))";
// No hold is wanted where the config itself runs and nothing else is open.
constexpr char kNodes[] =
    "SELECT count(*) FROM nodes n LEFT JOIN configs c INDEXED BY configs_fields "
    "ON c.id = n.config_id LEFT JOIN configs r ON r.id = n.running_config_id "
    "AND n.running_config_id <> n.config_id "
    "WHERE n.released_at IS NULL AND n.deleted_at IS NULL AND (c.id IS NULL "
    "OR c.image_id <> n.image_id OR c.cpu_cores <> n.cpu_cores "
    "OR c.memory_bytes <> n.memory_bytes OR c.disk_bytes <> n.disk_bytes "
    "OR n.held_cpu_cores < max(0, ifnull(r.cpu_cores, 0) - n.cpu_cores) "
    "OR n.held_memory_bytes < max(0, ifnull(r.memory_bytes, 0) - n.memory_bytes) "
    "OR n.held_disk_bytes < max(0, ifnull(r.disk_bytes, 0) - n.disk_bytes))";
constexpr char kOpen[] =
    "SELECT count(*) FROM commands o INDEXED BY commands_pending JOIN nodes n ON n.id = o.node_id "
    "JOIN configs t ON t.id = o.to_config_id "
    "WHERE o.state IN ('open', 'taken', 'unknown', 'failed') AND n.released_at IS NULL "
    "AND (n.held_cpu_cores < t.cpu_cores - n.cpu_cores "
    "OR n.held_memory_bytes < t.memory_bytes - n.memory_bytes "
    "OR n.held_disk_bytes < t.disk_bytes - n.disk_bytes)";
constexpr char kLedger[] =
    "SELECT count(*) FROM hosts h JOIN (SELECT host_id, sum(delta_node_count) AS n, "
    "sum(delta_cpu_cores) AS c, sum(delta_memory_bytes) AS m, sum(delta_disk_bytes) AS d, "
    "max(seq) AS last, balance_node_count AS bn, balance_cpu_cores AS bc, "
    "balance_memory_bytes AS bm, balance_disk_bytes AS bd FROM ledger GROUP BY host_id) l "
    "ON l.host_id = h.id WHERE (h.node_count, h.node_cpu_cores, h.node_memory_bytes, "
    "h.node_disk_bytes, h.ledger_seq) <> (l.n, l.c, l.m, l.d, l.last) "
    "OR (l.bn, l.bc, l.bm, l.bd) <> (l.n, l.c, l.m, l.d)";
constexpr char kBalances[] =
    "SELECT count(*) FROM (SELECT seq <> row_number() OVER w "
    "OR balance_node_count <> sum(delta_node_count) OVER w "
    "OR balance_cpu_cores <> sum(delta_cpu_cores) OVER w "
    "OR balance_memory_bytes <> sum(delta_memory_bytes) OVER w "
    "OR balance_disk_bytes <> sum(delta_disk_bytes) OVER w AS wrong FROM ledger "
    "WINDOW w AS (PARTITION BY host_id ORDER BY seq)) WHERE wrong";

const std::vector<const char*> kStatements = {kSums, kNodes, kOpen, kLedger};
const std::vector<const char*> kAllStatements = {kSums, kNodes, kOpen, kLedger, kBalances};

double PeakMegabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

std::unique_ptr<Rig> rig;

void Audit(benchmark::State& state) {
  control::AuditAnswer answer;
  for (auto _ : state) answer = MustBeOk(rig->Audit());
  if (!answer.balanced()) MustBeOk(Fail(Internal("BENCH_BALANCE", "the books do not balance")));
  state.counters["nodes"] = static_cast<double>(answer.nodes);
  state.counters["peak_mb"] = PeakMegabytes();
}

void Must(int code, sqlite3* database) {
  if (code == SQLITE_OK || code == SQLITE_ROW) return;
  std::fprintf(stderr, "audit_bench: %s\n", sqlite3_errmsg(database));
  std::exit(1);
}

int64_t Ask(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  Must(sqlite3_prepare_v2(database, sql, -1, &statement, nullptr), database);
  Must(sqlite3_step(statement), database);
  int64_t wrong = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return wrong;
}

void Sql(benchmark::State& state, const std::vector<const char*>& statements) {
  sqlite3* database = nullptr;
  Must(sqlite3_open_v2(Setting("BENCH_FLEET", "").c_str(), &database, SQLITE_OPEN_READWRITE,
                       nullptr),
       database);
  // The settings of the store's readers.
  Must(sqlite3_exec(database, "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY", nullptr,
                    nullptr, nullptr),
       database);
  int64_t wrong = 0;
  for (auto _ : state) {
    Must(sqlite3_exec(database, "BEGIN", nullptr, nullptr, nullptr), database);
    for (const char* statement : statements) wrong += Ask(database, statement);
    Must(sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr), database);
  }
  sqlite3_close(database);
  if (wrong != 0) MustBeOk(Fail(Internal("BENCH_BALANCE", "the statements found differences")));
  state.counters["peak_mb"] = PeakMegabytes();
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  using namespace tallyman;  // NOLINT: a short main
  auto add = [](const char* name, auto body) {
    return benchmark::RegisterBenchmark(name, body)
        ->UseRealTime()
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  };
  add("audit", Audit)
      ->Setup([](const benchmark::State&) {
        rig = MustBeOk(Rig::Open(Setting("BENCH_FLEET", ""), {}));
      })
      ->Teardown([](const benchmark::State&) { rig.reset(); });
  add("sql", [](benchmark::State& state) { Sql(state, kStatements); });
  add("sql_whole", [](benchmark::State& state) { Sql(state, kAllStatements); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (benchmark::RunSpecifiedBenchmarks() == 0) return 1;
  benchmark::Shutdown();
  return 0;
}
