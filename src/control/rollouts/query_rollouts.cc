#include "control/rollouts/query_rollouts.h"

#include "control/reads/query_tools.h"
#include "control/rollouts/rollout_rows.h"
#include "planner/rollout_node.h"

namespace tallyman::control {
namespace {

std::string WhyOf(Control& control, const Rollout& rollout, const RolloutNodeFacts& facts) {
  if (facts.row.state != RolloutNodeState::kWaiting) return facts.row.why;
  if (HasEnded(rollout.state)) return {};
  if (rollout.state == RolloutState::kPaused) return "ROLLOUT_PAUSED";
  if (facts.row.wave > rollout.wave) return "LATER_WAVE";
  const std::string_view why =
      planner::WhyNotReleased(facts, control.clock().Now(), SilentBefore(control));
  return why.empty() ? "ITS_TURN" : std::string(why);
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
  return page;
}

}  // namespace tallyman::control
