// The members of SqlReads, for the one file of each database that instantiates them.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "model/config.h"
#include "store/corrections.h"
#include "store/look_up_sql.h"
#include "store/refusals.h"
#include "store/sql_reads.h"

namespace tallyman::store {
namespace sql {

// The first row, if there is one.
template <class Rows, class... T>
Result<bool> ReadFirst(Rows& rows, T&... values) {
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (found) RETURN_IF_ERROR(rows.Read(values...));
  return found;
}

template <class Rows, class... T>
Result<bool> ReadFirst(Result<Rows> rows, T&... values) {
  if (!rows) return Fail(std::move(rows).error());
  return ReadFirst(*rows, values...);
}

// Every row, read by `read(rows, T&)`.
template <class T, class Rows, class Read>
Result<std::vector<T>> ReadAll(Rows& rows, const Read& read) {
  std::vector<T> out;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return out;
    RETURN_IF_ERROR(read(rows, out.emplace_back()));
  }
}

template <class T, class Rows, class Read>
Result<std::vector<T>> ReadAll(Result<Rows> rows, const Read& read) {
  if (!rows) return Fail(std::move(rows).error());
  return ReadAll<T>(*rows, read);
}

// The reference of an image, for rows that people read; its id if the image is missing.
inline std::string NameOf(const std::shared_ptr<const Image>& image, const ImageId& id) {
  return image == nullptr ? id.ToString() : image->Reference();
}

template <class T>
Result<std::optional<T>> IfFound(Result<bool> found, T& value) {
  ASSIGN_OR_RETURN(const bool is_there, std::move(found));
  std::optional<T> out;
  if (is_there) out = std::move(value);
  return out;
}

}  // namespace sql

template <class Tx>
template <class IdType, class... T>
Result<bool> SqlReads<Tx>::ReadByIdOrName(const char* by_id, const char* by_name,
                                          std::string_view id_or_name, T&... values) {
  if (const auto id = IdType::Parse(id_or_name)) {
    ASSIGN_OR_RETURN(const bool found, sql::ReadFirst(tx().Select(by_id, *id), values...));
    if (found) return true;
  }
  return sql::ReadFirst(tx().Select(by_name, id_or_name), values...);
}

template <class Tx>
Result<std::optional<Org>> SqlReads<Tx>::FindOrg(std::string_view id_or_name) {
  Org org;
  return sql::IfFound(ReadByIdOrName<OrgId>(sql::kOrgById, sql::kOrgByName, id_or_name, org), org);
}

template <class Tx>
Result<std::optional<Region>> SqlReads<Tx>::FindRegion(std::string_view id_or_name) {
  Region region;
  return sql::IfFound(
      ReadByIdOrName<RegionId>(sql::kRegionById, sql::kRegionByName, id_or_name, region), region);
}

template <class Tx>
Result<std::optional<HostRow>> SqlReads<Tx>::FindHost(std::string_view id_or_name) {
  HostRow row;
  return sql::IfFound(
      ReadByIdOrName<HostId>(sql::kHostById, sql::kHostByName, id_or_name, row.host, row.region),
      row);
}

template <class Tx>
Result<std::optional<Protocol>> SqlReads<Tx>::FindProtocol(std::string_view id_or_key) {
  Protocol protocol;
  return sql::IfFound(
      ReadByIdOrName<ProtocolId>(sql::kProtocolById, sql::kProtocolByKey, id_or_key, protocol),
      protocol);
}

template <class Tx>
Result<std::optional<ProtocolVersion>> SqlReads<Tx>::FindVersion(
    const ProtocolId& protocol, std::string_view variant, std::string_view semantic_version) {
  ProtocolVersion version;
  return sql::IfFound(
      sql::ReadFirst(tx().Select(sql::kVersion, protocol, variant, semantic_version), version),
      version);
}

template <class Tx>
Result<std::optional<NodeRow>> SqlReads<Tx>::FindNode(std::string_view id_or_name) {
  NodeRow row;
  ASSIGN_OR_RETURN(
      const bool found,
      ReadByIdOrName<NodeId>(sql::kNodeById, sql::kNodeByName, id_or_name, row.node, row.org,
                             row.host, row.region, row.region_id, row.host_silent_since));
  if (!found) return std::optional<NodeRow>();
  ASSIGN_OR_RETURN(const auto images, tx().ReadImages(std::array{row.node.image_id}));
  row.image = sql::NameOf(images[0], row.node.image_id);
  return row;
}

template <class Tx>
Result<std::optional<NodeAndConfig>> SqlReads<Tx>::FindNodeAndConfig(std::string_view id_or_name) {
  NodeAndConfig found;
  NodeRow& row = found.row;
  NodeConfig& config = found.config;
  std::string json;
  std::optional<ImageId> running;
  ASSIGN_OR_RETURN(const bool is_there,
                   ReadByIdOrName<NodeId>(sql::kNodeAndConfigById, sql::kNodeAndConfigByName,
                                          id_or_name, row.node, row.org, row.host, row.region,
                                          row.region_id, row.host_silent_since, config.image_id,
                                          json, config.resources, config.created_at, running));
  if (!is_there) return std::optional<NodeAndConfig>();
  config.id = row.node.config_id;
  config.forgotten = json.empty() && !row.node.IsLive();
  if (!config.forgotten) RETURN_IF_ERROR(ConfigFromJson(json, config));
  const std::array ids = {row.node.image_id, running.value_or(row.node.image_id)};
  ASSIGN_OR_RETURN(const auto images, tx().ReadImages(std::span(ids).first(running ? 2 : 1)));
  row.image = sql::NameOf(images[0], ids[0]);
  if (running) found.running_image = sql::NameOf(images[1], ids[1]);
  return found;
}

template <class Tx>
Result<int64_t> SqlReads<Tx>::NextNodeNumber(std::string_view prefix) {
  const std::string from = std::string(prefix) + '-';
  const std::string to = std::string(prefix) + '.';
  const int64_t first_digit = static_cast<int64_t>(from.size()) + 1;
  int64_t largest = 0;
  RETURN_IF_ERROR(
      sql::ReadFirst(tx().Select(Tx::kReadSql.largest_number, first_digit, from, to), largest));
  return largest + 1;
}

template <class Tx>
Result<std::optional<NodeConfig>> SqlReads<Tx>::FindConfig(const ConfigId& id) {
  NodeConfig config;
  std::string json;
  ASSIGN_OR_RETURN(const bool found, sql::ReadFirst(tx().Select(sql::kConfig, id), config.image_id,
                                                    json, config.resources, config.created_at));
  if (!found) return std::optional<NodeConfig>();
  config.id = id;
  config.forgotten = json.empty();
  if (!config.forgotten) RETURN_IF_ERROR(ConfigFromJson(json, config));
  return config;
}

template <class Tx>
Result<std::shared_ptr<const Image>> SqlReads<Tx>::FindImage(const ImageId& id) {
  RETURN_IF_ERROR(tx().CheckReadable());
  ASSIGN_OR_RETURN(auto images, tx().ReadImages(std::array{id}));
  return std::move(images.front());
}

template <class Tx>
Result<std::vector<std::shared_ptr<const Image>>> SqlReads<Tx>::FindBuilds(
    std::string_view protocol, std::string_view variant, std::string_view semantic_version) {
  ASSIGN_OR_RETURN(
      const std::vector<ImageId> ids,
      sql::ReadAll<ImageId>(tx().Select(sql::kBuilds, protocol, variant, semantic_version),
                            [](auto& rows, ImageId& id) { return rows.Read(id); }));
  return tx().ReadImages(ids);
}

template <class Tx>
Result<std::optional<CommandRow>> SqlReads<Tx>::FindCommand(const CommandId& id) {
  CommandRow row;
  return sql::IfFound(
      sql::ReadFirst(tx().Select(sql::kCommand, id), row.command, row.node, row.host), row);
}

template <class Tx>
Result<HandOut> SqlReads<Tx>::FindCommandsFor(const HandOutQuery& wanted) {
  ASSIGN_OR_RETURN(
      auto results,
      tx().SelectTogether(Ask(sql::kHostReport, wanted.host_id),
                          Ask(Tx::kReadSql.ready, wanted.host_id, wanted.now, wanted.limit),
                          Ask(Tx::kReadSql.next_at, wanted.host_id, wanted.now)));
  auto& [heard, ready, next] = results;
  HandOut out;
  HostReport report;
  ASSIGN_OR_RETURN(const bool was_heard, sql::ReadFirst(heard, report));
  if (was_heard) out.last_heard = std::move(report);
  ASSIGN_OR_RETURN(out.commands,
                   sql::ReadAll<HandOut::Entry>(ready, [](auto& rows, HandOut::Entry& entry) {
                     return rows.Read(entry.command, entry.node);
                   }));
  RETURN_IF_ERROR(sql::ReadFirst(next, out.next_at));
  return out;
}

template <class Tx>
Result<std::vector<CommandOfNode>> SqlReads<Tx>::FindOverdue(Time before, int64_t limit) {
  return sql::ReadAll<CommandOfNode>(
      tx().Select(Tx::kReadSql.overdue, before, limit),
      [](auto& rows, CommandOfNode& command) { return rows.Read(command.id, command.node_id); });
}

template <class Tx>
Result<std::vector<CommandOfNode>> SqlReads<Tx>::FindLate(Time now, int64_t limit) {
  return sql::ReadAll<CommandOfNode>(
      tx().Select(Tx::kReadSql.late, now, limit),
      [](auto& rows, CommandOfNode& command) { return rows.Read(command.id, command.node_id); });
}

template <class Tx>
Result<std::optional<RolloutRow>> SqlReads<Tx>::FindRollout(std::string_view id_or_name) {
  RolloutRow row;
  std::string plan;
  ASSIGN_OR_RETURN(const bool found,
                   ReadByIdOrName<RolloutId>(sql::kRolloutById, sql::kRolloutByName, id_or_name,
                                             row.rollout, plan, row.org));
  if (!found) return std::optional<RolloutRow>();
  RETURN_IF_ERROR(PlanFromJson(plan, row.rollout));
  ASSIGN_OR_RETURN(const auto images, tx().ReadImages(std::array{row.rollout.image_id}));
  row.image = sql::NameOf(images[0], row.rollout.image_id);
  return row;
}

template <class Tx>
Result<std::vector<RolloutId>> SqlReads<Tx>::OpenRollouts() {
  return sql::ReadAll<RolloutId>(tx().Select(sql::kOpenRollouts),
                                 [](auto& rows, RolloutId& id) { return rows.Read(id); });
}

template <class Tx>
Result<std::vector<OpenRolloutNode>> SqlReads<Tx>::OpenRolloutNodes() {
  return sql::ReadAll<OpenRolloutNode>(
      tx().Select(sql::kOpenRolloutNodes),
      [](auto& rows, OpenRolloutNode& node) { return rows.Read(node.row, node.rollout); });
}

template <class Tx>
Result<std::vector<RolloutCount>> SqlReads<Tx>::CountRolloutNodes(const RolloutId& rollout) {
  return sql::ReadAll<RolloutCount>(
      tx().Select(sql::kRolloutCounts, rollout), [](auto& rows, RolloutCount& count) {
        return rows.Read(count.wave, count.state, count.count, count.unwell);
      });
}

template <class Tx>
Result<std::optional<RolloutView>> SqlReads<Tx>::ReadRollout(const RolloutQuery& query) {
  const auto read = [](auto& rows, RolloutNodeFacts& facts) { return rows.Read(facts); };
  RolloutView view;
  std::string plan, org;
  ASSIGN_OR_RETURN(const bool found, sql::ReadFirst(tx().Select(sql::kRolloutById, query.id),
                                                    view.rollout, plan, org));
  if (!found) return std::optional<RolloutView>();
  RETURN_IF_ERROR(PlanFromJson(plan, view.rollout));
  ASSIGN_OR_RETURN(view.counts, CountRolloutNodes(query.id));
  ASSIGN_OR_RETURN(view.released, sql::ReadAll<RolloutNodeFacts>(
                                      tx().Select(sql::kRolloutReleased, query.id), read));
  ASSIGN_OR_RETURN(auto at_work, sql::ReadAll<RolloutNodeFacts>(
                                     tx().Select(sql::kRolloutAtWork, query.id), read));
  view.released.insert(view.released.end(), std::make_move_iterator(at_work.begin()),
                       std::make_move_iterator(at_work.end()));
  if (query.with_judged) {
    ASSIGN_OR_RETURN(view.judged, sql::ReadAll<RolloutNodeFacts>(
                                      tx().Select(sql::kRolloutJudged, query.id), read));
  }
  if (view.rollout.state == RolloutState::kAborting) {
    ASSIGN_OR_RETURN(view.waiting,
                     sql::ReadAll<RolloutNodeFacts>(
                         tx().Select(sql::kRolloutWithdrawn, query.id, query.limit), read));
  }
  if (view.rollout.state != RolloutState::kRunning) return view;
  ASSIGN_OR_RETURN(view.waiting, sql::ReadAll<RolloutNodeFacts>(
                                     tx().Select(sql::kRolloutWaiting, query.id,
                                                 query.silent_before, query.now, query.limit),
                                     read));
  if (view.waiting.empty()) {
    RETURN_IF_ERROR(
        sql::ReadFirst(tx().Select(sql::kRolloutWaitingForHosts, query.id, query.silent_before),
                       view.waiting_for_hosts));
  }
  const bool may_pass =
      view.waiting.empty() && std::ranges::none_of(view.counts, [](const RolloutCount& count) {
        return count.state == RolloutNodeState::kReleased;
      });
  if (may_pass) {
    ASSIGN_OR_RETURN(view.regressed,
                     sql::ReadAll<RolloutNodeFacts>(
                         tx().Select(sql::kRolloutRegressed, query.id, query.limit), read));
  }
  return view;
}

template <class Tx>
Result<std::optional<PolicyRow>> SqlReads<Tx>::FindPolicy(std::string_view id_or_name) {
  PolicyRow row;
  return sql::IfFound(ReadByIdOrName<PolicyId>(sql::kPolicyById, sql::kPolicyByName, id_or_name,
                                               row.policy, row.org, row.protocol, row.rollout),
                      row);
}

template <class Tx>
Result<std::optional<PolicyRow>> SqlReads<Tx>::FindPolicyFor(const PolicyScope& scope) {
  PolicyRow row;
  return sql::IfFound(
      sql::ReadFirst(tx().Select(sql::kPolicyFor, scope.org_id, scope.protocol_id, scope.variant),
                     row.policy, row.org, row.protocol, row.rollout),
      row);
}

template <class Tx>
Result<std::vector<PolicyId>> SqlReads<Tx>::DuePolicies() {
  return sql::ReadAll<PolicyId>(tx().Select(sql::kDuePolicies),
                                [](auto& rows, PolicyId& id) { return rows.Read(id); });
}

template <class Tx>
Result<std::vector<PolicyNode>> SqlReads<Tx>::PolicyNodes(const PolicyScope& scope) {
  return sql::ReadAll<PolicyNode>(
      tx().Select(sql::kPolicyNodes, scope.org_id, scope.protocol_id, scope.variant),
      [](auto& rows, PolicyNode& node) {
        return rows.Read(node.id, node.name, node.semantic_version, node.auto_upgrade,
                         node.host_silent, node.rollout);
      });
}

template <class Tx>
Result<std::vector<PastRolloutRow>> SqlReads<Tx>::PastRolloutsOf(const PolicyId& policy) {
  return sql::ReadAll<PastRolloutRow>(
      tx().Select(sql::kPastRollouts, policy), [](auto& rows, PastRolloutRow& past) {
        return rows.Read(past.image_id, past.state, past.reverted, past.failed);
      });
}

template <class Tx>
Result<std::vector<std::shared_ptr<const Image>>> SqlReads<Tx>::ImagesOf(const ProtocolId& protocol,
                                                                         std::string_view variant) {
  ASSIGN_OR_RETURN(const std::vector<ImageId> ids,
                   sql::ReadAll<ImageId>(tx().Select(sql::kImagesOf, protocol, variant),
                                         [](auto& rows, ImageId& id) { return rows.Read(id); }));
  return tx().ReadImages(ids);
}

template <class Tx>
Result<std::vector<HostId>> SqlReads<Tx>::FindHostsToMark(Time before, int64_t limit) {
  return sql::ReadAll<HostId>(tx().Select(sql::kHostsToMark, before, limit),
                              [](auto& rows, HostId& host) { return rows.Read(host); });
}

template <class Tx>
Result<bool> SqlReads<Tx>::WasAnyHostHeard() {
  bool heard = false;
  RETURN_IF_ERROR(sql::ReadFirst(tx().Select(sql::kHeardAtAll), heard));
  return heard;
}

template <class Tx>
Result<std::vector<HostClaim>> SqlReads<Tx>::ClaimsOf(const HostId& host) {
  return sql::ReadAll<HostClaim>(tx().Select(sql::kClaims, host),
                                 [](auto& rows, HostClaim& claim) { return rows.Read(claim); });
}

template <class Tx>
Result<std::vector<DrainNode>> SqlReads<Tx>::DrainNodesOf(const HostId& host) {
  return sql::ReadAll<DrainNode>(tx().Select(sql::kDrainNodes, host),
                                 [](auto& rows, DrainNode& node) { return rows.Read(node); });
}

template <class Tx>
Result<std::vector<RunOrder>> SqlReads<Tx>::RunOrdersOf(const HostId& host) {
  int64_t seq = 0;
  ASSIGN_OR_RETURN(
      std::vector<RunOrder> orders,
      sql::ReadAll<RunOrder>(tx().Select(sql::kRunOrders, host),
                             [&](auto& rows, RunOrder& order) { return rows.Read(order, seq); }));
  // The last of each node.
  const auto older = std::ranges::unique(orders.rbegin(), orders.rend(), {}, &RunOrder::node_id);
  orders.erase(orders.begin(), older.begin().base());
  return orders;
}

template <class Tx>
Result<std::vector<DrainWait>> SqlReads<Tx>::DrainWaitsOf(const HostId& host) {
  int64_t seq = 0;
  return sql::ReadAll<DrainWait>(tx().Select(sql::kDrainWaits, host),
                                 [&](auto& rows, DrainWait& wait) { return rows.Read(wait, seq); });
}

template <class Tx>
Result<std::vector<NodeId>> SqlReads<Tx>::LiveNodesOf(const HostId& host) {
  return sql::ReadAll<NodeId>(tx().Select(Tx::kReadSql.live_nodes, host),
                              [](auto& rows, NodeId& node) { return rows.Read(node); });
}

template <class Tx>
Result<std::optional<ReportedNode>> SqlReads<Tx>::FindReported(const NodePlace& node) {
  ASSIGN_OR_RETURN(auto results,
                   tx().SelectTogether(Ask(sql::kReported, node.host_id, node.node_id),
                                       Ask(sql::kIncidents, node.node_id)));
  auto& [report, incidents] = results;
  ReportedNode reported;
  ASSIGN_OR_RETURN(bool is_known, sql::ReadFirst(report, reported.report, reported.changed_at));
  while (true) {
    ReportedIncident kind{};
    int64_t count = 0;
    ASSIGN_OR_RETURN(const bool more, sql::ReadFirst(incidents, kind, count));
    if (!more) break;
    is_known = true;
    (kind == ReportedIncident::kNodeCrashed ? reported.crashes : reported.out_of_memory) = count;
  }
  reported.report.node_id = node.node_id;
  return sql::IfFound(Result<bool>(is_known), reported);
}

template <class Tx>
Result<ReportedTotals> SqlReads<Tx>::CountReported() {
  ASSIGN_OR_RETURN(auto results, tx().SelectTogether(Ask(sql::kNodeTotals), Ask(sql::kHostTotals)));
  auto& [nodes, hosts] = results;
  ReportedTotals totals;
  RETURN_IF_ERROR(
      sql::ReadFirst(nodes, totals.unhealthy_nodes, totals.nodes_with_problems, totals.restarts));
  RETURN_IF_ERROR(sql::ReadFirst(hosts, totals.hosts_with_problems));
  return totals;
}

template <class Tx>
Result<FleetOverview> SqlReads<Tx>::ReadOverviewOf(const OverviewQuery& query, const auto&... org) {
  constexpr size_t kOf = sizeof...(org);
  ASSIGN_OR_RETURN(
      auto results,
      tx().SelectTogether(
          Ask(kOf == 0 ? sql::kHostCounts : sql::kHostCountsOfOrg, org...),
          Ask(kOf == 0 ? sql::kNodeStates : sql::kNodeStatesOfOrg, org...),
          Ask(kOf == 0 ? sql::kNodeTotals : sql::kNodeTotalsOfOrg, org...),
          Ask(kOf == 0 ? Tx::kReadSql.pending_commands : Tx::kReadSql.pending_commands_of_org,
              query.late_before, org...)));
  auto& [hosts, states, reported, pending] = results;
  FleetOverview overview;
  HostCounts& h = overview.hosts;
  RETURN_IF_ERROR(sql::ReadFirst(hosts, h.total, h.silent, h.never_heard, h.cordoned, h.draining,
                                 h.over_capacity, h.with_problems, h.drifted));
  while (true) {
    NodeState state{};
    int64_t count = 0;
    ASSIGN_OR_RETURN(const bool more, sql::ReadFirst(states, state, count));
    if (!more) break;
    overview.nodes[static_cast<size_t>(state)] = count;
  }
  int64_t restarts = 0;
  RETURN_IF_ERROR(
      sql::ReadFirst(reported, overview.unhealthy_nodes, overview.nodes_with_problems, restarts));
  CommandCounts& commands = overview.commands;
  while (true) {
    CommandState state{};
    int64_t count = 0;
    int64_t late = 0;
    std::optional<Time> oldest_at;
    ASSIGN_OR_RETURN(const bool more, sql::ReadFirst(pending, state, count, oldest_at, late));
    if (!more) break;
    if (state == CommandState::kTaken) commands.taken = count;
    if (state == CommandState::kUnknown) commands.unknown = count;
    if (state != CommandState::kOpen) continue;
    commands.open = count;
    commands.late = late;
    commands.oldest_open_at = oldest_at;
  }
  return overview;
}

template <class Tx>
Result<FleetOverview> SqlReads<Tx>::ReadOverview(const OverviewQuery& query) {
  return query.org_id ? ReadOverviewOf(query, *query.org_id) : ReadOverviewOf(query);
}

template <class Tx>
Result<std::optional<TokenRow>> SqlReads<Tx>::FindToken(std::string_view id_or_name) {
  TokenRow row;
  return sql::IfFound(ReadByIdOrName<TokenId>(sql::kTokenById, sql::kTokenByName, id_or_name,
                                              row.token, row.org, row.host),
                      row);
}

template <class Tx>
template <class Row, class Fields>
Result<std::vector<Row>> SqlReads<Tx>::ReadList(Listing listing, const ListQuery& wanted,
                                                const Fields& fields) {
  ASSIGN_OR_RETURN(const ListSql list, MakeListSql(Tx::kReadSql.lists, listing, wanted));
  return sql::ReadAll<Row>(tx().SelectList(list), [&](auto& rows, Row& row) -> Status {
    RETURN_IF_ERROR(std::apply([&](auto&... values) { return rows.Read(values...); }, fields(row)));
    return ReadListCursor(rows, list, row.cursor);
  });
}

template <class Tx>
Result<std::vector<OrgRow>> SqlReads<Tx>::ListOrgs(const ListQuery& query) {
  return ReadList<OrgRow>(Listing::kOrgs, query, [](OrgRow& row) { return std::tie(row.org); });
}

template <class Tx>
Result<std::vector<RegionRow>> SqlReads<Tx>::ListRegions(const ListQuery& query) {
  return ReadList<RegionRow>(Listing::kRegions, query,
                             [](RegionRow& row) { return std::tie(row.region); });
}

template <class Tx>
Result<std::vector<HostRow>> SqlReads<Tx>::ListHosts(const ListQuery& query) {
  return ReadList<HostRow>(Listing::kHosts, query,
                           [](HostRow& row) { return std::tie(row.host, row.region); });
}

template <class Tx>
Result<std::vector<ProtocolRow>> SqlReads<Tx>::ListProtocols(const ListQuery& query) {
  return ReadList<ProtocolRow>(Listing::kProtocols, query,
                               [](ProtocolRow& row) { return std::tie(row.protocol); });
}

template <class Tx>
Result<std::vector<VersionRow>> SqlReads<Tx>::ListVersions(const ListQuery& query) {
  return ReadList<VersionRow>(Listing::kVersions, query,
                              [](VersionRow& row) { return std::tie(row.version, row.protocol); });
}

template <class Tx>
Result<std::vector<ImageRow>> SqlReads<Tx>::ListImages(const ListQuery& query) {
  std::vector<ImageId> ids;
  ASSIGN_OR_RETURN(std::vector<ImageRow> rows,
                   ReadList<ImageRow>(Listing::kImages, query,
                                      [&](ImageRow&) { return std::tie(ids.emplace_back()); }));
  ASSIGN_OR_RETURN(auto images, tx().ReadImages(ids));
  for (size_t i = 0; i < rows.size(); ++i) rows[i].image = std::move(images[i]);
  return rows;
}

template <class Tx>
Result<std::vector<NodeRow>> SqlReads<Tx>::ListNodes(const ListQuery& query) {
  ASSIGN_OR_RETURN(std::vector<NodeRow> rows,
                   ReadList<NodeRow>(Listing::kNodes, query, [](NodeRow& row) {
                     return std::tie(row.node, row.org, row.host, row.region, row.region_id,
                                     row.host_silent_since);
                   }));
  std::vector<ImageId> ids;
  for (const NodeRow& row : rows) ids.push_back(row.node.image_id);
  ASSIGN_OR_RETURN(const auto images, tx().ReadImages(ids));
  for (size_t i = 0; i < rows.size(); ++i) rows[i].image = sql::NameOf(images[i], ids[i]);
  return rows;
}

template <class Tx>
Result<std::vector<CommandRow>> SqlReads<Tx>::ListCommands(const ListQuery& query) {
  return ReadList<CommandRow>(Listing::kCommands, query, [](CommandRow& row) {
    return std::tie(row.command, row.node, row.host);
  });
}

template <class Tx>
Result<std::vector<EventRow>> SqlReads<Tx>::ListEvents(const ListQuery& query) {
  return ReadList<EventRow>(Listing::kEvents, query, [](EventRow& row) {
    return std::tie(row.event, row.org, row.host, row.node);
  });
}

template <class Tx>
Result<std::vector<TokenRow>> SqlReads<Tx>::ListTokens(const ListQuery& query) {
  return ReadList<TokenRow>(Listing::kTokens, query,
                            [](TokenRow& row) { return std::tie(row.token, row.org, row.host); });
}

template <class Tx>
Result<std::vector<RequestRow>> SqlReads<Tx>::ListRequests(const ListQuery& query) {
  return ReadList<RequestRow>(Listing::kRequests, query,
                              [](RequestRow& row) { return std::tie(row.record, row.org); });
}

template <class Tx>
Result<std::vector<RolloutRow>> SqlReads<Tx>::ListRollouts(const ListQuery& query) {
  std::vector<std::string> plans;
  ASSIGN_OR_RETURN(std::vector<RolloutRow> rows,
                   ReadList<RolloutRow>(Listing::kRollouts, query, [&](RolloutRow& row) {
                     return std::tie(row.rollout, plans.emplace_back(), row.org);
                   }));
  std::vector<ImageId> ids;
  for (const RolloutRow& row : rows) ids.push_back(row.rollout.image_id);
  ASSIGN_OR_RETURN(const auto images, tx().ReadImages(ids));
  for (size_t i = 0; i < rows.size(); ++i) {
    RETURN_IF_ERROR(PlanFromJson(plans[i], rows[i].rollout));
    rows[i].image = sql::NameOf(images[i], ids[i]);
  }
  return rows;
}

template <class Tx>
Result<std::vector<RolloutNodeRow>> SqlReads<Tx>::ListRolloutNodes(const ListQuery& query) {
  return ReadList<RolloutNodeRow>(Listing::kRolloutNodes, query,
                                  [](RolloutNodeRow& row) { return std::tie(row.facts, row.org); });
}

template <class Tx>
Result<std::vector<PolicyRow>> SqlReads<Tx>::ListPolicies(const ListQuery& query) {
  return ReadList<PolicyRow>(Listing::kPolicies, query, [](PolicyRow& row) {
    return std::tie(row.policy, row.org, row.protocol, row.rollout);
  });
}

template <class Tx>
Result<std::vector<LedgerEntry>> SqlReads<Tx>::ReadEntries(const char* statement, const auto& of,
                                                           int64_t after_seq, int64_t limit) {
  return sql::ReadAll<LedgerEntry>(
      tx().Select(statement, of, after_seq, limit), [](auto& rows, LedgerEntry& entry) -> Status {
        std::optional<std::string> corrections;
        RETURN_IF_ERROR(rows.Read(entry, corrections));
        if (corrections && !CorrectionsFromJson(*corrections, entry.corrections)) {
          return Fail(UnreadableCorrections(entry));
        }
        return {};
      });
}

template <class Tx>
Result<std::vector<LedgerEntry>> SqlReads<Tx>::HostLedger(const HostId& host, int64_t after_seq,
                                                          int64_t limit) {
  return ReadEntries(sql::kHostLedger, host, after_seq, limit);
}

template <class Tx>
Result<std::vector<LedgerEntry>> SqlReads<Tx>::NodeLedger(const NodeId& node, int64_t after_seq,
                                                          int64_t limit) {
  return ReadEntries(sql::kNodeLedger, node, after_seq, limit);
}

template <class Tx>
Result<HostSums> SqlReads<Tx>::OrgUsage(const OrgId& org) {
  HostSums usage;
  RETURN_IF_ERROR(sql::ReadFirst(tx().Select(sql::kOrgUsage, org), usage.books, usage.held));
  return usage;
}

template <class Tx>
Result<AuditCounts> SqlReads<Tx>::CountForAudit() {
  AuditCounts counts;
  RETURN_IF_ERROR(sql::ReadFirst(tx().Select(Tx::kReadSql.audit_counts), counts.nodes, counts.hosts,
                                 counts.ledger_entries));
  return counts;
}

template <class Tx>
Result<int64_t> SqlReads<Tx>::CountRequests() {
  int64_t count = 0;
  RETURN_IF_ERROR(sql::ReadFirst(tx().Select("SELECT count(*) FROM requests"), count));
  return count;
}

// To count the events would be to read them all.
template <class Tx>
Result<RecordCounts> SqlReads<Tx>::CountRecords() {
  RecordCounts counts;
  RETURN_IF_ERROR(sql::ReadFirst(
      tx().Select("SELECT coalesce((SELECT max(cursor) FROM events) - "
                  "(SELECT min(cursor) FROM events) + 1, 0), (SELECT count(*) FROM tokens)"),
      counts.events, counts.tokens));
  return counts;
}

template <class Tx>
Result<int64_t> SqlReads<Tx>::CountEndedCommands() {
  int64_t count = 0;
  RETURN_IF_ERROR(
      sql::ReadFirst(tx().Select("SELECT count(*) FROM commands WHERE ended_at IS NOT NULL "
                                 "AND payload <> ''"),
                     count));
  return count;
}

}  // namespace tallyman::store
