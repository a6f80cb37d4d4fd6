// The texts of look-ups, the same for every database (see sql_reads.h), and the rows that lists
// show as well.
#pragma once

#include "store/row_shapes.h"

namespace tallyman::store::sql {

inline constexpr char kOrgById[] =
    "SELECT " TALLYMAN_ORG_COLUMNS("o.") " FROM orgs o WHERE o.id = $1";
inline constexpr char kOrgByName[] =
    "SELECT " TALLYMAN_ORG_COLUMNS("o.") " FROM orgs o WHERE o.name = $1";
inline constexpr char kRegionById[] =
    "SELECT " TALLYMAN_REGION_COLUMNS("r.") " FROM regions r WHERE r.id = $1";
inline constexpr char kRegionByName[] =
    "SELECT " TALLYMAN_REGION_COLUMNS("r.") " FROM regions r WHERE r.name = $1";
inline constexpr char kProtocolById[] =
    "SELECT " TALLYMAN_PROTOCOL_COLUMNS("p.") " FROM protocols p WHERE p.id = $1";
inline constexpr char kProtocolByKey[] =
    "SELECT " TALLYMAN_PROTOCOL_COLUMNS("p.") " FROM protocols p WHERE p.key = $1";
inline constexpr char kVersion[] =
    "SELECT " TALLYMAN_VERSION_COLUMNS("v.")
    " FROM protocol_versions v "
    "WHERE v.protocol_id = $1 AND v.variant = $2 AND v.semantic_version = $3";

#define TALLYMAN_HOST_ROW TALLYMAN_HOST_COLUMNS("h.") ", coalesce(r.name, '')"
#define TALLYMAN_FROM_HOSTS " FROM hosts h LEFT JOIN regions r ON r.id = h.region_id "
inline constexpr char kHostById[] =
    "SELECT " TALLYMAN_HOST_ROW TALLYMAN_FROM_HOSTS "WHERE h.id = $1";
inline constexpr char kHostByName[] =
    "SELECT " TALLYMAN_HOST_ROW TALLYMAN_FROM_HOSTS "WHERE h.name = $1";

#define TALLYMAN_NODE_ROW     \
  TALLYMAN_NODE_COLUMNS("n.") \
  ", coalesce(o.name, ''), coalesce(h.name, ''), coalesce(r.name, ''), r.id, h.silent_since"
#define TALLYMAN_FROM_NODES                            \
  " FROM nodes n LEFT JOIN orgs o ON o.id = n.org_id " \
  "LEFT JOIN hosts h ON h.id = n.host_id "             \
  "LEFT JOIN regions r ON r.id = h.region_id "
#define TALLYMAN_NODE_BY_ID "WHERE n.id = $1"
#define TALLYMAN_NODE_BY_NAME "WHERE n.name = $1 AND n.deleted_at IS NULL"
inline constexpr char kNodeById[] =
    "SELECT " TALLYMAN_NODE_ROW TALLYMAN_FROM_NODES TALLYMAN_NODE_BY_ID;
inline constexpr char kNodeByName[] =
    "SELECT " TALLYMAN_NODE_ROW TALLYMAN_FROM_NODES TALLYMAN_NODE_BY_NAME;
#define TALLYMAN_NODE_AND_CONFIG                                                  \
  "SELECT " TALLYMAN_NODE_ROW                                                     \
  ", " TALLYMAN_CONFIG_COLUMNS("c.") ", run.image_id" TALLYMAN_FROM_NODES         \
                                     "LEFT JOIN configs c ON c.id = n.config_id " \
                                     "LEFT JOIN configs run ON run.id = n.running_config_id "
inline constexpr char kNodeAndConfigById[] = TALLYMAN_NODE_AND_CONFIG TALLYMAN_NODE_BY_ID;
inline constexpr char kNodeAndConfigByName[] = TALLYMAN_NODE_AND_CONFIG TALLYMAN_NODE_BY_NAME;

inline constexpr char kConfig[] =
    "SELECT " TALLYMAN_CONFIG_COLUMNS("c.") " FROM configs c WHERE c.id = $1";
inline constexpr char kBuilds[] =
    "SELECT i.id FROM protocols p JOIN protocol_versions v ON v.protocol_id = p.id "
    "JOIN images i ON i.protocol_version_id = v.id "
    "WHERE p.key = $1 AND v.variant = $2 AND v.semantic_version = $3 ORDER BY i.build";
#define TALLYMAN_COMMAND_ROW \
  TALLYMAN_COMMAND_COLUMNS("c.") ", coalesce(n.name, ''), coalesce(h.name, '')"
#define TALLYMAN_FROM_COMMANDS                              \
  " FROM commands c LEFT JOIN nodes n ON n.id = c.node_id " \
  "LEFT JOIN hosts h ON h.id = c.host_id "
inline constexpr char kCommand[] =
    "SELECT " TALLYMAN_COMMAND_ROW TALLYMAN_FROM_COMMANDS "WHERE c.id = $1";

#define TALLYMAN_ROLLOUT_ROW TALLYMAN_ROLLOUT_COLUMNS("l.") ", l.plan, coalesce(o.name, '')"
#define TALLYMAN_FROM_ROLLOUTS " FROM rollouts l LEFT JOIN orgs o ON o.id = l.org_id "
inline constexpr char kRolloutById[] =
    "SELECT " TALLYMAN_ROLLOUT_ROW TALLYMAN_FROM_ROLLOUTS "WHERE l.id = $1";
inline constexpr char kRolloutByName[] =
    "SELECT " TALLYMAN_ROLLOUT_ROW TALLYMAN_FROM_ROLLOUTS "WHERE l.name = $1";
inline constexpr char kOpenRollouts[] =
    "SELECT id FROM rollouts WHERE ended_at IS NULL ORDER BY id";
inline constexpr char kOpenRolloutNodes[] =
    "SELECT " TALLYMAN_ROLLOUT_NODE_COLUMNS(
        "x.") ", l.name FROM rollout_nodes x JOIN rollouts l ON l.id = x.rollout_id "
    "WHERE x.state IN ('waiting', 'released') ORDER BY x.node_id";
inline constexpr char kRolloutCounts[] =
    "SELECT wave, state, count(*), count(CASE WHEN was_unwell THEN 1 END) FROM rollout_nodes "
    "WHERE rollout_id = $1 "
    "GROUP BY wave, state ORDER BY wave, state";
#define TALLYMAN_FROM_ROLLOUT_NODES                                                          \
  " FROM rollout_nodes x JOIN nodes n ON n.id = x.node_id JOIN hosts h ON h.id = x.host_id " \
  "LEFT JOIN commands c ON c.id = x.command_id "                                             \
  "LEFT JOIN node_reports r ON r.host_id = x.host_id AND r.node_id = x.node_id "             \
  "LEFT JOIN host_reports q ON q.host_id = x.host_id "
#define TALLYMAN_ROLLOUT_NODES "SELECT " TALLYMAN_ROLLOUT_FACTS TALLYMAN_FROM_ROLLOUT_NODES
inline constexpr char kRolloutReleased[] =
    TALLYMAN_ROLLOUT_NODES "WHERE x.rollout_id = $1 AND x.state = 'released' ORDER BY x.place";
inline constexpr char kRolloutAtWork[] = TALLYMAN_ROLLOUT_NODES
    "WHERE x.rollout_id = $1 AND x.state = 'failed' AND c.state IN ('open', 'taken') "
    "ORDER BY x.place";
// Of the waves so far.
#define TALLYMAN_ROLLOUT_WAITING                     \
  "WHERE x.rollout_id = $1 AND x.state = 'waiting' " \
  "AND x.wave <= (SELECT l.wave FROM rollouts l WHERE l.id = $1) "
inline constexpr char kRolloutWaiting[] = TALLYMAN_ROLLOUT_NODES TALLYMAN_ROLLOUT_WAITING
    "AND ((q.heard_at > $2 AND NOT " TALLYMAN_HOST_IS_DRAINED
    ") OR n.released_at IS NOT NULL OR n.deleted_at IS NOT NULL) "
    "AND (x.not_before IS NULL OR x.not_before <= $3) ORDER BY x.wave, x.place LIMIT $4";
inline constexpr char kRolloutWaitingForHosts[] =
    "SELECT count(*) FROM rollout_nodes x LEFT JOIN host_reports q ON q.host_id = "
    "x.host_id " TALLYMAN_ROLLOUT_WAITING
    "AND (coalesce(q.heard_at, 0) <= $2 OR " TALLYMAN_HOST_IS_DRAINED ")";
// Of the healthy ones; the agent's count of restarts is of the config that it reports.
inline constexpr char kRolloutRegressed[] = TALLYMAN_ROLLOUT_NODES
    "WHERE x.rollout_id = $1 AND x.state = 'healthy' AND n.config_id = c.to_config_id "
    "AND (n.node_state = 'failed' OR r.health = 'unhealthy' "
    "OR (r.config_id = n.config_id AND r.restarts > 0)) ORDER BY x.place LIMIT $2";
inline constexpr char kRolloutJudged[] = TALLYMAN_ROLLOUT_NODES
    "WHERE x.rollout_id = $1 AND x.state IN ('healthy', 'failed', 'skipped') ORDER BY x.place";
inline constexpr char kRolloutWithdrawn[] = TALLYMAN_ROLLOUT_NODES
    "WHERE x.rollout_id = $1 AND x.state = 'waiting' ORDER BY x.wave, x.place LIMIT $2";

#define TALLYMAN_POLICY_ROW                                                               \
  TALLYMAN_POLICY_COLUMNS("p.")                                                           \
  ", coalesce(o.name, ''), coalesce(c.key, ''), coalesce((SELECT l.name FROM rollouts l " \
  "WHERE l.policy_id = p.id AND l.ended_at IS NULL), '')"
#define TALLYMAN_FROM_POLICIES                                    \
  " FROM upgrade_policies p LEFT JOIN orgs o ON o.id = p.org_id " \
  "LEFT JOIN protocols c ON c.id = p.protocol_id "
inline constexpr char kPolicyById[] =
    "SELECT " TALLYMAN_POLICY_ROW TALLYMAN_FROM_POLICIES "WHERE p.id = $1";
inline constexpr char kPolicyByName[] =
    "SELECT " TALLYMAN_POLICY_ROW TALLYMAN_FROM_POLICIES "WHERE p.name = $1";
inline constexpr char kPolicyFor[] =
    "SELECT " TALLYMAN_POLICY_ROW TALLYMAN_FROM_POLICIES
    "WHERE p.org_id = $1 AND p.protocol_id = $2 AND p.variant = $3";
inline constexpr char kDuePolicies[] =
    "SELECT p.id FROM upgrade_policies p WHERE p.enabled AND NOT EXISTS (SELECT 1 FROM rollouts l "
    "WHERE l.policy_id = p.id AND l.ended_at IS NULL) ORDER BY p.id";
inline constexpr char kPolicyNodes[] =
    "SELECT n.id, n.name, n.semantic_version, n.auto_upgrade, h.silent_since IS NOT NULL, "
    "coalesce((SELECT l.name FROM rollout_nodes x JOIN rollouts l ON l.id = x.rollout_id "
    "WHERE x.node_id = n.id AND x.state IN ('waiting', 'released')), '') "
    "FROM nodes n JOIN protocol_versions v ON v.id = n.protocol_version_id "
    "JOIN hosts h ON h.id = n.host_id "
    "WHERE n.org_id = $1 AND n.protocol_id = $2 AND v.variant = $3 AND n.released_at IS NULL "
    "AND n.deleted_at IS NULL AND n.node_state <> 'deleting' "
    "AND coalesce(n.next_state, '') <> 'deleting' ORDER BY n.name";
// A node that somebody else changed meanwhile may be tried again.
inline constexpr char kPastRollouts[] =
    "SELECT l.image_id, l.state, l.why LIKE 'REVERTED:%', x.node_id "
    "FROM rollouts l LEFT JOIN rollout_nodes x "
    "ON x.rollout_id = l.id AND (x.state = 'failed' OR (x.state = 'skipped' "
    "AND x.why <> 'NODE_CHANGED')) WHERE l.policy_id = $1 AND l.ended_at IS NOT NULL";
inline constexpr char kImagesOf[] =
    "SELECT i.id FROM protocol_versions v JOIN images i ON i.protocol_version_id = v.id "
    "WHERE v.protocol_id = $1 AND v.variant = $2";

#define TALLYMAN_TOKEN_ROW \
  TALLYMAN_TOKEN_COLUMNS("t.") ", coalesce(o.name, ''), coalesce(h.name, '')"
#define TALLYMAN_FROM_TOKENS                            \
  " FROM tokens t LEFT JOIN orgs o ON o.id = t.org_id " \
  "LEFT JOIN hosts h ON h.id = t.host_id "
inline constexpr char kTokenById[] =
    "SELECT " TALLYMAN_TOKEN_ROW TALLYMAN_FROM_TOKENS "WHERE t.id = $1";
inline constexpr char kTokenByName[] =
    "SELECT " TALLYMAN_TOKEN_ROW TALLYMAN_FROM_TOKENS
    "WHERE t.name = $1 AND t.revoked_at IS NULL AND t.used_at IS NULL";

inline constexpr char kHostReport[] =
    "SELECT " TALLYMAN_HOST_REPORT_COLUMNS("r.") " FROM host_reports r WHERE r.host_id = $1";
inline constexpr char kHeardAtAll[] = "SELECT EXISTS (SELECT 1 FROM host_reports)";
// Reads every report there is: to find the old ones by an index, each heartbeat would have to keep
// that index.
inline constexpr char kHostsToMark[] =
    "SELECT r.host_id FROM host_reports r WHERE r.heard_at < $1 "
    "AND EXISTS (SELECT 1 FROM hosts h WHERE h.id = r.host_id AND h.silent_since IS NULL "
    "AND h.retired_at IS NULL) "
    "UNION ALL SELECT h.id FROM hosts h JOIN host_reports r ON r.host_id = h.id "
    "WHERE h.silent_since IS NOT NULL AND r.heard_at >= $1 LIMIT $2";
inline constexpr char kClaims[] = "SELECT " TALLYMAN_CLAIM_COLUMNS(
    "c.") " FROM host_claims c WHERE c.host_id = $1 ORDER BY c.owner, c.kind";
inline constexpr char kDrainNodes[] = "SELECT " TALLYMAN_DRAIN_NODE_COLUMNS(
    "d.") " FROM drain_nodes d WHERE d.host_id = $1 ORDER BY d.owner, d.node_id";
// The commands of a host's live nodes; `states` as an index of commands has them.
#define TALLYMAN_COMMANDS_OF_HOST(host, states)                       \
  "FROM nodes n JOIN commands c ON c.node_id = n.id WHERE n.host_id " \
  "= " host                                                           \
  " AND n.released_at IS NULL AND n.deleted_at IS NULL "              \
  "AND c.state IN (" states ") "
#define TALLYMAN_UNENDED "'open', 'taken', 'unknown', 'failed'"
#define TALLYMAN_ENDED "'settled', 'reverted', 'superseded', 'cancelled'"
#define TALLYMAN_RUN_ORDERS(states) \
  "SELECT n.id AS node_id, c.id, c.kind, c.state, c.seq AS seq "     \
  TALLYMAN_COMMANDS_OF_HOST("$1", states)                            \
  "AND c.kind IN ('node_start', 'node_stop', 'node_restart') "       \
  "AND c.state NOT IN ('superseded', 'cancelled')"
// Oldest first.
inline constexpr char kRunOrders[] = TALLYMAN_RUN_ORDERS(
    TALLYMAN_UNENDED) " UNION ALL " TALLYMAN_RUN_ORDERS(TALLYMAN_ENDED) " ORDER BY 1, 5";
// What a host is not at rest for: commands that have not ended, and what its last status shows.
#define TALLYMAN_AT_WORK(host) \
  TALLYMAN_COMMANDS_OF_HOST(host, TALLYMAN_UNENDED) "AND c.state <> 'failed'"
#define TALLYMAN_RUNS(host) "q.host_id = " host " AND (q.run_state = 'running' OR q.pending)"
inline constexpr char kDrainWaits[] =
    "SELECT n.id AS node_id, n.name AS name, n.org_id AS org_id, c.kind AS kind, "
    "c.state AS state, (1 = 0) AS runs, c.seq AS seq " TALLYMAN_AT_WORK("$1")
    " UNION ALL SELECT q.node_id, coalesce(n.name, ''), n.org_id, NULL, NULL, "
    "q.run_state = 'running', 0 FROM node_reports q LEFT JOIN nodes n ON n.id = q.node_id "
    "AND n.host_id = q.host_id AND n.deleted_at IS NULL WHERE " TALLYMAN_RUNS("$1")
    " ORDER BY 2, 1, 7";
#define TALLYMAN_DRAINS(host) "FROM host_claims d WHERE d.host_id = " host " AND d.kind = 'drain'"
// Of a host h: no, draining or drained. The same as kDrainWaits and the time of the last status
// say.
#define TALLYMAN_DRAIN_STATE \
  "CASE WHEN NOT h.cordoned OR NOT EXISTS (SELECT 1 " TALLYMAN_DRAINS("h.id")                 \
  ") THEN 'no' WHEN EXISTS (SELECT 1 " TALLYMAN_AT_WORK("h.id")                               \
  ") OR EXISTS (SELECT 1 FROM node_reports q WHERE " TALLYMAN_RUNS("h.id")                    \
  ") OR NOT EXISTS (SELECT 1 FROM host_reports s WHERE s.host_id = h.id AND s.status_at > "   \
  "(SELECT max(d.created_at) " TALLYMAN_DRAINS("h.id") ")) THEN 'draining' ELSE 'drained' END"
inline constexpr char kReported[] = "SELECT " TALLYMAN_NODE_REPORT_COLUMNS(
    "r.") ", r.changed_at FROM node_reports r WHERE r.host_id = $1 AND r.node_id = $2";
inline constexpr char kIncidents[] =
    "SELECT kind, count FROM node_incidents WHERE node_id = $1 "
    "AND kind IN ('node_crashed', 'node_out_of_memory')";
#define TALLYMAN_NODE_TOTALS                                                               \
  "SELECT count(*) FILTER (WHERE r.health = 'unhealthy'), "                                \
  "count(*) FILTER (WHERE r.problem <> ''), CAST(coalesce(sum(r.restarts), 0) AS bigint) " \
  "FROM node_reports r JOIN nodes n ON n.id = r.node_id AND n.host_id = r.host_id "        \
  "WHERE (r.health = 'unhealthy' OR r.problem <> '' OR r.restarts > 0) "                   \
  "AND n.released_at IS NULL AND n.deleted_at IS NULL"
inline constexpr char kNodeTotals[] = TALLYMAN_NODE_TOTALS;
inline constexpr char kNodeTotalsOfOrg[] = TALLYMAN_NODE_TOTALS " AND n.org_id = $1";
inline constexpr char kHostTotals[] = "SELECT count(*) FROM host_reports WHERE problem <> ''";

// Without a condition that an index of nodes promises: it would be walked, and each row looked up.
#define TALLYMAN_NODE_STATES \
  "SELECT n.node_state, count(*) FILTER (WHERE n.deleted_at IS NULL) FROM nodes n "
inline constexpr char kNodeStates[] = TALLYMAN_NODE_STATES "GROUP BY n.node_state";
inline constexpr char kNodeStatesOfOrg[] =
    TALLYMAN_NODE_STATES "WHERE n.org_id = $1 GROUP BY n.node_state";
// Whether a host h carries more than it has, in some dimension.
#define TALLYMAN_OVER_CAPACITY \
  "(h.free_cpu_cores < 0 OR h.free_memory_bytes < 0 OR h.free_disk_bytes < 0)"
// Hosts, in the order of HostCounts.
#define TALLYMAN_HOST_COUNTS \
  "SELECT count(*), count(*) FILTER (WHERE h.silent_since IS NOT NULL), "                     \
  "count(*) FILTER (WHERE h.silent_since IS NULL AND NOT h.heard), "                          \
  "count(*) FILTER (WHERE h.cordoned), "                                                      \
  "count(*) FILTER (WHERE h.cordoned AND EXISTS (SELECT 1 " TALLYMAN_DRAINS("h.id")           \
  ")), "                                                                                      \
  "count(*) FILTER (WHERE " TALLYMAN_OVER_CAPACITY                                            \
  "), "                                                                                       \
  "count(*) FILTER (WHERE r.problem <> ''), "                                                 \
  "count(*) FILTER (WHERE h.node_count <> coalesce(s.node_count, 0) "                         \
  "OR h.node_cpu_cores <> coalesce(s.cpu_cores, 0) "                                          \
  "OR h.node_memory_bytes <> coalesce(s.memory_bytes, 0) "                                    \
  "OR h.node_disk_bytes <> coalesce(s.disk_bytes, 0) "                                        \
  "OR h.held_cpu_cores <> coalesce(s.held_cpu_cores, 0) "                                     \
  "OR h.held_memory_bytes <> coalesce(s.held_memory_bytes, 0) "                               \
  "OR h.held_disk_bytes <> coalesce(s.held_disk_bytes, 0)) "                                  \
  "FROM hosts h LEFT JOIN host_reports r ON r.host_id = h.id "                                \
  "LEFT JOIN (SELECT host_id, count(*) AS node_count, sum(cpu_cores) AS cpu_cores, "          \
  "sum(memory_bytes) AS memory_bytes, sum(disk_bytes) AS disk_bytes, "                        \
  "sum(held_cpu_cores) AS held_cpu_cores, sum(held_memory_bytes) AS held_memory_bytes, "      \
  "sum(held_disk_bytes) AS held_disk_bytes FROM nodes "                                       \
  "WHERE released_at IS NULL AND deleted_at IS NULL GROUP BY host_id) s ON s.host_id = h.id " \
  "WHERE h.retired_at IS NULL"
inline constexpr char kHostCounts[] = TALLYMAN_HOST_COUNTS;
inline constexpr char kHostCountsOfOrg[] = TALLYMAN_HOST_COUNTS
    " AND h.id IN (SELECT host_id FROM nodes WHERE org_id = $1 AND released_at IS NULL "
    "AND deleted_at IS NULL)";

inline constexpr char kHostLedger[] =
    "SELECT " TALLYMAN_LEDGER_COLUMNS("l.")
    ", l.corrections FROM ledger l WHERE l.host_id = $1 AND l.seq > $2 ORDER BY l.seq LIMIT $3";
// There is no index by node, which saves one row written per upgrade. The entries of its host are
// adjacent.
inline constexpr char kNodeLedger[] =
    "SELECT " TALLYMAN_LEDGER_COLUMNS("l.")
    ", l.corrections FROM ledger l WHERE l.host_id = (SELECT host_id FROM nodes WHERE id = $1) "
    "AND l.seq > $2 AND l.node_id = $1 ORDER BY l.seq LIMIT $3";
inline constexpr char kOrgUsage[] =
    "SELECT count(*), CAST(coalesce(sum(cpu_cores), 0) AS bigint), "
    "CAST(coalesce(sum(memory_bytes), 0) AS bigint), CAST(coalesce(sum(disk_bytes), 0) AS bigint), "
    "CAST(coalesce(sum(held_cpu_cores), 0) AS bigint), "
    "CAST(coalesce(sum(held_memory_bytes), 0) AS bigint), "
    "CAST(coalesce(sum(held_disk_bytes), 0) AS bigint) "
    "FROM nodes WHERE org_id = $1 AND released_at IS NULL AND deleted_at IS NULL";

}  // namespace tallyman::store::sql
