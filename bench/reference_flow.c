/* The flow of 22 single statements by which a known control plane upgrades one node, on the tables
 * of PostgreSQL that the program uses, one round trip each, one transaction an upgrade.
 *
 *   reference_flow DATABASE CLIENTS SECONDS
 *
 * It reads the node, its configs, properties and rules of both images, the archive and the host's
 * counters; inserts the config, the log (event and ledger entry); updates node and host; inserts
 * the command; and reads again what its answer shows: node, config, org, host, region, protocol,
 * version, reports. Statements are prepared; BEGIN and COMMIT come on top. Node and host are locked
 * where they are read, so that the outcome is right: the program's audit calls it balanced. It
 * writes no answer for a replay and does not prove the books, which the program does.
 *
 * Each client has a connection, a thread, and nodes of its own: every CLIENTS-th of the order in
 * bench.nodes, which go to one image, then back to the other, and so on. The texts of config,
 * payload and detail come from bench.sample (bench/fleet_tables.sql), so that rows are as long as
 * the program's.
 *
 * Prints one JSON document in the form of Google Benchmark.
 */
#define _POSIX_C_SOURCE 200809L
#include <libpq-fe.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kIdText = 37, kNumberText = 24, kImages = 2, kClientsMax = 512 };

typedef char Id[kIdText];

typedef struct {
  int64_t cores, memory, disk;
} Amounts;

/* The texts of an upgrade to one image, and the image. */
typedef struct {
  Id image, protocol, version;
  char semantic_version[64];
  char *json, *payload, *detail;
} Sample;

typedef struct {
  Id id, org, host, image, config, running_config, protocol, protocol_version;
  char state[32];
  int64_t version;
  Amounts charged, held, running;
} Node;

typedef struct {
  Id id, region;
  int64_t count, ledger_seq, version;
  Amounts allocated, held;
} Host;

typedef struct {
  pthread_t thread;
  PGconn* connection;
  int index;
  uint64_t random;
  int64_t done;
} Client;

static const char* database;
static int clients_total;
static int64_t end_micros;
static Sample samples[kImages];
static Id* nodes;
static int64_t nodes_total;

static void Die(const char* doing, const char* why) {
  fprintf(stderr, "reference_flow: %s: %s\n", doing, why);
  exit(1);
}

/* ---- the statements ---- */

typedef struct {
  const char* name;
  const char* sql;
} Statement;

static const Statement kNode = {
    "node",
    "SELECT org_id, host_id, image_id, config_id, running_config_id, protocol_id, "
    "protocol_version_id, node_state, version, cpu_cores, memory_bytes, disk_bytes, "
    "held_cpu_cores, held_memory_bytes, held_disk_bytes FROM nodes WHERE id = $1 "
    "FOR NO KEY UPDATE"};
static const Statement kConfigs = {
    "configs",
    "SELECT id, json, cpu_cores, memory_bytes, disk_bytes FROM configs WHERE id IN ($1, $2)"};
static const Statement kProperties = {
    "properties",
    "SELECT key, description, default_value, add_cpu_cores, add_memory_bytes, add_disk_bytes "
    "FROM image_properties WHERE image_id = $1"};
static const Statement kRules = {
    "rules",
    "SELECT cpu_cores, memory_bytes, disk_bytes, firewall_rules FROM images WHERE id = $1"};
static const Statement kArchive = {"archive",
                                   "SELECT uri, build, committed_at FROM images WHERE id = $1"};
static const Statement kHost = {
    "host",
    "SELECT region_id, node_count, ledger_seq, version, node_cpu_cores, node_memory_bytes, "
    "node_disk_bytes, held_cpu_cores, held_memory_bytes, held_disk_bytes FROM hosts WHERE id = $1 "
    "FOR NO KEY UPDATE"};
static const Statement kInsertConfig = {
    "insert_config",
    "INSERT INTO configs (id, image_id, json, cpu_cores, memory_bytes, disk_bytes, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"};
static const Statement kInsertEvent = {
    "insert_event",
    "INSERT INTO events (kind, org_id, host_id, node_id, actor_id, request_id, detail, "
    "created_at) VALUES ('upgrade_started', $1, $2, $3, 'bench', $4, $5, $6)"};
static const Statement kInsertLedger = {
    "insert_ledger",
    "INSERT INTO ledger (host_id, seq, node_id, kind, delta_node_count, delta_cpu_cores, "
    "delta_memory_bytes, delta_disk_bytes, balance_node_count, balance_cpu_cores, "
    "balance_memory_bytes, balance_disk_bytes, request_id, actor_id, created_at) "
    "VALUES ($1, $2, $3, 'upgrade', 0, $4, $5, $6, $7, $8, $9, $10, $11, 'bench', $12)"};
static const Statement kUpdateNode = {
    "update_node",
    "UPDATE nodes SET image_id = $2, config_id = $3, protocol_id = $4, protocol_version_id = $5, "
    "semantic_version = $6, next_state = 'upgrading', cpu_cores = $7, memory_bytes = $8, "
    "disk_bytes = $9, held_cpu_cores = $10, held_memory_bytes = $11, held_disk_bytes = $12, "
    "version = version + 1, updated_at = $13 WHERE id = $1"};
static const Statement kUpdateHost = {
    "update_host",
    "UPDATE hosts SET node_cpu_cores = $2, node_memory_bytes = $3, node_disk_bytes = $4, "
    "held_cpu_cores = $5, held_memory_bytes = $6, held_disk_bytes = $7, ledger_seq = $8, "
    "version = version + 1, updated_at = $9 WHERE id = $1"};
/* The older command that nobody took makes room first: the count makes the insert wait for it. */
static const Statement kInsertCommand = {
    "insert_command",
    "WITH older AS (UPDATE commands SET state = 'superseded', ended_at = $8 WHERE node_id = $2 "
    "AND state = 'open' AND kind = 'node_upgrade' RETURNING 1), "
    "done AS (SELECT count(*) AS ended FROM older) "
    "INSERT INTO commands (id, node_id, host_id, kind, state, seq, attempt, from_config_id, "
    "to_config_id, payload, created_at) "
    "SELECT $1, $2, $3, 'node_upgrade', 'open', $4, 1, $5, $6, $7, $8 FROM done "
    "WHERE ended >= 0"};
static const Statement kNodeAgain = {
    "node_again",
    "SELECT name, org_id, host_id, image_id, config_id, protocol_id, protocol_version_id, "
    "semantic_version, auto_upgrade, node_state, next_state, cpu_cores, memory_bytes, disk_bytes, "
    "version, created_at, updated_at FROM nodes WHERE id = $1"};
static const Statement kConfigAgain = {
    "config_again",
    "SELECT image_id, json, cpu_cores, memory_bytes, disk_bytes FROM configs WHERE id = $1"};
static const Statement kOrg = {"org", "SELECT name, created_at FROM orgs WHERE id = $1"};
static const Statement kHostAgain = {
    "host_again",
    "SELECT name, region_id, cpu_cores, memory_bytes, disk_bytes, node_count, node_cpu_cores, "
    "node_memory_bytes, node_disk_bytes, version FROM hosts WHERE id = $1"};
static const Statement kRegion = {"region", "SELECT name, created_at FROM regions WHERE id = $1"};
static const Statement kProtocol = {"protocol",
                                    "SELECT key, name, org_id FROM protocols WHERE id = $1"};
static const Statement kVersion = {
    "version", "SELECT variant, semantic_version, org_id FROM protocol_versions WHERE id = $1"};
static const Statement kReports = {
    "reports",
    "SELECT id, kind, state, seq FROM commands WHERE node_id = $1 "
    "AND state IN ('open', 'taken', 'unknown', 'failed') ORDER BY seq"};

static const Statement* const kAll[] = {
    &kNode,       &kConfigs,       &kProperties,  &kRules,        &kArchive,
    &kHost,       &kInsertConfig,  &kInsertEvent, &kInsertLedger, &kUpdateNode,
    &kUpdateHost, &kInsertCommand, &kNodeAgain,   &kConfigAgain,  &kOrg,
    &kHostAgain,  &kRegion,        &kProtocol,    &kVersion,      &kReports};

static void Plain(Client* client, const char* sql) {
  PGresult* result = PQexec(client->connection, sql);
  if (PQresultStatus(result) != PGRES_COMMAND_OK) Die(sql, PQerrorMessage(client->connection));
  PQclear(result);
}

static PGresult* Run(Client* client, const Statement* statement, int count,
                     const char* const* values) {
  PGresult* result =
      PQexecPrepared(client->connection, statement->name, count, values, NULL, NULL, 0);
  ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    Die(statement->name, PQerrorMessage(client->connection));
  }
  return result;
}

#define RUN(client, statement, ...)                                                      \
  Run(client, &(statement), (int)(sizeof((const char*[]){__VA_ARGS__}) / sizeof(char*)), \
      (const char* const[]){__VA_ARGS__})

/* Statements that must touch exactly one row, or give at least one. */
static void MustChangeOne(const char* doing, PGresult* result) {
  if (strcmp(PQcmdTuples(result), "1") != 0) Die(doing, "it did not touch one row");
  PQclear(result);
}

static void MustFind(const char* doing, PGresult* result) {
  if (PQntuples(result) < 1) Die(doing, "nothing was found");
  PQclear(result);
}

/* ---- values ---- */

static int64_t Micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint64_t Random(uint64_t* state) { /* SplitMix64 */
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void NewId(Client* client, Id id) { /* UUID version 7 */
  uint64_t ms = (uint64_t)Micros() / 1000;
  uint64_t a = Random(&client->random), b = Random(&client->random);
  snprintf(id, kIdText, "%08x-%04x-7%03x-%04x-%012llx", (unsigned)(ms >> 16),
           (unsigned)(ms & 0xffff), (unsigned)(a & 0xfff), (unsigned)(0x8000 | (a >> 12 & 0x3fff)),
           (unsigned long long)(b & 0xffffffffffff));
}

static void Copy(char* to, size_t size, const PGresult* result, int row, int column) {
  snprintf(to, size, "%s", PQgetvalue(result, row, column));
}

static int64_t Number(const PGresult* result, int row, int column) {
  return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static Amounts ReadAmounts(const PGresult* result, int row, int column) {
  return (Amounts){Number(result, row, column), Number(result, row, column + 1),
                   Number(result, row, column + 2)};
}

typedef char Text[kNumberText];
static const char* Print(Text text, int64_t value) {
  snprintf(text, kNumberText, "%lld", (long long)value);
  return text;
}

static int64_t HoldOf(int64_t running, int64_t charged) {
  return running > charged ? running - charged : 0;
}

/* ---- one upgrade ---- */

static void ReadNode(Client* client, Node* node) {
  PGresult* r = RUN(client, kNode, node->id);
  if (PQntuples(r) != 1) Die("node", "it is gone");
  Copy(node->org, kIdText, r, 0, 0);
  Copy(node->host, kIdText, r, 0, 1);
  Copy(node->image, kIdText, r, 0, 2);
  Copy(node->config, kIdText, r, 0, 3);
  Copy(node->running_config, kIdText, r, 0, 4);
  Copy(node->protocol, kIdText, r, 0, 5);
  Copy(node->protocol_version, kIdText, r, 0, 6);
  Copy(node->state, sizeof node->state, r, 0, 7);
  node->version = Number(r, 0, 8);
  node->charged = ReadAmounts(r, 0, 9);
  node->held = ReadAmounts(r, 0, 12);
  PQclear(r);

  r = RUN(client, kConfigs, node->config, node->running_config);
  if (PQntuples(r) < 1) Die("configs", "they are gone");
  for (int i = 0; i < PQntuples(r); ++i) {
    if (strcmp(PQgetvalue(r, i, 0), node->running_config) == 0)
      node->running = ReadAmounts(r, i, 2);
  }
  PQclear(r);
}

static Amounts ReadImages(Client* client, const Node* node, const Sample* to) {
  MustFind("properties", RUN(client, kProperties, node->image));
  MustFind("rules", RUN(client, kRules, node->image));
  MustFind("properties", RUN(client, kProperties, to->image));
  PGresult* r = RUN(client, kRules, to->image);
  if (PQntuples(r) != 1) Die("rules", "the image is gone");
  Amounts need = ReadAmounts(r, 0, 0);
  PQclear(r);
  MustFind("archive", RUN(client, kArchive, to->image));
  return need;
}

static void ReadHost(Client* client, Host* host) {
  PGresult* r = RUN(client, kHost, host->id);
  if (PQntuples(r) != 1) Die("host", "it is gone");
  Copy(host->region, kIdText, r, 0, 0);
  host->count = Number(r, 0, 1);
  host->ledger_seq = Number(r, 0, 2);
  host->version = Number(r, 0, 3);
  host->allocated = ReadAmounts(r, 0, 4);
  host->held = ReadAmounts(r, 0, 7);
  PQclear(r);
}

static void Write(Client* client, const Node* node, Host* host, const Sample* to, Amounts need,
                  const char* config) {
  Id command, request;
  NewId(client, command);
  NewId(client, request);
  Amounts delta = {need.cores - node->charged.cores, need.memory - node->charged.memory,
                   need.disk - node->charged.disk};
  Amounts held = {HoldOf(node->running.cores, need.cores),
                  HoldOf(node->running.memory, need.memory), HoldOf(node->running.disk, need.disk)};
  host->allocated.cores += delta.cores;
  host->allocated.memory += delta.memory;
  host->allocated.disk += delta.disk;
  host->held.cores += held.cores - node->held.cores;
  host->held.memory += held.memory - node->held.memory;
  host->held.disk += held.disk - node->held.disk;

  Text now, seq, ledger_seq, count, need_text[3], delta_text[3], held_text[3], books[3], holds[3];
  Print(now, Micros());
  Print(seq, node->version + 1);
  Print(ledger_seq, host->ledger_seq + 1);
  Print(count, host->count);
  const Amounts* from[] = {&need, &delta, &held, &host->allocated, &host->held};
  Text* texts[] = {need_text, delta_text, held_text, books, holds};
  for (int i = 0; i < 5; ++i) {
    Print(texts[i][0], from[i]->cores);
    Print(texts[i][1], from[i]->memory);
    Print(texts[i][2], from[i]->disk);
  }
  MustChangeOne("config", RUN(client, kInsertConfig, config, to->image, to->json, need_text[0],
                              need_text[1], need_text[2], now));
  MustChangeOne("event",
                RUN(client, kInsertEvent, node->org, host->id, node->id, request, to->detail, now));
  MustChangeOne("ledger", RUN(client, kInsertLedger, host->id, ledger_seq, node->id, delta_text[0],
                              delta_text[1], delta_text[2], count, books[0], books[1], books[2],
                              request, now));
  MustChangeOne("node", RUN(client, kUpdateNode, node->id, to->image, config, to->protocol,
                            to->version, to->semantic_version, need_text[0], need_text[1],
                            need_text[2], held_text[0], held_text[1], held_text[2], now));
  MustChangeOne("host", RUN(client, kUpdateHost, host->id, books[0], books[1], books[2], holds[0],
                            holds[1], holds[2], ledger_seq, now));
  MustChangeOne("command", RUN(client, kInsertCommand, command, node->id, host->id, seq,
                               node->config, config, to->payload, now));
}

static void Upgrade(Client* client, const char* id, const Sample* to) {
  Node node = {.running = {0, 0, 0}};
  Host host = {.count = 0};
  Id config;
  NewId(client, config);
  snprintf(node.id, kIdText, "%s", id);
  Plain(client, "BEGIN");
  ReadNode(client, &node);
  Amounts need = ReadImages(client, &node, to);
  snprintf(host.id, kIdText, "%s", node.host);
  ReadHost(client, &host);
  Write(client, &node, &host, to, need, config);
  MustFind("node", RUN(client, kNodeAgain, node.id));
  MustFind("config", RUN(client, kConfigAgain, config));
  MustFind("org", RUN(client, kOrg, node.org));
  MustFind("host", RUN(client, kHostAgain, host.id));
  MustFind("region", RUN(client, kRegion, host.region));
  MustFind("protocol", RUN(client, kProtocol, to->protocol));
  MustFind("version", RUN(client, kVersion, to->version));
  MustFind("reports", RUN(client, kReports, node.id));
  Plain(client, "COMMIT");
}

/* ---- before and after ---- */

static void* Work(void* argument) {
  Client* client = argument;
  int64_t own = (nodes_total - client->index + clients_total - 1) / clients_total;
  while (own > 0 && Micros() < end_micros) {
    int64_t node = client->index + client->done % own * clients_total;
    Upgrade(client, nodes[node], &samples[client->done / own % kImages]);
    ++client->done;
  }
  return NULL;
}

static void Connect(Client* client, int index) {
  client->index = index;
  client->random = (uint64_t)Micros() + (uint64_t)index * 0x100000001b3u;
  client->connection = PQconnectdb(database);
  if (PQstatus(client->connection) != CONNECTION_OK) {
    Die("connect", PQerrorMessage(client->connection));
  }
  for (size_t i = 0; i < sizeof kAll / sizeof kAll[0]; ++i) {
    PGresult* result = PQprepare(client->connection, kAll[i]->name, kAll[i]->sql, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
      Die(kAll[i]->name, PQerrorMessage(client->connection));
    }
    PQclear(result);
  }
}

static PGresult* Ask(PGconn* connection, const char* sql) {
  PGresult* result = PQexec(connection, sql);
  if (PQresultStatus(result) != PGRES_TUPLES_OK) Die(sql, PQerrorMessage(connection));
  return result;
}

static void ReadSetup(PGconn* connection) {
  PGresult* r = Ask(connection,
                    "SELECT image_id, protocol_id, protocol_version_id, semantic_version, json, "
                    "payload, detail FROM bench.sample ORDER BY step");
  if (PQntuples(r) != kImages) Die("bench.sample", "it does not hold two upgrades");
  for (int i = 0; i < kImages; ++i) {
    Copy(samples[i].image, kIdText, r, i, 0);
    Copy(samples[i].protocol, kIdText, r, i, 1);
    Copy(samples[i].version, kIdText, r, i, 2);
    Copy(samples[i].semantic_version, sizeof samples[i].semantic_version, r, i, 3);
    samples[i].json = strdup(PQgetvalue(r, i, 4));
    samples[i].payload = strdup(PQgetvalue(r, i, 5));
    samples[i].detail = strdup(PQgetvalue(r, i, 6));
  }
  PQclear(r);
  r = Ask(connection, "SELECT node_id FROM bench.nodes ORDER BY position");
  nodes_total = PQntuples(r);
  nodes = calloc((size_t)nodes_total + 1, sizeof *nodes);
  for (int64_t i = 0; i < nodes_total; ++i) Copy(nodes[i], kIdText, r, (int)i, 0);
  PQclear(r);
}

int main(int argc, char** argv) {
  static Client clients[kClientsMax];
  if (argc != 4 || atoi(argv[2]) < 1 || atoi(argv[2]) > kClientsMax || atof(argv[3]) <= 0) {
    fprintf(stderr, "usage: reference_flow DATABASE CLIENTS SECONDS\n");
    return 2;
  }
  database = argv[1];
  clients_total = atoi(argv[2]);
  for (int i = 0; i < clients_total; ++i) Connect(&clients[i], i);
  ReadSetup(clients[0].connection);
  int64_t start = Micros();
  end_micros = start + (int64_t)(atof(argv[3]) * 1e6);
  for (int i = 0; i < clients_total; ++i) {
    if (pthread_create(&clients[i].thread, NULL, Work, &clients[i]) != 0) Die("thread", "refused");
  }
  int64_t done = 0;
  for (int i = 0; i < clients_total; ++i) {
    pthread_join(clients[i].thread, NULL);
    done += clients[i].done;
    PQfinish(clients[i].connection);
  }
  double seconds = (double)(Micros() - start) / 1e6;
  printf("{\"benchmarks\": [{\"name\": \"reference_flow\", \"upgrades_per_second\": %.1f}]}\n",
         (double)done / seconds);
  return 0;
}
