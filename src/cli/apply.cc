// The word that makes the fleet what a file declares.
#include <fmt/core.h>
#include <google/protobuf/util/message_differencer.h>

#include <boost/json.hpp>
#include <set>

#include "base/checked.h"
#include "cli/document.h"
#include "cli/errors.h"
#include "cli/fleet_effect.h"
#include "cli/fleet_state.h"
#include "cli/format.h"
#include "cli/import_rows.h"
#include "cli/nouns.h"
#include "cli/progress.h"
#include "cli/views.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {
namespace {

// Of others who make the same at the same time each is in the way once.
constexpr int kTriesMax = 100;

struct FleetApply {
  FleetSource source;
  bool dry_run = false;
  std::string plan_token;
};

// The index among the items of the step's request that the error is about.
size_t ItemOf(const FleetStep& step, const Error& error) {
  if (const auto index = ParseInt64(error.Fact("index")); index && *index >= 0)
    return static_cast<size_t>(*index);
  const std::string_view field = error.Fact("field");
  if (field.starts_with("names[")) {
    const auto index = ParseInt64(field.substr(6, field.find(']') - 6));
    if (index && *index >= 0) return static_cast<size_t>(*index);
  }
  size_t item = 0;
  for (const v1::HostCount& host : step.request.create_nodes().by_hosts().hosts()) {
    if (error.resource == "host " + host.host()) return item;
    item += static_cast<size_t>(host.count());
  }
  return 0;
}

// Puts the place of the declaration before an error of the server.
Error PlaceStepError(const std::string& file, const FleetPlan& plan, Error error) {
  const auto index = ParseInt64(error.Fact("step"));
  std::erase_if(error.facts, [](const auto& fact) { return fact.first == "step"; });
  if (!index || *index < 0 || static_cast<size_t>(*index) >= plan.steps.size()) return error;
  error.message += " (nothing was changed)";
  const FleetStep& step = plan.steps[static_cast<size_t>(*index)];
  size_t item = ItemOf(step, error);
  if (item >= step.positions.size()) item = 0;
  DropIndex(error);
  return AtPosition(file, step.positions[item], std::move(error));
}

// An item may have several changes.
int64_t ItemsIn(const std::vector<FleetChange>& changes) {
  std::set<std::pair<std::string, std::string>> items;
  for (const FleetChange& change : changes) items.emplace(change.kind, change.name);
  return static_cast<int64_t>(items.size());
}

std::vector<FleetChange> AllChanges(const FleetPlan& plan) {
  std::vector<FleetChange> changes;
  for (const FleetStep& step : plan.steps)
    changes.insert(changes.end(), step.changes.begin(), step.changes.end());
  return changes;
}

void PrintChange(Context& context, const FleetChange& change) {
  context.Detail(Printable(fmt::format("{} {} {}{}{}", change.is_new ? '+' : '~', change.kind,
                                       change.name, change.text.empty() ? "" : ": ", change.text)),
                 change.is_new ? Colour::kGreen : Colour::kYellow);
}

// What a step has changed: not what somebody else had made by then. One result for each change.
template <class Response>
void AddDone(const std::vector<FleetChange>& changes, const Response& answer,
             std::vector<FleetChange>& done) {
  for (size_t i = 0; i < changes.size(); ++i) {
    const auto at = static_cast<int>(i);
    if (at >= answer.results_size() || !answer.results(at).skipped()) done.push_back(changes[i]);
  }
}

std::vector<FleetChange> ChangesOf(const FleetPlan& plan, const v1::ApplyFleetResponse& response) {
  std::vector<FleetChange> done;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const std::vector<FleetChange>& changes = plan.steps[i].changes;
    const v1::FleetStepResult& result = response.results(static_cast<int>(i));
    if (result.has_create_images()) {
      AddDone(changes, result.create_images(), done);
    } else if (result.has_create_hosts()) {
      AddDone(changes, result.create_hosts(), done);
    } else {
      done.insert(done.end(), changes.begin(), changes.end());
    }
  }
  return done;
}

Result<v1::ApplyFleetResponse> CallSteps(Context& context, const v1::ApplyFleetRequest& request) {
  const Progress progress(context, request.dry_run() ? "trying" : "applying");
  ASSIGN_OR_RETURN(auto response, context.Call<v1::ApplyFleetResponse>(request));
  if (response.results_size() == request.steps_size()) return response;
  return Fail(Internal("WRONG_ANSWER", fmt::format("the server answered {} of {} steps",
                                                   response.results_size(), request.steps_size())));
}

std::string Counts(const std::vector<FleetChange>& changes, int64_t unchanged_count) {
  const auto created = std::ranges::count_if(changes, &FleetChange::is_new);
  return fmt::format("{} new, {} changed, {} unchanged", created,
                     static_cast<int64_t>(changes.size()) - created, unchanged_count);
}

boost::json::array ListOf(const std::vector<FleetChange>& changes) {
  boost::json::array list;
  for (const FleetChange& change : changes) {
    list.push_back(boost::json::object{{"action", change.is_new ? "create" : "change"},
                                       {"kind", change.kind},
                                       {"name", change.name},
                                       {"text", ToJsonString(change.text)}});
  }
  return list;
}

void PrintResult(Context& context, const std::vector<FleetChange>& changes, int64_t item_count,
                 const v1::Changes& effect) {
  const int64_t unchanged_count = item_count - ItemsIn(changes);
  if (!context.is_table()) {
    const boost::json::object charges = ToDocument(effect).as_object();
    context.PrintDocument(boost::json::object{{"changes", ListOf(changes)},
                                              {"unchanged_count", unchanged_count},
                                              {"nodes", charges.at("nodes")},
                                              {"hosts", charges.at("hosts")},
                                              {"plan_token", charges.at("plan_token")},
                                              {"applied", effect.applied()},
                                              {"warnings", WarningList(context.warnings())}});
    return;
  }
  for (const FleetChange& change : changes) PrintChange(context, change);
  if (effect.nodes_size() > 0) {
    context.Detail("");
    PrintCharges(context, effect);
    context.Detail("");
  }
  if (effect.applied()) {
    context.Line(fmt::format("Applied: {}.", Counts(changes, unchanged_count)), Colour::kGreen);
  } else {
    context.Line(
        fmt::format("Nothing was changed; it would be: {}.", Counts(changes, unchanged_count)));
    context.Line("plan token: " + effect.plan_token());
  }
}

v1::ApplyFleetRequest RequestOf(const FleetPlan& plan, const FleetApply& options) {
  v1::ApplyFleetRequest request;
  for (const FleetStep& step : plan.steps) *request.add_steps() = step.request;
  request.set_dry_run(options.dry_run);
  request.set_plan_token(options.plan_token);
  return request;
}

ExitStatus ApplyFleet(Context& context, FleetApply& options) {
  ASSIGN_OR_RETURN(Fleet fleet, ReadDeclared(context, options.source));
  if (!options.dry_run) context.MayCreateDatabase();
  v1::ApplyFleetRequest refused;
  for (int tries = 1;; ++tries) {
    ASSIGN_OR_RETURN(const FleetPlan plan, CompareFleet(context, options.source, fleet));
    v1::ApplyFleetRequest request = RequestOf(plan, options);
    // Somebody else has made what was to be made: there has to be another plan. What would be
    // refused again is not there for this caller to see, such as a node of another org.
    if (tries > 1 && google::protobuf::util::MessageDifferencer::Equals(request, refused))
      tries = kTriesMax;
    refused = request;
    request.set_request_id(context.environment().new_request_id());
    v1::ApplyFleetResponse response;
    response.set_applied(true);
    if (request.steps_size() > 0 || request.dry_run() || !request.plan_token().empty()) {
      auto answer = CallSteps(context, request);
      if (!answer && answer.error().code == Code::kAlreadyExists && tries < kTriesMax) continue;
      if (!answer)
        return Fail(PlaceStepError(options.source.file, plan, std::move(answer).error()));
      response = *std::move(answer);
    }
    const std::vector<FleetChange> changes = ChangesOf(plan, response);
    const v1::Changes effect = EffectOf(response);
    context.TakeWarnings(effect);
    PrintResult(context, changes, plan.unchanged_count + ItemsIn(AllChanges(plan)), effect);
    return kExitDone;
  }
}

ExitStatus DiffFleet(Context& context, FleetSource& source) {
  ASSIGN_OR_RETURN(Fleet fleet, ReadDeclared(context, source));
  ASSIGN_OR_RETURN(const FleetPlan plan, CompareFleet(context, source, fleet));
  const std::vector<FleetChange> changes = AllChanges(plan);
  if (!context.is_table()) {
    context.PrintDocument(boost::json::object{{"changes", ListOf(changes)},
                                              {"unchanged_count", plan.unchanged_count},
                                              {"warnings", WarningList(context.warnings())}});
  } else {
    for (const FleetChange& change : changes) PrintChange(context, change);
    context.Line(fmt::format("{}: {}.", changes.empty() ? "No difference" : "Differences",
                             Counts(changes, plan.unchanged_count)),
                 changes.empty() ? Colour::kGreen : Colour::kNone);
  }
  return changes.empty() ? kExitDone : kExitDrift;
}

}  // namespace

void DefineApply(Word root) {
  auto [verb, apply] =
      root.Verb<FleetApply>("apply", "Make the fleet match a file; deletes nothing",
                            "  tallyman apply -f fleet.yaml --dry-run\n"
                            "  tallyman apply -f fleet.yaml",
                            ApplyFleet);
  AddFleetSource(verb, apply.source);
  verb.Flag("--dry-run", &apply.dry_run, "Show what would change, and change nothing");
  verb.Text("--plan-token", "TOKEN", &apply.plan_token,
            "Apply only if the result is exactly what the dry run with this token showed");
}

void DefineDiff(Word root) {
  auto [verb, source] = root.Verb<FleetSource>(
      "diff", "Show where the fleet is not as a file declares it",
      "  tallyman diff -f fleet.yaml    # exit status 3: there are differences", DiffFleet);
  AddFleetSource(verb, source);
}

}  // namespace tallyman::cli
