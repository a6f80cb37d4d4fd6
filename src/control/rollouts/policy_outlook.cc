// What a policy would do now, and what keeps it from that: the same for those who ask and for the
// timer.
#include "control/rollouts/policy_outlook.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/text.h"
#include "base/time.h"
#include "control/control.h"
#include "control/new_event.h"
#include "control/reads/query_tools.h"
#include "control/rollouts/policy_strategy.h"
#include "control/rollouts/rollout_rows.h"
#include "planner/upgrade_policy.h"

namespace tallyman::control {
namespace {

constexpr size_t kNamesShown = 10;

class Looking {
 public:
  Looking(Control& control, store::ReadTx& tx, const store::PolicyRow& row)
      : control_(control), tx_(tx), row_(row), policy_(row.policy) {}

  Result<UpgradeOutlook> Look(Outlook how) {
    RETURN_IF_ERROR(ReadAll());
    ASSIGN_OR_RETURN(const auto proposals, Propose(policy_, past_));
    for (const planner::UpgradeProposal& proposal : proposals)
      outlook_.proposals.push_back({.image = proposal.image,
                                    .reference = ReferenceOf(proposal.image),
                                    .nodes = proposal.nodes});
    if (how == Outlook::kWhole) RETURN_IF_ERROR(LeaveOutRefused());
    for (UpgradeOutlook::Proposal& proposal : outlook_.proposals)
      for (const NodeId& id : proposal.nodes)
        if (proposal.first_nodes.size() < kNamesShown)
          proposal.first_nodes.push_back(names_.at(id));
    for (auto& [why, left] : left_out_) outlook_.left_out.push_back(std::move(left));
    ASSIGN_OR_RETURN(outlook_.why_not, WhyNot(!proposals.empty()));
    return std::move(outlook_);
  }

 private:
  Status ReadAll() {
    ASSIGN_OR_RETURN(const auto nodes, tx_.PolicyNodes({.org_id = policy_.org_id,
                                                        .protocol_id = policy_.protocol_id,
                                                        .variant = policy_.variant}));
    outlook_.node_count = std::ssize(nodes);
    for (const PolicyNode& node : nodes) {
      names_[node.id] = node.name;
      auto version = SemVer::Parse(node.semantic_version);
      if (!node.auto_upgrade) {
        LeaveOut("AUTO_UPGRADE_OFF", node.name);
      } else if (!node.rollout.empty()) {
        LeaveOut("IN_ROLLOUT", node.name);
      } else if (node.host_silent) {
        LeaveOut("HOST_SILENT", node.name);
      } else if (!version) {
        LeaveOut("INVALID_VERSION", node.name);
      } else {
        nodes_.push_back({.id = node.id,
                          .org_id = policy_.org_id,
                          .protocol_id = policy_.protocol_id,
                          .variant = policy_.variant,
                          .version = *std::move(version),
                          .auto_upgrade = true});
      }
    }
    ASSIGN_OR_RETURN(const auto images, tx_.ImagesOf(policy_.protocol_id, policy_.variant));
    for (const auto& image : images)
      if (image != nullptr) images_.push_back(*image);
    ASSIGN_OR_RETURN(const auto past, tx_.PastRolloutsOf(policy_.id));
    for (const store::PastRolloutRow& row : past) {
      const bool done = row.state == RolloutState::kDone;
      planner::PastRollout& rollout = past_.emplace_back();
      rollout.image = row.image_id;
      rollout.end = done ? planner::RolloutEnd::kDone : planner::RolloutEnd::kAborted;
      if (row.reverted) rollout.end = planner::RolloutEnd::kReverted;
      if (row.failed) rollout.failed.insert(*row.failed);
    }
    return {};
  }

  Result<std::vector<planner::UpgradeProposal>> Propose(
      const UpgradePolicy& policy, const std::vector<planner::PastRollout>& past) const {
    return planner::Propose(policy, nodes_, images_, past, control_.clock().Now());
  }

  // One bad node, and one that does not fit, hold up no other.
  Status LeaveOutRefused() {
    ASSIGN_OR_RETURN(const planner::RolloutRequest strategy, StrategyFromJson(policy_.strategy));
    for (UpgradeOutlook::Proposal& proposal : outlook_.proposals) {
      if (proposal.nodes.size() > kRolloutNodesMax) proposal.nodes.resize(kRolloutNodesMax);
      ASSIGN_OR_RETURN(const store::Snapshot fleet,
                       tx_.Load({.nodes = proposal.nodes, .images = {proposal.image}}));
      const auto image = fleet.images.find(proposal.image);
      if (image == fleet.images.end()) return Fail(Internal("ROW_MISSING", "an image is missing"));
      std::vector<planner::RolloutCandidate> candidates;
      std::erase_if(proposal.nodes, [&](const NodeId& id) {
        const auto node = fleet.nodes.find(id);
        if (node == fleet.nodes.end()) return true;
        auto candidate = CandidateOf(node->second, *image->second, control_.policies());
        if (!candidate) {
          LeaveOut(candidate.error().reason, names_.at(id));
          return true;
        }
        candidates.push_back(*std::move(candidate));
        return false;
      });
      if (candidates.empty()) continue;
      const auto hosts = HostsIn(fleet);
      ASSIGN_OR_RETURN(const planner::RolloutPlan plan,
                       planner::PlanRollout(planner::FitToNodes(strategy, std::ssize(candidates)),
                                            candidates, hosts));
      for (const planner::RolloutBlock& block : plan.blocked) {
        LeaveOut("NO_ROOM", block.candidate->name);
        std::erase(proposal.nodes, block.candidate->node);
      }
    }
    std::erase_if(outlook_.proposals, [](const auto& proposal) { return proposal.nodes.empty(); });
    return {};
  }

  void LeaveOut(const std::string& why, const std::string& node) {
    UpgradeOutlook::LeftOut& left = left_out_[why];
    left.why = why;
    ++left.count;
    if (left.first_nodes.size() < kNamesShown) left.first_nodes.push_back(node);
  }

  std::string ReferenceOf(const ImageId& id) const {
    const auto image = std::ranges::find(images_, id, &Image::id);
    return image == images_.end() ? id.ToString() : image->Reference();
  }

  Result<std::string> WhyNot(bool had_proposals) {
    if (!policy_.enabled) return std::string("it is disabled");
    if (!row_.rollout.empty()) {
      ASSIGN_OR_RETURN(const auto rollout, tx_.FindRollout(row_.rollout));
      return fmt::format("its rollout {} is {}: see `tallyman rollout show {}`", row_.rollout,
                         rollout ? ToText(rollout->rollout.state) : "gone", row_.rollout);
    }
    if (!outlook_.proposals.empty()) return std::string();
    if (had_proposals) return std::string("none of the nodes can be upgraded now");
    if (outlook_.node_count == 0) {
      return fmt::format("org {} has no node of {}/{}", row_.org, row_.protocol, policy_.variant);
    }
    if (nodes_.empty()) return std::string("all nodes are left out");
    return WhichBound();
  }

  // The one bound without which there would be something to propose.
  Result<std::string> WhichBound() const {
    UpgradePolicy freed = policy_;
    freed.delay = {};
    ASSIGN_OR_RETURN(auto found, Propose(freed, past_));
    if (!found.empty()) {
      const auto image = std::ranges::find(images_, found.front().image, &Image::id);
      return fmt::format("{} has not been known for the delay: it will have been at {}",
                         ReferenceOf(found.front().image),
                         FormatTime(image->created_at + policy_.delay));
    }
    ASSIGN_OR_RETURN(found, Propose(policy_, {}));
    if (!found.empty()) {
      return fmt::format(
          "a rollout to {} was aborted, or failed on these nodes: a higher version "
          "is waited for",
          ReferenceOf(found.front().image));
    }
    freed = policy_;
    freed.pre_releases = true;
    ASSIGN_OR_RETURN(found, Propose(freed, past_));
    if (!found.empty()) return fmt::format("{} is a pre-release", ReferenceOf(found.front().image));
    freed = policy_;
    freed.version_range.clear();
    ASSIGN_OR_RETURN(found, Propose(freed, past_));
    if (!found.empty()) {
      return fmt::format("{} is outside of {}", ReferenceOf(found.front().image),
                         Quote(policy_.version_range));
    }
    freed = policy_;
    freed.level = UpgradeLevel::kMajor;
    ASSIGN_OR_RETURN(found, Propose(freed, past_));
    if (!found.empty()) {
      return fmt::format("{} is more than a {} release away", ReferenceOf(found.front().image),
                         ToText(policy_.level));
    }
    return std::string("no image is higher within its bounds");
  }

  Control& control_;
  store::ReadTx& tx_;
  const store::PolicyRow& row_;
  const UpgradePolicy& policy_;
  std::unordered_map<NodeId, std::string> names_;
  std::vector<planner::NodeBrief> nodes_;
  std::vector<Image> images_;
  std::vector<planner::PastRollout> past_;
  std::map<std::string, UpgradeOutlook::LeftOut> left_out_;
  UpgradeOutlook outlook_;
};

}  // namespace

Result<store::PolicyRow> ResolvePolicy(store::ReadTx& tx, const Actor& actor,
                                       std::string_view name_or_id) {
  ASSIGN_OR_RETURN(auto row, tx.FindPolicy(name_or_id));
  if (row && Sees(actor, row->policy.org_id)) return *std::move(row);
  return Fail(NotFound("POLICY_NOT_FOUND",
                       fmt::format("there is no upgrade policy {}: see `tallyman policy list`",
                                   Quote(name_or_id)))
                  .About(fmt::format("upgrade policy {}", Quote(name_or_id)))
                  .With("field", "policy")
                  .With("value", Quote(name_or_id)));
}

Result<UpgradeOutlook> LookAhead(Control& control, store::ReadTx& tx, const store::PolicyRow& row,
                                 Outlook how) {
  return Looking(control, tx, row).Look(how);
}

Event PolicyEvent(const planner::Cause& cause, EventKind kind, const UpgradePolicy& policy,
                  std::string_view details, std::string_view rollout) {
  Event event = NewEvent(
      cause, kind,
      rollout.empty() ? Detail({{"policy", policy.name}, {"why", details}})
                      : Detail({{"policy", policy.name}, {"rollout", rollout}, {"why", details}}));
  event.org_id = policy.org_id;
  return event;
}

Result<PolicyView> GetPolicy(const Authorized& by, store::ReadTx& tx, const std::string& policy) {
  PolicyView view;
  ASSIGN_OR_RETURN(view.row, ResolvePolicy(tx, by.actor(), policy));
  ASSIGN_OR_RETURN(view.strategy, StrategyFromJson(view.row.policy.strategy));
  ASSIGN_OR_RETURN(view.outlook, LookAhead(by.control(), tx, view.row, Outlook::kWhole));
  return view;
}

Result<Page<PolicyView>> ListPolicies(const Authorized& by, store::ReadTx& tx,
                                      const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kPolicies, request));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  ASSIGN_OR_RETURN(Page<store::PolicyRow> rows,
                   ReadPage<store::PolicyRow>(
                       store::Listing::kPolicies, request, std::move(query),
                       [&](const store::ListQuery& next) { return tx.ListPolicies(next); },
                       [](const store::PolicyRow&) { return true; }));
  Page<PolicyView> page{.next_page_token = std::move(rows.next_page_token)};
  for (store::PolicyRow& row : rows.rows) {
    PolicyView& view = page.rows.emplace_back();
    ASSIGN_OR_RETURN(view.strategy, StrategyFromJson(row.policy.strategy));
    ASSIGN_OR_RETURN(view.outlook, LookAhead(by.control(), tx, row, Outlook::kInShort));
    view.row = std::move(row);
  }
  return page;
}

}  // namespace tallyman::control
