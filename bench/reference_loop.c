/* The bare loop: the statements of one-node upgrades on SQLite and nothing around them.
 *
 *   reference_loop FLEET SAMPLE UPGRADES PER_COMMIT
 *
 * FLEET is a copy of a fleet that the program prepared, so schema and indexes are its own; it is
 * upgraded in place, UPGRADES times, PER_COMMIT (may be a fraction) in each transaction. SAMPLE is
 * a fleet that the program upgraded: config, payload, detail and answer are taken from there, so
 * that the rows are as long as its own. Statements, settings, order of writes and order of nodes
 * are those of src/store/sqlite (snapshot.cc, changes.cc, sums.cc) and upgrade_bench. Ids inside
 * the sampled texts are not replaced; all that is counted is. The program's audit calls the outcome
 * balanced.
 *
 * Prints one JSON document in the form of Google Benchmark.
 */
#define _POSIX_C_SOURCE 200809L
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { kIdBytes = 16, kImages = 2, kLotMax = 4096 };

typedef struct {
  uint8_t bytes[kIdBytes];
} Id;

typedef struct {
  int64_t cores, memory, disk;
} Amounts;

/* The texts of an upgrade to one image, and the image. */
typedef struct {
  Id image, protocol, version;
  char semantic_version[64];
  Amounts need;
  char* json;
  char* payload;
  char* detail;
  void* answer;
  int answer_bytes;
} Sample;

typedef struct {
  Id id, org, host, config, running_config, command;
  int64_t version, auto_upgrade, handed_out;
  char state[32];
  Amounts charged, held, running;
  Id new_config;
  int has_command;
  char request[40];
} Node;

typedef struct {
  Id id;
  int64_t version_before, version, count, ledger_seq, updated_at;
  Amounts capacity, allocated, held;
  int has_policy;
  char policy[16];
} Host;

static sqlite3* db;

static void Die(const char* doing) {
  fprintf(stderr, "reference_loop: %s: %s\n", doing, db ? sqlite3_errmsg(db) : "no database");
  exit(1);
}

static void Exec(const char* sql) {
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) Die(sql);
}

static sqlite3_stmt* Prepare(const char* sql) {
  sqlite3_stmt* statement = NULL;
  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
    Die(sql);
  }
  return statement;
}

/* Runs a statement that gives no rows. */
static void Run(sqlite3_stmt* statement) {
  if (sqlite3_step(statement) != SQLITE_DONE) Die(sqlite3_sql(statement));
  sqlite3_reset(statement);
}

static int HasRow(sqlite3_stmt* statement) {
  int code = sqlite3_step(statement);
  if (code != SQLITE_ROW && code != SQLITE_DONE) Die(sqlite3_sql(statement));
  return code == SQLITE_ROW;
}

static void BindId(sqlite3_stmt* s, int i, const Id* id) {
  sqlite3_bind_blob(s, i, id->bytes, kIdBytes, SQLITE_STATIC);
}

static void BindText(sqlite3_stmt* s, int i, const char* text) {
  sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

static void BindAmounts(sqlite3_stmt* s, int i, const Amounts* a) {
  sqlite3_bind_int64(s, i, a->cores);
  sqlite3_bind_int64(s, i + 1, a->memory);
  sqlite3_bind_int64(s, i + 2, a->disk);
}

static void ReadId(sqlite3_stmt* s, int i, Id* id) {
  if (sqlite3_column_bytes(s, i) != kIdBytes) Die("an id is not 16 bytes");
  memcpy(id->bytes, sqlite3_column_blob(s, i), kIdBytes);
}

static void ReadAmounts(sqlite3_stmt* s, int i, Amounts* a) {
  a->cores = sqlite3_column_int64(s, i);
  a->memory = sqlite3_column_int64(s, i + 1);
  a->disk = sqlite3_column_int64(s, i + 2);
}

static void ReadText(sqlite3_stmt* s, int i, char* to, size_t size) {
  const char* text = (const char*)sqlite3_column_text(s, i);
  snprintf(to, size, "%s", text ? text : "");
}

static int64_t Micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static double CpuSeconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint64_t random_state = 42;

static uint64_t Random(void) { /* SplitMix64 */
  uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static Id NewId(void) { /* UUID version 7 */
  Id id;
  uint64_t ms = (uint64_t)Micros() / 1000, a = Random(), b = Random();
  for (int i = 0; i < 6; ++i) id.bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
  memcpy(id.bytes + 6, &a, 2);
  memcpy(id.bytes + 8, &b, 8);
  id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x70);
  id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
  return id;
}

static void IdText(const Id* id, char* text) {
  static const char kHex[] = "0123456789abcdef";
  for (int i = 0; i < kIdBytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *text++ = '-';
    *text++ = kHex[id->bytes[i] >> 4];
    *text++ = kHex[id->bytes[i] & 15];
  }
  *text = '\0';
}

static int64_t Max(int64_t a, int64_t b) { return a > b ? a : b; }
static void AddTo(Amounts* to, const Amounts* a, int64_t times) {
  to->cores += times * a->cores;
  to->memory += times * a->memory;
  to->disk += times * a->disk;
}

/* ---- the statements ---- */

#define SUMS                                                                   \
  "SELECT count(*), ifnull(sum(cpu_cores), 0), ifnull(sum(memory_bytes), 0), " \
  "ifnull(sum(disk_bytes), 0), ifnull(sum(held_cpu_cores), 0), "               \
  "ifnull(sum(held_memory_bytes), 0), ifnull(sum(held_disk_bytes), 0) "        \
  "FROM nodes INDEXED BY nodes_live "                                          \
  "WHERE host_id = ?1 AND released_at IS NULL AND deleted_at IS NULL"

static sqlite3_stmt *begin, *commit, *select_node, *select_transitions, *select_host,
    *insert_config, *update_node, *update_host, *insert_ledger, *update_command, *insert_command,
    *insert_event, *insert_request, *prove;

static void PrepareAll(void) {
  begin = Prepare("BEGIN IMMEDIATE");
  commit = Prepare("COMMIT");
  select_node = Prepare(
      "SELECT n.id, n.name, n.org_id, n.host_id, n.image_id, n.config_id, n.protocol_id, "
      "n.protocol_version_id, n.semantic_version, n.auto_upgrade, n.node_state, n.next_state, "
      "n.cpu_cores, n.memory_bytes, n.disk_bytes, n.held_cpu_cores, n.held_memory_bytes, "
      "n.held_disk_bytes, n.running_config_id, n.handed_out, n.version, n.created_at, "
      "n.updated_at, "
      "n.released_at, n.deleted_at, ifnull(o.name, ''), r.cpu_cores, r.memory_bytes, r.disk_bytes, "
      "c.image_id, c.json, c.cpu_cores, c.memory_bytes, c.disk_bytes, c.created_at FROM nodes n "
      "LEFT JOIN orgs o ON o.id = n.org_id LEFT JOIN configs c ON c.id = n.config_id "
      "LEFT JOIN configs r ON r.id = n.running_config_id WHERE n.id = ?1");
  select_transitions = Prepare(
      "SELECT c.id, c.kind, c.state, c.seq, c.from_config_id, c.to_config_id, f.cpu_cores, "
      "f.memory_bytes, f.disk_bytes, t.cpu_cores, t.memory_bytes, t.disk_bytes "
      "FROM commands c INDEXED BY commands_pending "
      "LEFT JOIN configs f ON f.id = c.from_config_id LEFT JOIN configs t ON t.id = c.to_config_id "
      "WHERE c.node_id = ?1 AND c.state IN ('open', 'taken', 'unknown', 'failed') "
      "AND (c.state <> 'failed' OR NOT EXISTS (SELECT 1 FROM commands l INDEXED BY commands_ended "
      "WHERE l.node_id = ?1 AND l.seq > c.seq AND l.state IN ('settled', 'reverted') "
      "AND l.state IN ('settled', 'reverted', 'superseded', 'cancelled') "
      "AND l.kind IN ('node_create', 'node_upgrade', 'node_update', 'node_delete'))) "
      "ORDER BY c.seq");
  select_host = Prepare(
      "SELECT h.id, h.name, h.region_id, h.cpu_cores, h.memory_bytes, h.disk_bytes, "
      "h.capacity_policy, h.node_count, h.node_cpu_cores, h.node_memory_bytes, h.node_disk_bytes, "
      "h.held_cpu_cores, h.held_memory_bytes, h.held_disk_bytes, h.ledger_seq, h.version, "
      "h.created_at, h.updated_at FROM hosts h WHERE h.id = ?1");
  insert_config = Prepare(
      "INSERT INTO configs (id, image_id, json, cpu_cores, memory_bytes, disk_bytes, created_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  update_node = Prepare(
      "UPDATE nodes SET image_id = ?, config_id = ?, protocol_id = ?, protocol_version_id = ?, "
      "semantic_version = ?, auto_upgrade = ?, node_state = ?, next_state = ?, cpu_cores = ?, "
      "memory_bytes = ?, disk_bytes = ?, held_cpu_cores = ?, held_memory_bytes = ?, "
      "held_disk_bytes = ?, handed_out = ?, version = ?, updated_at = ? "
      "WHERE id = ? AND version = ? AND org_id = ? AND running_config_id IS ? "
      "AND released_at IS ? AND deleted_at IS ?");
  update_host = Prepare(
      "UPDATE hosts SET cpu_cores = ?, memory_bytes = ?, disk_bytes = ?, capacity_policy = ?, "
      "node_count = ?, node_cpu_cores = ?, node_memory_bytes = ?, node_disk_bytes = ?, "
      "held_cpu_cores = ?, held_memory_bytes = ?, held_disk_bytes = ?, ledger_seq = ?, version = "
      "?, "
      "updated_at = ? WHERE id = ? AND version = ?");
  insert_ledger = Prepare(
      "INSERT INTO ledger (host_id, seq, node_id, kind, delta_node_count, delta_cpu_cores, "
      "delta_memory_bytes, delta_disk_bytes, balance_node_count, balance_cpu_cores, "
      "balance_memory_bytes, balance_disk_bytes, corrections, request_id, actor_id, created_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  update_command = Prepare("UPDATE commands SET state = ?, ended_at = ? WHERE id = ?");
  insert_command = Prepare(
      "INSERT INTO commands (id, node_id, host_id, kind, state, seq, attempt, from_config_id, "
      "to_config_id, payload, created_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert_event = Prepare(
      "INSERT INTO events (kind, org_id, host_id, node_id, actor_id, request_id, detail, "
      "created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  insert_request = Prepare(
      "INSERT INTO requests (org_id, actor_id, request_id, method, address, body_digest, response, "
      "created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  prove = Prepare(
      "SELECT (node_count, node_cpu_cores, node_memory_bytes, node_disk_bytes, held_cpu_cores, "
      "held_memory_bytes, held_disk_bytes) = (" SUMS ") FROM hosts WHERE id = ?1");
}

/* ---- phase one: read ---- */

static void ReadTransition(Node* node) {
  BindId(select_transitions, 1, &node->id);
  node->has_command = 0;
  while (HasRow(select_transitions)) {
    if (strcmp((const char*)sqlite3_column_text(select_transitions, 1), "node_upgrade") != 0 ||
        strcmp((const char*)sqlite3_column_text(select_transitions, 2), "open") != 0) {
      Die("a node waits for something else than an upgrade that nobody took");
    }
    ReadId(select_transitions, 0, &node->command);
    node->has_command = 1;
  }
  sqlite3_reset(select_transitions);
}

static void ReadNode(Node* node) {
  BindId(select_node, 1, &node->id);
  if (!HasRow(select_node)) Die("a node is gone");
  ReadId(select_node, 2, &node->org);
  ReadId(select_node, 3, &node->host);
  ReadId(select_node, 5, &node->config);
  node->auto_upgrade = sqlite3_column_int64(select_node, 9);
  ReadText(select_node, 10, node->state, sizeof node->state);
  ReadAmounts(select_node, 12, &node->charged);
  ReadAmounts(select_node, 15, &node->held);
  ReadId(select_node, 18, &node->running_config);
  node->handed_out = sqlite3_column_int64(select_node, 19);
  node->version = sqlite3_column_int64(select_node, 20);
  ReadAmounts(select_node, 26, &node->running);
  if (sqlite3_column_text(select_node, 30) == NULL) Die("a node has no config");
  sqlite3_reset(select_node);
  ReadTransition(node);
}

static void ReadHost(Host* host) {
  BindId(select_host, 1, &host->id);
  if (!HasRow(select_host)) Die("a host is gone");
  ReadAmounts(select_host, 3, &host->capacity);
  host->has_policy = sqlite3_column_type(select_host, 6) != SQLITE_NULL;
  ReadText(select_host, 6, host->policy, sizeof host->policy);
  host->count = sqlite3_column_int64(select_host, 7);
  ReadAmounts(select_host, 8, &host->allocated);
  ReadAmounts(select_host, 11, &host->held);
  host->ledger_seq = sqlite3_column_int64(select_host, 14);
  host->version = host->version_before = sqlite3_column_int64(select_host, 15);
  sqlite3_reset(select_host);
}

/* ---- phases two and three ---- */

/* What one upgrade comes to; rows are written kind by kind, as the program does. */
typedef struct {
  Node* node;
  Host* host;
  const Sample* to;
  Amounts held;
  Amounts delta, balance;
  int64_t seq, now;
} Upgrade;

static void Decide(Upgrade* u) {
  Node* node = u->node;
  Host* host = u->host;
  node->new_config = NewId();
  Id request = NewId();
  IdText(&request, node->request);
  u->held.cores = Max(0, node->running.cores - u->to->need.cores);
  u->held.memory = Max(0, node->running.memory - u->to->need.memory);
  u->held.disk = Max(0, node->running.disk - u->to->need.disk);
  u->delta = u->to->need;
  AddTo(&u->delta, &node->charged, -1);
  AddTo(&host->allocated, &u->delta, 1);
  AddTo(&host->held, &u->held, 1);
  AddTo(&host->held, &node->held, -1);
  ++host->version;
  u->balance = host->allocated;
  u->seq = ++host->ledger_seq;
  u->now = host->updated_at = Micros();
}

static void WriteConfig(const Upgrade* u) {
  sqlite3_stmt* s = insert_config;
  BindId(s, 1, &u->node->new_config);
  BindId(s, 2, &u->to->image);
  BindText(s, 3, u->to->json);
  BindAmounts(s, 4, &u->to->need);
  sqlite3_bind_int64(s, 7, u->now);
  Run(s);
}

static void WriteNode(const Upgrade* u) {
  sqlite3_stmt* s = update_node;
  const Node* node = u->node;
  BindId(s, 1, &u->to->image);
  BindId(s, 2, &node->new_config);
  BindId(s, 3, &u->to->protocol);
  BindId(s, 4, &u->to->version);
  BindText(s, 5, u->to->semantic_version);
  sqlite3_bind_int64(s, 6, node->auto_upgrade);
  BindText(s, 7, node->state);
  BindText(s, 8, "upgrading");
  BindAmounts(s, 9, &u->to->need);
  BindAmounts(s, 12, &u->held);
  sqlite3_bind_int64(s, 15, node->handed_out);
  sqlite3_bind_int64(s, 16, node->version + 1);
  sqlite3_bind_int64(s, 17, u->now);
  BindId(s, 18, &node->id);
  sqlite3_bind_int64(s, 19, node->version);
  BindId(s, 20, &node->org);
  BindId(s, 21, &node->running_config);
  sqlite3_bind_null(s, 22);
  sqlite3_bind_null(s, 23);
  Run(s);
  if (sqlite3_changes(db) != 1) Die("a node was not updated");
}

static void WriteHost(const Host* host) {
  sqlite3_stmt* s = update_host;
  BindAmounts(s, 1, &host->capacity);
  if (host->has_policy) {
    BindText(s, 4, host->policy);
  } else {
    sqlite3_bind_null(s, 4);
  }
  sqlite3_bind_int64(s, 5, host->count);
  BindAmounts(s, 6, &host->allocated);
  BindAmounts(s, 9, &host->held);
  sqlite3_bind_int64(s, 12, host->ledger_seq);
  sqlite3_bind_int64(s, 13, host->version);
  sqlite3_bind_int64(s, 14, host->updated_at);
  BindId(s, 15, &host->id);
  sqlite3_bind_int64(s, 16, host->version_before);
  Run(s);
  if (sqlite3_changes(db) != 1) Die("a host was not updated");
}

static void WriteLedger(const Upgrade* u) {
  sqlite3_stmt* s = insert_ledger;
  BindId(s, 1, &u->host->id);
  sqlite3_bind_int64(s, 2, u->seq);
  BindId(s, 3, &u->node->id);
  BindText(s, 4, "upgrade");
  sqlite3_bind_int64(s, 5, 0);
  BindAmounts(s, 6, &u->delta);
  sqlite3_bind_int64(s, 9, u->host->count);
  BindAmounts(s, 10, &u->balance);
  sqlite3_bind_null(s, 13);
  BindText(s, 14, u->node->request);
  BindText(s, 15, "bench");
  sqlite3_bind_int64(s, 16, u->now);
  Run(s);
}

static void EndCommand(const Upgrade* u) {
  if (!u->node->has_command) return;
  BindText(update_command, 1, "superseded");
  sqlite3_bind_int64(update_command, 2, u->now);
  BindId(update_command, 3, &u->node->command);
  Run(update_command);
}

static void WriteCommand(const Upgrade* u) {
  sqlite3_stmt* s = insert_command;
  Id id = NewId();
  BindId(s, 1, &id);
  BindId(s, 2, &u->node->id);
  BindId(s, 3, &u->host->id);
  BindText(s, 4, "node_upgrade");
  BindText(s, 5, "open");
  sqlite3_bind_int64(s, 6, u->node->version + 1);
  sqlite3_bind_int64(s, 7, 1);
  BindId(s, 8, &u->node->config);
  BindId(s, 9, &u->node->new_config);
  BindText(s, 10, u->to->payload);
  sqlite3_bind_int64(s, 11, u->now);
  sqlite3_bind_null(s, 12);
  Run(s);
}

static void WriteEvent(const Upgrade* u) {
  sqlite3_stmt* s = insert_event;
  BindText(s, 1, "upgrade_started");
  BindId(s, 2, &u->node->org);
  BindId(s, 3, &u->host->id);
  BindId(s, 4, &u->node->id);
  BindText(s, 5, "bench");
  BindText(s, 6, u->node->request);
  BindText(s, 7, u->to->detail);
  sqlite3_bind_int64(s, 8, u->now);
  Run(s);
}

static void WriteRequest(const Upgrade* u) {
  static const Id kNil;
  static const char kDigest[] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  sqlite3_stmt* s = insert_request;
  BindId(s, 1, &kNil);
  BindText(s, 2, "bench");
  BindText(s, 3, u->node->request);
  BindText(s, 4, "NodeService/UpgradeNodes");
  BindText(s, 5, "");
  BindText(s, 6, kDigest);
  sqlite3_bind_blob(s, 7, u->to->answer, u->to->answer_bytes, SQLITE_STATIC);
  sqlite3_bind_int64(s, 8, u->now);
  Run(s);
}

static void Prove(const Host* host) {
  BindId(prove, 1, &host->id);
  if (!HasRow(prove) || sqlite3_column_int64(prove, 0) != 1) Die("the books would not balance");
  sqlite3_reset(prove);
}

/* ---- a lot ---- */

static int CompareIds(const void* a, const void* b) { return memcmp(a, b, kIdBytes); }
static int CompareNodes(const void* a, const void* b) {
  return CompareIds(&((const Node*)a)->id, &((const Node*)b)->id);
}

static Node lot_nodes[kLotMax];
static Host lot_hosts[kLotMax];
static Upgrade lot[kLotMax];

static int ReadHosts(int count) {
  static Id ids[kLotMax];
  for (int i = 0; i < count; ++i) ids[i] = lot_nodes[i].host;
  qsort(ids, (size_t)count, sizeof ids[0], CompareIds);
  int hosts = 0;
  for (int i = 0; i < count; ++i) {
    if (i > 0 && CompareIds(&ids[i], &ids[i - 1]) == 0) continue;
    lot_hosts[hosts].id = ids[i];
    ReadHost(&lot_hosts[hosts++]);
  }
  return hosts;
}

static void RunLot(const Id* nodes, const Sample* const* to, int count) {
  Run(begin);
  for (int i = 0; i < count; ++i) lot_nodes[i].id = nodes[i];
  qsort(lot_nodes, (size_t)count, sizeof lot_nodes[0], CompareNodes);
  for (int i = 0; i < count; ++i) ReadNode(&lot_nodes[i]);
  int hosts = ReadHosts(count);
  for (int i = 0; i < count; ++i) {
    Upgrade* u = &lot[i];
    u->node = bsearch(&nodes[i], lot_nodes, (size_t)count, sizeof lot_nodes[0], CompareNodes);
    u->host = bsearch(&u->node->host, lot_hosts, (size_t)hosts, sizeof lot_hosts[0], CompareIds);
    u->to = to[i];
    Decide(u);
  }
  for (int i = 0; i < count; ++i) WriteConfig(&lot[i]);
  for (int i = 0; i < count; ++i) WriteNode(&lot[i]);
  for (int i = 0; i < hosts; ++i) WriteHost(&lot_hosts[i]);
  for (int i = 0; i < count; ++i) WriteLedger(&lot[i]);
  for (int i = 0; i < count; ++i) EndCommand(&lot[i]);
  for (int i = 0; i < count; ++i) WriteCommand(&lot[i]);
  for (int i = 0; i < count; ++i) WriteEvent(&lot[i]);
  for (int i = 0; i < count; ++i) WriteRequest(&lot[i]);
  for (int i = 0; i < hosts; ++i) Prove(&lot_hosts[i]);
  Run(commit);
}

/* ---- before and after ---- */

static void TakeSample(const char* path, const char* version, Sample* sample) {
  sqlite3_stmt* attach = Prepare("ATTACH ?1 AS sample");
  BindText(attach, 1, path);
  Run(attach);
  sqlite3_finalize(attach);
  sqlite3_stmt* s = Prepare(
      "SELECT i.id, v.protocol_id, v.id, v.semantic_version, c.cpu_cores, c.memory_bytes, "
      "c.disk_bytes, c.json, m.payload, e.detail, q.response "
      "FROM (SELECT m.* FROM sample.commands m JOIN sample.configs c ON c.id = m.to_config_id "
      "JOIN sample.images i ON i.id = c.image_id "
      "JOIN sample.protocol_versions v ON v.id = i.protocol_version_id "
      "WHERE m.kind = 'node_upgrade' AND v.semantic_version = ?1 LIMIT 1) m "
      "CROSS JOIN sample.configs c ON c.id = m.to_config_id "
      "CROSS JOIN sample.images i ON i.id = c.image_id "
      "CROSS JOIN sample.protocol_versions v ON v.id = i.protocol_version_id "
      "CROSS JOIN sample.ledger l ON l.host_id = m.host_id AND l.node_id = m.node_id "
      "AND l.created_at = m.created_at "
      "CROSS JOIN sample.events e ON e.node_id = m.node_id AND e.request_id = l.request_id "
      "CROSS JOIN sample.requests q ON q.org_id = zeroblob(16) AND q.actor_id = 'bench' "
      "AND q.request_id = l.request_id LIMIT 1");
  BindText(s, 1, version);
  if (!HasRow(s)) Die("the sample has no upgrade to copy");
  ReadId(s, 0, &sample->image);
  ReadId(s, 1, &sample->protocol);
  ReadId(s, 2, &sample->version);
  ReadText(s, 3, sample->semantic_version, sizeof sample->semantic_version);
  ReadAmounts(s, 4, &sample->need);
  sample->json = strdup((const char*)sqlite3_column_text(s, 7));
  sample->payload = strdup((const char*)sqlite3_column_text(s, 8));
  sample->detail = strdup((const char*)sqlite3_column_text(s, 9));
  sample->answer_bytes = sqlite3_column_bytes(s, 10);
  sample->answer = malloc((size_t)sample->answer_bytes);
  memcpy(sample->answer, sqlite3_column_blob(s, 10), (size_t)sample->answer_bytes);
  sqlite3_finalize(s);
  Exec("DETACH sample");
}

static Id* node_ids;
static int64_t nodes_total;

/* In the order in which upgrade_bench takes them. */
static void ReadOrder(void) {
  sqlite3_stmt* s = Prepare("SELECT count(*) FROM nodes WHERE deleted_at IS NULL");
  if (!HasRow(s)) Die("counting nodes");
  nodes_total = sqlite3_column_int64(s, 0);
  sqlite3_finalize(s);
  node_ids = calloc((size_t)nodes_total, sizeof *node_ids);
  s = Prepare("SELECT id FROM nodes WHERE deleted_at IS NULL ORDER BY id");
  for (int64_t i = 0; HasRow(s); ++i) ReadId(s, 0, &node_ids[i]);
  sqlite3_finalize(s);
  for (uint64_t i = (uint64_t)nodes_total; i > 1; --i) {
    uint64_t j = Random() % i;
    Id id = node_ids[i - 1];
    node_ids[i - 1] = node_ids[j];
    node_ids[j] = id;
  }
}

static void RunAll(int64_t upgrades, double per_commit, const Sample* samples) {
  static Id nodes[kLotMax];
  static const Sample* to[kLotMax];
  int64_t done = 0;
  for (int64_t k = 1; done < upgrades; ++k) {
    int64_t end = (int64_t)((double)k * per_commit);
    if (end > upgrades) end = upgrades;
    int count = 0;
    for (; done < end && count < kLotMax; ++done, ++count) {
      nodes[count] = node_ids[done % nodes_total];
      to[count] = &samples[done / nodes_total % kImages];
    }
    if (count > 0) RunLot(nodes, to, count);
  }
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: reference_loop FLEET SAMPLE UPGRADES PER_COMMIT\n");
    return 2;
  }
  int64_t upgrades = atoll(argv[3]);
  double per_commit = atof(argv[4]);
  if (upgrades < 1 || per_commit < 1 || per_commit > kLotMax)
    Die("UPGRADES or PER_COMMIT is out of range");
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  if (sqlite3_open_v2(argv[1], &db, flags, NULL) != SQLITE_OK) Die("open");
  Exec(
      "PRAGMA secure_delete = OFF; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; "
      "PRAGMA wal_autocheckpoint = 20000; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; "
      "PRAGMA journal_mode = WAL");
  Sample samples[kImages];
  TakeSample(argv[2], "2.0.0", &samples[0]);
  TakeSample(argv[2], "1.0.0", &samples[1]);
  ReadOrder();
  PrepareAll();

  int64_t start = Micros();
  double cpu_before = CpuSeconds();
  RunAll(upgrades, per_commit, samples);
  double seconds = (double)(Micros() - start) / 1e6;
  printf(
      "{\"benchmarks\": [{\"name\": \"reference_loop\", \"upgrades_per_second\": %.1f, "
      "\"per_commit\": %.2f, \"cpu_us\": %.2f}]}\n",
      (double)upgrades / seconds, per_commit, (CpuSeconds() - cpu_before) * 1e6 / (double)upgrades);
  return 0;
}
