// The words about upgrade policies.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/rollout_numbers.h"
#include "cli/views.h"
#include "tallyman/v1/upgrade_policy.pb.h"

namespace tallyman::cli {
namespace {

struct PolicySet {
  v1::SetUpgradePolicyRequest request;
  bool as_before = false;
};

std::string PlaceOf(const v1::UpgradePolicy& policy) {
  return fmt::format("{}/{}", policy.protocol(), policy.variant());
}

std::string FormatDelay(const v1::UpgradePolicy& policy) {
  return policy.delay().seconds() == 0 ? "none" : FormatSpan(policy.delay());
}

// What is set of the numbers of its rollouts, in the words of the options.
std::string StrategyText(const v1::UpgradeStrategy& strategy) {
  std::vector<std::string> stages, parts;
  for (const v1::RolloutStage& stage : strategy.stages())
    stages.push_back(stage.has_percent() ? fmt::format("{}%", stage.percent())
                                         : std::to_string(stage.nodes()));
  const auto add = [&](std::string_view option, const std::string& value) {
    parts.push_back(fmt::format("{} {}", option, value));
  };
  if (!stages.empty()) add("--stages", fmt::format("{}", fmt::join(stages, ",")));
  if (!strategy.pause_after().empty())
    add("--pause-after", fmt::format("{}", fmt::join(strategy.pause_after(), ",")));
  if (strategy.has_max_failures()) add("--max-failures", std::to_string(strategy.max_failures()));
  if (strategy.has_max_in_flight())
    add("--max-in-flight", std::to_string(strategy.max_in_flight()));
  if (strategy.has_per_host()) add("--per-host", std::to_string(strategy.per_host()));
  if (strategy.has_soak()) add("--soak", FormatSpan(strategy.soak()));
  if (strategy.has_begin_within()) add("--begin-within", FormatSpan(strategy.begin_within()));
  if (strategy.has_healthy_within()) add("--healthy-within", FormatSpan(strategy.healthy_within()));
  if (strategy.has_no_progress()) add("--no-progress", FormatSpan(strategy.no_progress()));
  return fmt::format("{}", fmt::join(parts, " "));
}

// "31 nodes to reth@1.5.0"; empty: nothing.
std::string NextStep(const v1::UpgradeOutlook& outlook) {
  if (!outlook.why_not().empty() || outlook.proposals().empty()) return {};
  const v1::UpgradeProposal& first = outlook.proposals(0);
  return fmt::format("{} to {}", Counted(first.node_count(), "node"), first.image());
}

void PrintOutlook(Context& context, const v1::UpgradeOutlook& outlook) {
  Table proposals({{"WOULD UPGRADE TO"}, {"NODES", Align::kRight}, {"FIRST NODES"}});
  for (const v1::UpgradeProposal& proposal : outlook.proposals())
    proposals.AddRow({{proposal.image(), Colour::kGreen},
                      {std::to_string(proposal.node_count())},
                      {Names(proposal.first_nodes(), proposal.node_count())}});
  PrintBelow(context, proposals);
  Table left_out({{"LEFT OUT"}, {"NODES", Align::kRight}, {"FIRST NODES"}});
  for (const v1::LeftOutNodes& left : outlook.left_out())
    left_out.AddRow({{left.why(), Colour::kYellow},
                     {std::to_string(left.node_count())},
                     {Names(left.first_nodes(), left.node_count())}});
  PrintBelow(context, left_out);
  context.Detail("");
  context.Detail(outlook.why_not().empty()
                     ? fmt::format("It would make a rollout of {} now.", NextStep(outlook))
                     : fmt::format("It would make no rollout now: {}.", outlook.why_not()));
}

// What the software before this one did with every image that was published: all nodes at once.
Status SetAsBefore(v1::SetUpgradePolicyRequest& request) {
  constexpr int64_t kAtOnceMax = 500;
  if (request.level() != v1::UPGRADE_LEVEL_UNSPECIFIED || request.has_delay() ||
      request.strategy().ByteSizeLong() > 0) {
    return Fail(BadArguments(
        "--as-before says how far and how fast: leave out --level, --delay and the options of "
        "rollouts, or --as-before"));
  }
  request.set_level(v1::UPGRADE_LEVEL_MINOR);
  v1::UpgradeStrategy& strategy = *request.mutable_strategy();
  strategy.add_stages()->set_percent(100);
  strategy.set_max_in_flight(kAtOnceMax);
  strategy.set_per_host(kAtOnceMax);
  strategy.mutable_soak()->set_seconds(0);
  return {};
}

ExitStatus SetPolicy(Context& context, PolicySet& set) {
  v1::SetUpgradePolicyRequest& request = set.request;
  if (set.as_before) RETURN_IF_ERROR(SetAsBefore(request));
  ASSIGN_OR_RETURN(*request.mutable_org(), ChooseOrg(context, request.org(), request.dry_run()));
  ASSIGN_OR_RETURN(const auto response, Change<v1::SetUpgradePolicyResponse>(context, request));
  return context.Answer(response, [&] {
    context.Detail(fmt::format("{} of {} in org {}",
                               Counted(response.outlook().node_count(), "node"),
                               PlaceOf(response.policy()), response.policy().org()));
    PrintOutlook(context, response.outlook());
    PrintOutcome(context, response.applied(),
                 fmt::format("{} upgrade policy {} of org {} for {}.",
                             response.created() ? "Made" : "Replaced", response.policy().name(),
                             response.policy().org(), PlaceOf(response.policy())),
                 "");
  });
}

ExitStatus ShowPolicy(Context& context, v1::GetUpgradePolicyRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetUpgradePolicyResponse>(request));
  return context.Answer(response, [&] {
    const v1::UpgradePolicy& policy = response.policy();
    PrintFields(context, {{"policy", policy.name()},
                          {"id", policy.id()},
                          {"org", policy.org()},
                          {"of", PlaceOf(policy)},
                          {"enabled", policy.enabled() ? "yes" : "no"},
                          {"level", EnumWord(policy.level())},
                          {"versions", policy.version_range()},
                          {"pre-releases", policy.pre_releases() ? "yes" : "no"},
                          {"delay", FormatDelay(policy)},
                          {"nodes", std::to_string(response.outlook().node_count())},
                          {"rollouts", StrategyText(policy.strategy())},
                          {"open rollout", policy.rollout()},
                          {"version", std::to_string(policy.version())},
                          {"set by", policy.created_by()},
                          {"created", FormatTimestamp(policy.created_at())}});
    PrintOutlook(context, response.outlook());
  });
}

ExitStatus DeletePolicy(Context& context, v1::DeleteUpgradePolicyRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::DeleteUpgradePolicyResponse>(context, request));
  return context.Answer(response, [&] {
    const v1::UpgradePolicy& policy = response.policy();
    context.Line(fmt::format("Deleted upgrade policy {} of org {}.", policy.name(), policy.org()),
                 Colour::kGreen);
    if (!policy.rollout().empty())
      context.Detail(fmt::format("Its rollout {} goes on; \"tallyman rollout abort {}\" ends it.",
                                 policy.rollout(), policy.rollout()));
  });
}

void DefinePolicySet(Word noun) {
  auto [verb, set] = noun.Verb<PolicySet>(
      "set",
      "Make a policy, or replace the one of that name as a whole; only nodes whose auto upgrade is "
      "on follow it",
      "  tallyman policy set acme-reth --org acme --protocol ethereum \\\n"
      "    --variant reth-mainnet-full --level minor --range '>=1.4.0 <2.0.0' --delay 3d "
      "--dry-run\n"
      "  tallyman policy set acme-reth --org acme --protocol ethereum \\\n"
      "    --variant reth-mainnet-full --as-before\n"
      "  tallyman node update eth-1 --auto-upgrade on",
      SetPolicy);
  v1::SetUpgradePolicyRequest& request = set.request;
  verb.Argument("NAME", request.mutable_name(), "Its name");
  verb.Text("--org", "ORG", request.mutable_org(), "Whose nodes (default: the only org)");
  verb.Text("--protocol", "PROTOCOL", request.mutable_protocol(), "Of this protocol").Required();
  verb.Text("--variant", "VARIANT", request.mutable_variant(), "Of this variant").Required();
  verb.Choice("--level", "LEVEL", request, &v1::SetUpgradePolicyRequest::set_level,
              "How far: patch (1.4.2 to 1.4.x), minor (to 1.x) or major (to any)\n"
              "(default: patch)");
  verb.Text("--range", "BOUNDS", request.mutable_version_range(),
            "Only versions within, such as '>=1.4.0 <2.0.0'");
  verb.Flag("--pre-releases", request, &v1::SetUpgradePolicyRequest::set_pre_releases,
            "Versions such as 1.5.0-rc.1 too");
  AddSpan(verb, "--delay", request, &v1::SetUpgradePolicyRequest::mutable_delay,
          "Only versions that have been known here for so long, such as 3d");
  verb.Flag("--disabled", request, &v1::SetUpgradePolicyRequest::set_disabled,
            "Keep it, and make no rollouts");
  verb.Flag("--as-before", &set.as_before,
            "All nodes at once, as soon as a version of the same major version\n"
            "is published: level minor, one wave, 500 at once, no soak");
  AddRolloutNumbers(verb, *request.mutable_strategy());
  AddExpectedVersion(verb, request);
  AddDryRun(verb, request);
  AddRequestId(verb, request);
}

void DefinePolicyList(Word noun) {
  using Item = v1::ListUpgradePoliciesResponse::Item;
  const ListCommand<v1::ListUpgradePoliciesRequest, v1::ListUpgradePoliciesResponse, Item> list = {
      .description = "List upgrade policies, and what each would do now",
      .examples = "  tallyman policy list --org acme",
      .item = "upgrade policy",
      .filters = {{"--org", "ORG", "org", "Only of this org"},
                  {"--protocol", "PROTOCOL", "protocol", "Only for this protocol"}},
      .fields = "name, org, protocol, variant, enabled, created_at",
      .by_name = true,
      .columns = {{"POLICY", Align::kLeft, true},
                  {"ORG"},
                  {"OF"},
                  {"LEVEL"},
                  {"NODES", Align::kRight},
                  {"NEXT"},
                  {"WHY NOT"},
                  {.title = "VERSIONS", .is_wide = true},
                  {.title = "DELAY", .is_wide = true},
                  {.title = "ENABLED", .is_wide = true},
                  {.title = "ROLLOUT", .is_wide = true},
                  {.title = "SET BY", .is_wide = true},
                  {.title = "CREATED", .is_wide = true},
                  {.title = "ID", .is_wide = true}},
      .items = &v1::ListUpgradePoliciesResponse::policies,
      .row = [](Context&, const Item& item) -> std::vector<Cell> {
        const v1::UpgradePolicy& policy = item.policy();
        const v1::UpgradeOutlook& outlook = item.outlook();
        return {{policy.name()},
                {policy.org()},
                {PlaceOf(policy)},
                {EnumWord(policy.level())},
                {std::to_string(outlook.node_count()),
                 outlook.node_count() == 0 ? Colour::kYellow : Colour::kNone},
                {NextStep(outlook), Colour::kGreen},
                {outlook.why_not()},
                {policy.version_range()},
                {FormatDelay(policy)},
                {policy.enabled() ? "yes" : "no"},
                {policy.rollout()},
                {policy.created_by()},
                {FormatTimestamp(policy.created_at())},
                {policy.id()}};
      },
      .when_empty = "There are no upgrade policies; make one with \"tallyman policy set\"."};
  list.Define(noun);
}

}  // namespace

void DefinePolicy(Word root) {
  Word policy = root.Noun("policy", "Upgrade policies: releases that nodes follow by themselves",
                          "  tallyman policy set acme-reth --org acme --protocol ethereum \\\n"
                          "    --variant reth-mainnet-full --level minor --delay 3d\n"
                          "  tallyman policy show acme-reth");
  DefinePolicySet(policy);
  auto [show, shown] = policy.Verb<v1::GetUpgradePolicyRequest>(
      "show", "Show a policy, what it would do now, and what keeps it from that",
      "  tallyman policy show acme-reth", ShowPolicy);
  show.Argument("POLICY", shown.mutable_policy(), "Name or id");
  DefinePolicyList(policy);
  auto [remove, removed] = policy.Verb<v1::DeleteUpgradePolicyRequest>(
      "delete", "Delete a policy; a rollout that it made goes on",
      "  tallyman policy delete acme-reth", DeletePolicy);
  remove.Argument("POLICY", removed.mutable_policy(), "Name or id");
  AddExpectedVersion(remove, removed);
  AddRequestId(remove, removed);
}

}  // namespace tallyman::cli
