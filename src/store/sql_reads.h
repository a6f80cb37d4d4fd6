// Reads by key, by name and by page, written once for all SQL databases.
//
// SqlReads<Tx> is the part of a transaction that is the same everywhere; a database's own
// transaction derives from it, instantiates it in one file with sql_reads_definitions.h, and
// provides:
//   kReadSql                    the texts that differ
//   Select(sql, values...)      a statement's rows: Next(), Read(), ReadMore(). `sql` is kept
//                               prepared. Text among the values outlives the rows.
//   SelectTogether(Ask()...)    the same of several statements, in one round trip
//   SelectList(list)            a statement that is made for one time
//   CheckReadable()             nothing was written yet
//   ReadImages(ids)             the images in that order; null where there is none
//
// Both databases take these texts: parameters are $1, $2, ..., each appearing first after the one
// before it (SQLite numbers them in order of appearance), with coalesce() and CAST().
#pragma once

#include <tuple>

#include "store/list_sql.h"
#include "store/row_shapes.h"
#include "store/store.h"

namespace tallyman::store {

struct ReadSql {
  ListDialect lists;
  const char* largest_number;
  const char* ready;
  const char* next_at;
  const char* overdue;
  const char* late;
  const char* live_nodes;
  const char* audit_counts;
  const char* pending_commands;
  const char* pending_commands_of_org;
};

// The oldest open command of each node.
#define TALLYMAN_HEADS(by_index) \
  "WHERE c.host_id = $1 AND c.state = 'open' AND NOT EXISTS (SELECT 1 FROM commands e" by_index( \
      "commands_open") " WHERE e.host_id = $1 AND e.node_id = c.node_id AND e.seq < c.seq " \
                       "AND e.state = 'open') "

// The commands that have not ended, by state. `of` narrows them down; $1 is when late ones begin.
#define TALLYMAN_PENDING_COMMANDS(by_index, of)                                             \
  "SELECT c.state, count(*), min(c.created_at), count(*) FILTER (WHERE c.created_at < $1) " \
  "FROM commands c" by_index("commands_pending") of                                         \
      " WHERE c.state IN ('open', 'taken', 'unknown', 'failed') AND c.state <> 'failed' "   \
      "GROUP BY c.state"

// ReadSql, where `by_index("NAME")` after a table names the index to use. The largest number is
// taken over the names from PREFIX- up to, but not including, PREFIX. ('.' follows '-') that end in
// digits only.
// clang-format off: one statement after another
#define TALLYMAN_READ_SQL(list_dialect, by_index) \
  {list_dialect,                                                                                \
   "SELECT coalesce(max(CAST(substr(name, CAST($1 AS integer)) AS bigint)), 0) FROM nodes"      \
   by_index("nodes_any_name") " WHERE name > $2 AND name < $3 "                                 \
   "AND ltrim(substr(name, CAST($1 AS integer)), '0123456789') = '' "                           \
   "AND length(name) < CAST($1 AS integer) + 18",                                               \
   "SELECT " TALLYMAN_COMMAND_COLUMNS("c.") ", n.name FROM commands c"                          \
   by_index("commands_open") " JOIN nodes n ON n.id = c.node_id " TALLYMAN_HEADS(by_index)      \
   "AND (c.not_before IS NULL OR c.not_before <= $2) "                                          \
   "AND (c.not_after IS NULL OR c.not_after >= $2) ORDER BY c.node_id LIMIT $3",                \
   "SELECT min(c.not_before) FROM commands c" by_index("commands_open") " "                     \
   TALLYMAN_HEADS(by_index) "AND c.not_before > $2",                                            \
   "SELECT id, node_id FROM commands" by_index("commands_taken")                                \
   " WHERE state = 'taken' AND taken_at < $1 ORDER BY taken_at LIMIT $2",                       \
   "SELECT id, node_id FROM commands" by_index("commands_late")                                 \
   " WHERE state = 'open' AND not_after IS NOT NULL AND not_after < $1 "                        \
   "ORDER BY not_after LIMIT $2",                                                               \
   "SELECT id FROM nodes" by_index("nodes_live")                                                \
   " WHERE host_id = $1 AND released_at IS NULL AND deleted_at IS NULL ORDER BY id",            \
   "SELECT (SELECT count(*) FROM nodes" by_index("nodes_live")                                  \
   " WHERE released_at IS NULL AND deleted_at IS NULL), (SELECT count(*) FROM hosts), "         \
   "(SELECT count(*) FROM ledger)",                                                             \
   TALLYMAN_PENDING_COMMANDS(by_index, ""),                                                     \
   TALLYMAN_PENDING_COMMANDS(by_index, " JOIN nodes n ON n.id = c.node_id AND n.org_id = $2")}
// clang-format on

// A statement and its values, valid until the end of the full expression.
template <class... T>
struct SqlAsk {
  const char* sql;
  std::tuple<const T&...> values;
};
template <class... T>
SqlAsk<T...> Ask(const char* sql, const T&... values) {
  return {sql, {values...}};
}

template <class Tx>
class SqlReads : public WriteTx {
 public:
  Result<std::optional<Org>> FindOrg(std::string_view id_or_name) final;
  Result<std::optional<Region>> FindRegion(std::string_view id_or_name) final;
  Result<std::optional<HostRow>> FindHost(std::string_view id_or_name) final;
  Result<std::optional<Protocol>> FindProtocol(std::string_view id_or_key) final;
  Result<std::optional<ProtocolVersion>> FindVersion(const ProtocolId& protocol,
                                                     std::string_view variant,
                                                     std::string_view semantic_version) final;
  Result<std::optional<NodeRow>> FindNode(std::string_view id_or_name) final;
  Result<std::optional<NodeAndConfig>> FindNodeAndConfig(std::string_view id_or_name) final;
  Result<int64_t> NextNodeNumber(std::string_view prefix) final;
  Result<std::optional<NodeConfig>> FindConfig(const ConfigId& id) final;
  Result<std::shared_ptr<const Image>> FindImage(const ImageId& id) final;
  Result<std::vector<std::shared_ptr<const Image>>> FindBuilds(
      std::string_view protocol, std::string_view variant, std::string_view semantic_version) final;
  Result<std::optional<CommandRow>> FindCommand(const CommandId& id) final;
  Result<HandOut> FindCommandsFor(const HandOutQuery& wanted) final;
  Result<std::vector<CommandOfNode>> FindOverdue(Time before, int64_t limit) final;
  Result<std::vector<CommandOfNode>> FindLate(Time now, int64_t limit) final;
  Result<std::optional<RolloutRow>> FindRollout(std::string_view id_or_name) final;
  Result<std::vector<RolloutId>> OpenRollouts() final;
  Result<std::vector<OpenRolloutNode>> OpenRolloutNodes() final;
  Result<std::optional<RolloutView>> ReadRollout(const RolloutQuery& query) final;
  Result<std::vector<RolloutCount>> CountRolloutNodes(const RolloutId& rollout) final;
  Result<std::optional<PolicyRow>> FindPolicy(std::string_view id_or_name) final;
  Result<std::optional<PolicyRow>> FindPolicyFor(const PolicyScope& scope) final;
  Result<std::vector<PolicyId>> DuePolicies() final;
  Result<std::vector<PolicyNode>> PolicyNodes(const PolicyScope& scope) final;
  Result<std::vector<PastRolloutRow>> PastRolloutsOf(const PolicyId& policy) final;
  Result<std::vector<std::shared_ptr<const Image>>> ImagesOf(const ProtocolId& protocol,
                                                             std::string_view variant) final;
  Result<std::vector<HostId>> FindHostsToMark(Time before, int64_t limit) final;
  Result<bool> WasAnyHostHeard() final;
  Result<std::vector<HostClaim>> ClaimsOf(const HostId& host) final;
  Result<std::vector<DrainNode>> DrainNodesOf(const HostId& host) final;
  Result<std::vector<RunOrder>> RunOrdersOf(const HostId& host) final;
  Result<std::vector<DrainWait>> DrainWaitsOf(const HostId& host) final;
  Result<std::vector<NodeId>> LiveNodesOf(const HostId& host) final;
  Result<std::optional<ReportedNode>> FindReported(const NodePlace& node) final;
  Result<ReportedTotals> CountReported() final;
  Result<FleetOverview> ReadOverview(const OverviewQuery& query) final;
  Result<std::optional<TokenRow>> FindToken(std::string_view id_or_name) final;

  Result<std::vector<OrgRow>> ListOrgs(const ListQuery& query) final;
  Result<std::vector<RegionRow>> ListRegions(const ListQuery& query) final;
  Result<std::vector<HostRow>> ListHosts(const ListQuery& query) final;
  Result<std::vector<ProtocolRow>> ListProtocols(const ListQuery& query) final;
  Result<std::vector<VersionRow>> ListVersions(const ListQuery& query) final;
  Result<std::vector<ImageRow>> ListImages(const ListQuery& query) final;
  Result<std::vector<NodeRow>> ListNodes(const ListQuery& query) final;
  Result<std::vector<CommandRow>> ListCommands(const ListQuery& query) final;
  Result<std::vector<EventRow>> ListEvents(const ListQuery& query) final;
  Result<std::vector<TokenRow>> ListTokens(const ListQuery& query) final;
  Result<std::vector<RequestRow>> ListRequests(const ListQuery& query) final;
  Result<std::vector<RolloutRow>> ListRollouts(const ListQuery& query) final;
  Result<std::vector<RolloutNodeRow>> ListRolloutNodes(const ListQuery& query) final;
  Result<std::vector<PolicyRow>> ListPolicies(const ListQuery& query) final;

  Result<std::vector<LedgerEntry>> HostLedger(const HostId& host, int64_t after_seq,
                                              int64_t limit) final;
  Result<std::vector<LedgerEntry>> NodeLedger(const NodeId& node, int64_t after_seq,
                                              int64_t limit) final;
  Result<HostSums> OrgUsage(const OrgId& org) final;
  Result<AuditCounts> CountForAudit() final;
  Result<int64_t> CountRequests() final;
  Result<RecordCounts> CountRecords() final;
  Result<int64_t> CountEndedCommands() final;

 private:
  Tx& tx() { return static_cast<Tx&>(*this); }
  // `org` is nothing, or one org.
  Result<FleetOverview> ReadOverviewOf(const OverviewQuery& query, const auto&... org);
  // By id if the text is the id of a row, else by name.
  template <class IdType, class... T>
  Result<bool> ReadByIdOrName(const char* by_id, const char* by_name, std::string_view id_or_name,
                              T&... values);
  Result<std::vector<LedgerEntry>> ReadEntries(const char* statement, const auto& of,
                                               int64_t after_seq, int64_t limit);
  // `fields` returns the fields into which the listing's columns are read.
  template <class Row, class Fields>
  Result<std::vector<Row>> ReadList(Listing listing, const ListQuery& wanted, const Fields& fields);
};

}  // namespace tallyman::store
