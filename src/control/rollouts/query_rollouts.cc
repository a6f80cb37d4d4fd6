#include "control/rollouts/query_rollouts.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/reads/query_tools.h"
#include "control/rollouts/rollout_rows.h"
#include "planner/books_plan.h"
#include "planner/rollout_node.h"
#include "planner/upgrade.h"

namespace tallyman::control {
namespace {

constexpr const char* kItsTurn = "ITS_TURN";

std::string WhyOf(Control& control, const Rollout& rollout, const RolloutNodeFacts& facts) {
  if (facts.row.state != RolloutNodeState::kWaiting) return facts.row.why;
  if (HasEnded(rollout.state)) return {};
  if (rollout.state == RolloutState::kPaused) return "ROLLOUT_PAUSED";
  if (facts.row.wave > rollout.wave) return "LATER_WAVE";
  const std::string_view why =
      planner::WhyNotReleased(facts, control.clock().Now(), SilentBefore(control));
  return why.empty() ? kItsTurn : std::string(why);
}

// "NO_ROOM: needs 8 cpu_cores more on host-1, which has 2"; "": there is room.
std::string LackOf(const NodeSnapshot& node, const Resources& after, const Host& host) {
  const Resources more = Excess(after, planner::BooksPlan::ChargedBy(node));
  const Resources free = FreeOf(host).value_or(Resources{});
  for (const Dimension dimension : kDimensions) {
    if (more.get(dimension) <= std::max<int64_t>(0, free.get(dimension))) continue;
    return fmt::format("NO_ROOM: needs {} {} more on {}, which has {}", more.get(dimension),
                       ToText(dimension), host.name, free.get(dimension));
  }
  return {};
}

// Of those whose turn it is, the ones whose hosts lack what they need more than now.
Status FindLackOfRoom(Control& control, store::ReadTx& tx, const Rollout& rollout,
                      std::vector<RolloutNodeView>& views) {
  store::LockSet wanted{.images = {rollout.image_id}};
  for (const RolloutNodeView& view : views)
    if (view.why == kItsTurn) wanted.nodes.push_back(view.row.facts.row.node_id);
  if (wanted.nodes.empty()) return {};
  ASSIGN_OR_RETURN(const store::Snapshot fleet, tx.Load(wanted));
  const auto image = fleet.images.find(rollout.image_id);
  for (RolloutNodeView& view : views) {
    const RolloutNode& row = view.row.facts.row;
    const auto node = fleet.nodes.find(row.node_id);
    if (view.why != kItsTurn || node == fleet.nodes.end()) continue;
    std::optional<Resources> after;
    if (row.to_config_id) {
      ASSIGN_OR_RETURN(const auto config, tx.FindConfig(*row.to_config_id));
      if (config) after = config->resources;
    } else if (image != fleet.images.end()) {
      const auto config = planner::PlanConfig(node->second, *image->second, control.policies());
      if (config) after = config->resources;
    }
    if (!after) continue;
    std::string lack = LackOf(node->second, *after, fleet.hosts.at(row.host_id).host);
    if (!lack.empty()) view.why = std::move(lack);
  }
  return {};
}

}  // namespace

Result<RolloutSummary> GetRollout(const Authorized& by, store::ReadTx& tx,
                                  const std::string& rollout) {
  RolloutSummary summary;
  ASSIGN_OR_RETURN(summary.row, ResolveRollout(tx, by.actor(), rollout));
  ASSIGN_OR_RETURN(summary.counts, tx.CountRolloutNodes(summary.row.rollout.id));
  return summary;
}

Result<Page<RolloutSummary>> ListRollouts(const Authorized& by, store::ReadTx& tx,
                                          const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kRollouts, request));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  ASSIGN_OR_RETURN(Page<store::RolloutRow> rows,
                   ReadPage<store::RolloutRow>(
                       store::Listing::kRollouts, request, std::move(query),
                       [&](const store::ListQuery& next) { return tx.ListRollouts(next); },
                       [](const store::RolloutRow&) { return true; }));
  Page<RolloutSummary> page{.next_page_token = std::move(rows.next_page_token)};
  for (store::RolloutRow& row : rows.rows) {
    RolloutSummary& summary = page.rows.emplace_back();
    ASSIGN_OR_RETURN(summary.counts, tx.CountRolloutNodes(row.rollout.id));
    summary.row = std::move(row);
  }
  return page;
}

Result<Page<RolloutNodeView>> ListRolloutNodes(const Authorized& by, store::ReadTx& tx,
                                               const ListRolloutNodesRequest& request) {
  ASSIGN_OR_RETURN(const store::RolloutRow rollout,
                   ResolveRollout(tx, by.actor(), request.rollout));
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kRolloutNodes, request.list));
  query.conditions.push_back({"rollout", store::Comparison::kEqual, rollout.rollout.name});
  ASSIGN_OR_RETURN(Page<store::RolloutNodeRow> rows,
                   ReadPage<store::RolloutNodeRow>(
                       store::Listing::kRolloutNodes, request.list, std::move(query),
                       [&](const store::ListQuery& next) { return tx.ListRolloutNodes(next); },
                       [](const store::RolloutNodeRow&) { return true; }));
  Page<RolloutNodeView> page{.next_page_token = std::move(rows.next_page_token)};
  for (store::RolloutNodeRow& row : rows.rows) {
    RolloutNodeView& view = page.rows.emplace_back();
    view.why = WhyOf(by.control(), rollout.rollout, row.facts);
    view.row = std::move(row);
  }
  RETURN_IF_ERROR(FindLackOfRoom(by.control(), tx, rollout.rollout, page.rows));
  return page;
}

}  // namespace tallyman::control
