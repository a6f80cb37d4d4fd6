// The words about rollouts.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/progress.h"
#include "cli/requests.h"
#include "cli/rollout_numbers.h"
#include "cli/views.h"
#include "tallyman/v1/rollout.pb.h"

namespace tallyman::cli {
namespace {

struct RolloutCreate {
  v1::CreateRolloutRequest request;
  NodesOf nodes_of;
};

template <class Response>
void PrintPlan(Context& context, const Response& response) {
  const v1::Rollout& rollout = response.rollout();
  Table table({{"WAVE", Align::kRight},
               {"NODES", Align::kRight},
               {"HOSTS", Align::kRight},
               {"GROW", Align::kRight},
               {"SHRINK", Align::kRight},
               {"MAX FAILURES", Align::kRight},
               {"THEN"},
               {"FIRST NODES"}});
  for (const v1::RolloutWave& wave : rollout.waves()) {
    std::string names = fmt::format("{}", fmt::join(wave.first_nodes(), ", "));
    if (wave.first_nodes_size() < wave.size()) names += ", ...";
    table.AddRow({{std::to_string(wave.number())},
                  {std::to_string(wave.size())},
                  {std::to_string(wave.hosts())},
                  {std::to_string(wave.growing())},
                  {std::to_string(wave.shrinking())},
                  {std::to_string(wave.max_failures())},
                  {fmt::format("soak {}{}", FormatSpan(rollout.soak()),
                               wave.pause_after() ? ", pause" : "")},
                  {names}});
  }
  context.Detail(table);
  context.Detail(fmt::format("at most {} at once, {} a host",
                             Counted(rollout.max_in_flight(), "node"), rollout.per_host()));
  if (response.blocked().empty()) return;
  context.Detail("");
  Table blocked(
      {{"BLOCKED"}, {"HOST"}, {"DIMENSION"}, {"NEEDS", Align::kRight}, {"FREE", Align::kRight}});
  for (const v1::BlockedNode& node : response.blocked()) {
    std::vector<Cell> row = {{node.node(), Colour::kYellow}, {node.host()}, {node.dimension()}};
    for (const DimensionView& dimension : kDimensionViews) {
      if (dimension.field != node.dimension()) continue;
      for (std::string& text : FormatAlike(dimension, {node.need(), node.free()}))
        row.push_back({std::move(text)});
    }
    blocked.AddRow(std::move(row));
  }
  context.Detail(blocked);
  context.Detail("They wait until there is room: nothing else in this rollout makes it.");
}

ExitStatus CreateRollout(Context& context, RolloutCreate& create) {
  ASSIGN_OR_RETURN(const auto selector,
                   ChooseNodes(create.nodes_of, !create.request.nodes().empty()));
  if (selector) *create.request.mutable_selector() = *selector;
  ASSIGN_OR_RETURN(const auto response,
                   Change<v1::CreateRolloutResponse>(context, create.request, "planning"));
  return context.Answer(response, [&] {
    PrintPlan(context, response);
    if (response.same_image_count() > 0)
      context.Detail(fmt::format("{} the image already",
                                 Counted(response.same_image_count(), "other has", "others have")));
    if (response.taken_over_count() > 0)
      context.Detail(
          fmt::format("{} the rollout before for this one",
                      Counted(response.taken_over_count(), "node leaves", "nodes leave")));
    if (!response.in_flight().empty())
      context.Detail(fmt::format("{} there, since hosts are at work on them: {}",
                                 Counted(response.in_flight_size(), "node stays", "nodes stay"),
                                 Names(response.in_flight(), response.in_flight_size())));
    PrintOutcome(context, response.applied(),
                 fmt::format("Rollout {} of {} to {} has begun; \"tallyman rollout watch {}\" "
                             "follows it.",
                             response.rollout().name(), Counted(response.node_count(), "node"),
                             response.rollout().image(), response.rollout().name()),
                 response.plan_token());
  });
}

int64_t CountOf(const v1::Rollout& rollout, int64_t (v1::RolloutWave::*get)() const) {
  int64_t sum = 0;
  for (const v1::RolloutWave& wave : rollout.waves()) sum += (wave.*get)();
  return sum;
}

int64_t SizeOf(const v1::Rollout& rollout) { return CountOf(rollout, &v1::RolloutWave::size); }

Cell StateCell(const v1::Rollout& rollout) {
  const bool is_held =
      rollout.state() == v1::ROLLOUT_STATE_PAUSED || rollout.state() == v1::ROLLOUT_STATE_ABORTED;
  return {EnumWord(rollout.state()), is_held ? Colour::kYellow : Colour::kNone};
}

// What can be done next.
std::string NextOf(const v1::Rollout& rollout) {
  if (rollout.state() == v1::ROLLOUT_STATE_PAUSED) {
    return fmt::format(
        "tallyman rollout resume {0} | tallyman rollout retry {0} --failed | tallyman rollout "
        "revert {0} --dry-run | tallyman rollout abort {0}",
        rollout.name());
  }
  if (rollout.state() == v1::ROLLOUT_STATE_RUNNING)
    return fmt::format("tallyman rollout watch {0} | tallyman rollout pause {0}", rollout.name());
  return {};
}

void PrintRollout(Context& context, const v1::Rollout& rollout) {
  PrintFields(context, {{"rollout", rollout.name()},
                        {"id", rollout.id()},
                        {"image", rollout.image()},
                        {"takes back", rollout.reverts()},
                        {"org", rollout.org()},
                        {"state", StateCell(rollout).text},
                        {"why", rollout.why()},
                        {"at once",
                         fmt::format("{}, {} a host", rollout.max_in_flight(), rollout.per_host())},
                        {"soak", FormatSpan(rollout.soak())},
                        {"begin within", FormatSpan(rollout.begin_within())},
                        {"healthy within", FormatSpan(rollout.healthy_within())},
                        {"no progress", FormatSpan(rollout.no_progress())},
                        {"by", rollout.created_by()},
                        {"created", FormatTimestamp(rollout.created_at())},
                        {"last progress", FormatTimestamp(rollout.progress_at())},
                        {"ended", FormatTimestamp(rollout.ended_at())}});
  context.Detail("");
  Table table({{"WAVE", Align::kRight},
               {"NODES", Align::kRight},
               {"HEALTHY", Align::kRight},
               {"FAILED", Align::kRight},
               {"RELEASED", Align::kRight},
               {"WAITING", Align::kRight},
               {"SKIPPED", Align::kRight},
               {"MAX FAILURES", Align::kRight},
               {"PASSED"}});
  for (const v1::RolloutWave& wave : rollout.waves()) {
    table.AddRow(
        {{std::to_string(wave.number())},
         {std::to_string(wave.size())},
         {std::to_string(wave.healthy()), wave.healthy() > 0 ? Colour::kGreen : Colour::kNone},
         {std::to_string(wave.failed()), wave.failed() > 0 ? Colour::kRed : Colour::kNone},
         {std::to_string(wave.released())},
         {std::to_string(wave.waiting())},
         {std::to_string(wave.skipped() + wave.withdrawn())},
         {std::to_string(wave.max_failures())},
         {FormatTimestamp(wave.passed_at())}});
  }
  context.Detail(table);
}

struct RolloutShow {
  v1::GetRolloutRequest request;
  bool why = false;
};

// What waiting nodes wait for, how many of them each.
void PrintReasons(Context& context, const v1::ListRolloutNodesResponse& waiting) {
  if (waiting.nodes().empty()) return;
  std::map<std::string, google::protobuf::RepeatedPtrField<std::string>> reasons;
  for (const v1::RolloutNode& node : waiting.nodes()) *reasons[node.why()].Add() = node.node();
  Table table({{"WAITING FOR"}, {"NODES", Align::kRight}, {"FIRST NODES", Align::kLeft, true}});
  for (const auto& [why, names] : reasons)
    table.AddRow({{why}, {std::to_string(names.size())}, {Names(names, names.size())}});
  context.Detail("");
  context.Detail(table);
}

ExitStatus ShowRollout(Context& context, RolloutShow& show) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetRolloutResponse>(show.request));
  const v1::Rollout& rollout = response.rollout();
  v1::ListRolloutNodesResponse failed;
  v1::ListRolloutNodesResponse waiting;
  if (context.is_table()) {
    v1::ListRolloutNodesRequest list;
    list.set_rollout(rollout.id());
    list.set_filter("state=failed");
    ASSIGN_OR_RETURN(failed, ListAll<v1::ListRolloutNodesResponse>(context, list));
    list.set_filter("state=waiting");
    if (show.why) {
      ASSIGN_OR_RETURN(waiting, ListAll<v1::ListRolloutNodesResponse>(context, list));
    }
  }
  return context.Answer(response, [&] {
    PrintRollout(context, rollout);
    if (!failed.nodes().empty()) {
      context.Detail("");
      Table table({{"FAILED"}, {"HOST"}, {"WAVE", Align::kRight}, {"WHY"}, {"COMMAND"}});
      for (const v1::RolloutNode& node : failed.nodes())
        table.AddRow({{node.node(), Colour::kRed},
                      {node.host()},
                      {std::to_string(node.wave())},
                      {node.why()},
                      {node.command_id()}});
      context.Detail(table);
    }
    PrintReasons(context, waiting);
    if (const std::string next = NextOf(rollout); !next.empty()) {
      context.Detail("");
      context.Detail("next: " + next);
    }
  });
}

template <class Response>
void PrintStopped(Context& context, const Response& response, std::string_view done) {
  context.Line(fmt::format("{} rollout {}.", done, response.rollout().name()), Colour::kGreen);
  if (!response.withdrawn().empty())
    context.Detail(fmt::format("{} withdrawn before their hosts began: {}",
                               Counted(response.withdrawn_size(), "upgrade was", "upgrades were"),
                               Names(response.withdrawn(), response.withdrawn_size())));
  if (!response.begun().empty())
    context.Detail(fmt::format("{} begun, and will end by themselves: {}",
                               Counted(response.begun_size(), "host has", "hosts have"),
                               Names(response.begun(), response.begun_size())));
}

ExitStatus PauseRollout(Context& context, v1::PauseRolloutRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::PauseRolloutResponse>(context, request));
  return context.Answer(response, [&] {
    PrintStopped(context, response, response.changed() ? "Paused" : "Already paused:");
  });
}

ExitStatus AbortRollout(Context& context, v1::AbortRolloutRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::AbortRolloutResponse>(context, request));
  return context.Answer(response, [&] {
    PrintStopped(context, response, response.changed() ? "Aborted" : "Already being aborted:");
  });
}

ExitStatus ResumeRollout(Context& context, v1::ResumeRolloutRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::ResumeRolloutResponse>(context, request));
  return context.Answer(response, [&] {
    context.Line(fmt::format("Rollout {} {}.", response.rollout().name(),
                             response.changed() ? "goes on" : "was running already"),
                 Colour::kGreen);
  });
}

ExitStatus RetryRollout(Context& context, v1::RetryRolloutRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::RetryRolloutResponse>(context, request));
  return context.Answer(response, [&] {
    context.Line(
        fmt::format("{} again in rollout {}: {}",
                    Counted(response.retried_size(), "node waits", "nodes wait"),
                    response.rollout().name(), Names(response.retried(), response.retried_size())),
        Colour::kGreen);
    if (response.left_out().empty()) return;
    Table table({{"LEFT OUT"}, {"WHY"}});
    for (const v1::RetryLeftOut& node : response.left_out())
      table.AddRow({{node.node()}, {node.why()}});
    context.Detail(table);
  });
}

ExitStatus RevertRollout(Context& context, v1::RevertRolloutRequest& request) {
  ASSIGN_OR_RETURN(const auto response,
                   Change<v1::RevertRolloutResponse>(context, request, "planning"));
  const v1::Rollout& rollout = response.rollout();
  return context.Answer(response, [&] {
    PrintPlan(context, response);
    if (!response.withdrawn().empty())
      context.Detail(fmt::format("{} withdrawn, since no host has begun: {}",
                                 Counted(response.withdrawn_size(), "upgrade is", "upgrades are"),
                                 Names(response.withdrawn(), response.withdrawn_size())));
    if (!response.changed().empty())
      context.Detail(fmt::format(
          "{} left out, since they were changed meanwhile or what they had before is forgotten: {}",
          Counted(response.changed_size(), "node is", "nodes are"),
          Names(response.changed(), response.changed_size())));
    PrintOutcome(
        context, response.applied(),
        fmt::format("Rollout {} takes back {} of rollout {}; \"tallyman rollout watch {}\" "
                    "follows it.",
                    rollout.name(), Counted(response.node_count(), "node"), rollout.reverts(),
                    rollout.name()),
        response.plan_token());
  });
}

std::string StandingOf(const v1::Rollout& rollout) {
  std::string text = fmt::format(
      "{}: wave {} of {}; {} healthy, {} failed, {} released, {} waiting",
      EnumWord(rollout.state()), rollout.wave(), rollout.waves_size(),
      CountOf(rollout, &v1::RolloutWave::healthy), CountOf(rollout, &v1::RolloutWave::failed),
      CountOf(rollout, &v1::RolloutWave::released), CountOf(rollout, &v1::RolloutWave::waiting));
  if (!rollout.why().empty()) text += "; " + rollout.why();
  return text;
}

// A line whenever something has changed, until the rollout ends or pauses.
ExitStatus WatchRollout(Context& context, v1::GetRolloutRequest& request) {
  constexpr std::chrono::milliseconds kPause{1000};
  std::string last;
  while (true) {
    ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetRolloutResponse>(request));
    const v1::Rollout& rollout = response.rollout();
    const std::string standing = StandingOf(rollout);
    if (standing != last) {
      if (context.is_table()) {
        context.Line(standing);
      } else {
        context.PrintDocument(response);
      }
      context.environment().out.flush();
      last = standing;
    }
    if (!context.environment().out) return kExitDone;
    if (rollout.state() == v1::ROLLOUT_STATE_DONE) {
      if (CountOf(rollout, &v1::RolloutWave::failed) == 0) return kExitDone;
      return Fail(FailedPrecondition(
          "ROLLOUT_HAS_FAILURES",
          fmt::format(
              "rollout {0} is done, and some nodes have failed: see \"tallyman rollout nodes "
              "{0} --state failed\"",
              rollout.name())));
    }
    if (rollout.state() == v1::ROLLOUT_STATE_ABORTED)
      return Fail(FailedPrecondition("ROLLOUT_ABORTED",
                                     fmt::format("rollout {} was aborted", rollout.name())));
    if (rollout.state() == v1::ROLLOUT_STATE_PAUSED)
      return Fail(FailedPrecondition("ROLLOUT_PAUSED",
                                     fmt::format("rollout {} is paused: {}; {}", rollout.name(),
                                                 rollout.why(), NextOf(rollout))));
    context.environment().pause(kPause);
  }
}

void DefineRolloutCreate(Word rollout) {
  auto [verb, create] = rollout.Verb<RolloutCreate>(
      "create", "Upgrade nodes in waves, which stop when they hurt",
      "  tallyman rollout create reth-10 --all-of ethereum/reth-mainnet-full@0.0.9 \\\n"
      "    --image ethereum/reth-mainnet-full@0.0.10 --dry-run\n"
      "  tallyman rollout create reth-10 eth-1 eth-2 eth-3 --stages 1,100% --pause-after 1 \\\n"
      "    --image ethereum/reth-mainnet-full@0.0.10",
      CreateRollout);
  v1::CreateRolloutRequest& request = create.request;
  verb.Argument("NAME", request.mutable_name(), "Its name");
  verb.Arguments("NODE", request.mutable_nodes(), "Names or ids of nodes");
  verb.Text("--image", "IMAGE", request.mutable_image(),
            "The new image: PROTOCOL/VARIANT@VERSION[+BUILD] or id")
      .Required();
  AddNodesOf(verb, &create.nodes_of);
  AddRolloutNumbers(verb, request);
  verb.Flag("--take-over", request, &v1::CreateRolloutRequest::set_take_over,
            "Nodes leave the open rollout that they are in, but for those that\n"
            "hosts are at work on");
  AddChange(verb, request);
}

void DefineRolloutLists(Word noun) {
  const ListCommand<v1::ListRolloutsRequest, v1::ListRolloutsResponse, v1::Rollout> list = {
      .description = "List rollouts, and how far they are",
      .examples = "  tallyman rollout list --state paused",
      .item = "rollout",
      .filters = {{"--state", "STATE", "state", "Only running, paused, aborting, done or aborted"},
                  {"--org", "ORG", "org", "Only of this org"}},
      .fields = "name, state, org, created_at",
      .by_name = true,
      .columns = {{"ROLLOUT", Align::kLeft, true},
                  {"STATE"},
                  {"WAVE", Align::kRight},
                  {"NODES", Align::kRight},
                  {"HEALTHY", Align::kRight},
                  {"FAILED", Align::kRight},
                  {"IMAGE"},
                  {"WHY"},
                  {.title = "ORG", .is_wide = true},
                  {.title = "BY", .is_wide = true},
                  {.title = "CREATED", .is_wide = true},
                  {.title = "ENDED", .is_wide = true},
                  {.title = "ID", .is_wide = true}},
      .items = &v1::ListRolloutsResponse::rollouts,
      .row = [](Context&, const v1::Rollout& rollout) -> std::vector<Cell> {
        return {{rollout.name()},
                StateCell(rollout),
                {fmt::format("{}/{}", rollout.wave(), rollout.waves_size())},
                {std::to_string(SizeOf(rollout))},
                {std::to_string(CountOf(rollout, &v1::RolloutWave::healthy))},
                {std::to_string(CountOf(rollout, &v1::RolloutWave::failed))},
                {rollout.image()},
                {rollout.why()},
                {rollout.org()},
                {rollout.created_by()},
                {FormatTimestamp(rollout.created_at())},
                {FormatTimestamp(rollout.ended_at())},
                {rollout.id()}};
      },
      .when_empty = "There are no rollouts; make one with \"tallyman rollout create\"."};
  list.Define(noun);

  const ListCommand<v1::ListRolloutNodesRequest, v1::ListRolloutNodesResponse, v1::RolloutNode>
      nodes = {.name = "nodes",
               .description = "List the nodes of a rollout in their order, and what each waits for",
               .examples = "  tallyman rollout nodes reth-10 --state waiting",
               .item = "node",
               .filters = {{"--state", "STATE", "state",
                            "Only waiting, released, healthy, failed, skipped or withdrawn"},
                           {"--host", "HOST", "host", "Only on this host"}},
               .fields = "place, node, host, org, wave, state, why",
               .columns = {{"NODE", Align::kLeft, true},
                           {"WAVE", Align::kRight},
                           {"STATE"},
                           {"WHY"},
                           {"HOST"},
                           {"RELEASED"},
                           {"DECIDED"},
                           {.title = "ORG", .is_wide = true},
                           {.title = "COMMAND", .is_wide = true},
                           {.title = "ID", .is_wide = true}},
               .items = &v1::ListRolloutNodesResponse::nodes,
               .row = [](Context&, const v1::RolloutNode& node) -> std::vector<Cell> {
                 Colour colour = Colour::kNone;
                 if (node.state() == v1::ROLLOUT_NODE_STATE_FAILED) colour = Colour::kRed;
                 if (node.state() == v1::ROLLOUT_NODE_STATE_HEALTHY) colour = Colour::kGreen;
                 return {{node.node()},
                         {std::to_string(node.wave())},
                         {EnumWord(node.state()), colour},
                         {node.why()},
                         {node.host()},
                         {FormatTimestamp(node.released_at())},
                         {FormatTimestamp(node.decided_at())},
                         {node.org()},
                         {node.command_id()},
                         {node.node_id()}};
               },
               .when_empty = "The rollout has no nodes."};
  auto [verb, listed] = nodes.Define(noun);
  verb.Argument("ROLLOUT", listed.request.mutable_rollout(), "Name or id");
}

}  // namespace

void DefineRollout(Word root) {
  Word rollout =
      root.Noun("rollout", "Rollouts: upgrades in waves, which stop when they hurt",
                "  tallyman rollout create reth-10 --all-of ethereum/reth-mainnet-full@0.0.9 \\\n"
                "    --image ethereum/reth-mainnet-full@0.0.10\n"
                "  tallyman rollout watch reth-10");
  DefineRolloutCreate(rollout);
  DefineRolloutLists(rollout);
  auto [show, shown] = rollout.Verb<RolloutShow>(
      "show", "Show a rollout: its waves, what has failed, and what can be done",
      "  tallyman rollout show reth-10 --why", ShowRollout);
  show.Argument("ROLLOUT", shown.request.mutable_rollout(), "Name or id");
  show.Flag("--why", &shown.why, "Also what the waiting nodes wait for, and how many");
  auto [watch, watched] = rollout.Verb<v1::GetRolloutRequest>(
      "watch", "Follow a rollout until it ends or pauses; fails unless all went well",
      "  tallyman rollout watch reth-10", WatchRollout);
  watch.Argument("ROLLOUT", watched.mutable_rollout(), "Name or id");
  auto [pause, paused] = rollout.Verb<v1::PauseRolloutRequest>(
      "pause", "Stop a rollout until it is resumed; what no host has begun is withdrawn",
      "  tallyman rollout pause reth-10", PauseRollout);
  pause.Argument("ROLLOUT", paused.mutable_rollout(), "Name or id");
  AddRequestId(pause, paused);
  auto [resume, resumed] = rollout.Verb<v1::ResumeRolloutRequest>(
      "resume", "Go on with a paused rollout; failures so far are accepted",
      "  tallyman rollout resume reth-10", ResumeRollout);
  resume.Argument("ROLLOUT", resumed.mutable_rollout(), "Name or id");
  AddRequestId(resume, resumed);
  auto [abort, aborted] = rollout.Verb<v1::AbortRolloutRequest>(
      "abort", "End a rollout: no further node begins, and none is taken back",
      "  tallyman rollout abort reth-10", AbortRollout);
  abort.Argument("ROLLOUT", aborted.mutable_rollout(), "Name or id");
  AddRequestId(abort, aborted);
  auto [retry, retried] = rollout.Verb<v1::RetryRolloutRequest>(
      "retry", "Failed and skipped nodes wait again, from what they run now",
      "  tallyman rollout retry reth-10 --failed\n"
      "  tallyman rollout retry reth-10 eth-7 eth-9",
      RetryRollout);
  retry.Argument("ROLLOUT", retried.mutable_rollout(), "Name or id");
  retry.Arguments("NODE", retried.mutable_nodes(), "Names or ids of failed and skipped nodes");
  retry.Flag("--failed", retried, &v1::RetryRolloutRequest::set_failed, "All that have failed");
  retry.Flag("--skipped", retried, &v1::RetryRolloutRequest::set_skipped, "All that were skipped");
  AddRequestId(retry, retried);
  auto [revert, reverted] = rollout.Verb<v1::RevertRolloutRequest>(
      "revert", "Take a rollout back: each of its nodes gets what it had before",
      "  tallyman rollout revert reth-10 --dry-run", RevertRollout);
  revert.Argument("ROLLOUT", reverted.mutable_rollout(), "Name or id");
  revert.Text("--name", "NAME", reverted.mutable_name(),
              "Of the rollout that does it (default: ROLLOUT-revert)");
  AddChange(revert, reverted);
}

}  // namespace tallyman::cli
