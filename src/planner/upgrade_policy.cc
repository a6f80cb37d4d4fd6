#include "planner/upgrade_policy.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace tallyman::planner {
namespace {

struct Offer {
  const Image* image;
  SemVer version;
};

bool IsHigher(const Offer& a, const Offer& b) {
  const auto order = Compare(a.version, b.version);
  return order != 0 ? order > 0 : a.image->build > b.image->build;
}

// What the policy may take for any node, the highest first.
std::vector<Offer> OffersOf(const UpgradePolicy& policy, const VersionRange& range,
                            std::span<const Image> images, Time now) {
  std::vector<Offer> offers;
  for (const Image& image : images) {
    if (image.protocol.id != policy.protocol_id) continue;
    if (image.version.variant != policy.variant) continue;
    if (!IsVisibleTo(image, policy.org_id)) continue;
    if (now - image.created_at < policy.delay) continue;
    auto version = SemVer::Parse(image.version.semantic_version);
    if (!version || !range.Contains(*version)) continue;
    offers.push_back({&image, *std::move(version)});
  }
  std::ranges::sort(offers, IsHigher);
  return offers;
}

bool MayFollow(const UpgradePolicy& policy, const SemVer& from, const SemVer& to) {
  if (Compare(to, from) <= 0) return false;
  const bool same_major = to.major == from.major;
  const bool same_minor = same_major && to.minor == from.minor;
  if (policy.level == UpgradeLevel::kPatch && !same_minor) return false;
  if (policy.level == UpgradeLevel::kMinor && !same_major) return false;
  const bool stays_pre = !from.pre_release.empty() && same_minor && to.patch == from.patch;
  return to.pre_release.empty() || policy.pre_releases || stays_pre;
}

bool Failed(std::span<const PastRollout> past, const ImageId& image, const NodeId& node) {
  return std::ranges::any_of(past, [&](const PastRollout& rollout) {
    return rollout.image == image &&
           (rollout.end != RolloutEnd::kDone || rollout.failed.contains(node));
  });
}

Error InvalidStrategy(const std::string& field, int64_t value, std::string_view what) {
  return InvalidArgument("INVALID_ROLLOUT", fmt::format("{} is {}: {}", field, value, what))
      .With("field", field);
}

}  // namespace

Result<VersionRange> VersionRange::Parse(std::string_view text) {
  static constexpr std::string_view kSigns[] = {">=", "<=", ">", "<", "="};
  VersionRange range;
  for (size_t at = 0; (at = text.find_first_not_of(' ', at)) != std::string_view::npos;) {
    const std::string_view part = text.substr(at, text.find(' ', at) - at);
    at += part.size();
    const auto* sign =
        std::ranges::find_if(kSigns, [&](std::string_view one) { return part.starts_with(one); });
    auto version =
        sign == std::end(kSigns) ? std::nullopt : SemVer::Parse(part.substr(sign->size()));
    if (!version) {
      return Fail(InvalidArgument("INVALID_VERSION_RANGE",
                                  fmt::format("{} is no part of a range of versions: write bounds "
                                              "such as \">=1.4.0 <2.0.0\"",
                                              Quote(part)))
                      .With("field", "version_range")
                      .With("value", Quote(part)));
    }
    range.bounds_.push_back({*sign, *std::move(version)});
  }
  return range;
}

bool VersionRange::Contains(const SemVer& version) const {
  return std::ranges::all_of(bounds_, [&](const Bound& bound) {
    const auto order = Compare(version, bound.version);
    if (bound.sign == "<" && bound.version.pre_release.empty()) {
      SemVer released = version;
      released.pre_release.clear();
      return Compare(released, bound.version) < 0;
    }
    if (order == 0) return bound.sign.ends_with('=');
    return order < 0 ? bound.sign.starts_with('<') : bound.sign.starts_with('>');
  });
}

Result<std::vector<UpgradeProposal>> Propose(const UpgradePolicy& policy,
                                             std::span<const NodeBrief> nodes,
                                             std::span<const Image> images,
                                             std::span<const PastRollout> past, Time now) {
  std::vector<UpgradeProposal> proposals;
  ASSIGN_OR_RETURN(const VersionRange range, VersionRange::Parse(policy.version_range));
  if (!policy.enabled) return proposals;
  const std::vector<Offer> offers = OffersOf(policy, range, images, now);
  std::map<size_t, std::vector<NodeId>> chosen;  // by place among the offers
  for (const NodeBrief& node : nodes) {
    if (!node.auto_upgrade || node.org_id != policy.org_id) continue;
    if (node.protocol_id != policy.protocol_id || node.variant != policy.variant) continue;
    const auto target = std::ranges::find_if(
        offers, [&](const Offer& offer) { return MayFollow(policy, node.version, offer.version); });
    if (target == offers.end() || Failed(past, target->image->id, node.id)) continue;
    chosen[static_cast<size_t>(target - offers.begin())].push_back(node.id);
  }
  for (auto& [place, ids] : chosen) {
    std::ranges::sort(ids);
    proposals.push_back({offers[place].image->id, std::move(ids)});
  }
  return proposals;
}

RolloutRequest FitToNodes(const RolloutRequest& strategy, int64_t nodes) {
  const std::vector<RolloutStage> wanted =
      strategy.stages.empty() ? DefaultStages() : strategy.stages;
  RolloutRequest fitted = strategy;
  fitted.stages.clear();
  fitted.pause_after.clear();
  for (size_t i = 0; i < wanted.size(); ++i) {
    const RolloutStage& stage = wanted[i];
    const int64_t end =
        stage.is_percent ? (nodes * stage.amount + 99) / 100 : std::min(stage.amount, nodes);
    if (fitted.stages.empty() || end > fitted.stages.back().amount)
      fitted.stages.push_back({.amount = end});
    const int64_t wave = std::ssize(fitted.stages);
    const bool pauses = std::ranges::find(strategy.pause_after, static_cast<int64_t>(i) + 1) !=
                        strategy.pause_after.end();
    if (pauses && (fitted.pause_after.empty() || fitted.pause_after.back() != wave))
      fitted.pause_after.push_back(wave);
  }
  if (fitted.max_failures) fitted.max_failures = std::min(*fitted.max_failures, nodes);
  return fitted;
}

Status CheckStrategy(const RolloutRequest& strategy) {
  constexpr int64_t kPerCent = 100;
  constexpr int64_t kStagesMax = 100;
  if (const int64_t count = std::ssize(strategy.stages); count > kStagesMax)
    return Fail(InvalidStrategy("stages", count, "give at most 100 of them"));
  int64_t last[2] = {0, 0};  // of nodes, and in percent
  for (size_t i = 0; i < strategy.stages.size(); ++i) {
    const RolloutStage& stage = strategy.stages[i];
    int64_t& before = last[stage.is_percent ? 1 : 0];
    const bool is_fine = stage.amount > before && (!stage.is_percent || stage.amount <= kPerCent);
    if (!is_fine)
      return Fail(InvalidStrategy(fmt::format("stages[{}]", i), stage.amount,
                                  "stages rise, from 1 node or 1 percent up to 100 "
                                  "percent"));
    before = stage.amount;
  }
  const auto stages = static_cast<int64_t>(strategy.stages.empty() ? DefaultStages().size()
                                                                   : strategy.stages.size());
  for (const int64_t stage : strategy.pause_after) {
    if (stage >= 1 && stage <= stages) continue;
    return Fail(InvalidStrategy("pause_after", stage, fmt::format("there are {} stages", stages)));
  }
  // The others are checked as those of a rollout are.
  const RolloutHost host;
  const RolloutCandidate candidate;
  RETURN_IF_ERROR(PlanRollout(FitToNodes(strategy, 1), {&candidate, 1}, {&host, 1}));
  return {};
}

}  // namespace tallyman::planner
