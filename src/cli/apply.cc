// The word that makes the fleet what a file declares.
#include <fmt/core.h>
#include <google/protobuf/util/message_differencer.h>

#include <boost/json.hpp>
#include <filesystem>
#include <optional>
#include <set>

#include "base/checked.h"
#include "base/reasons.h"
#include "cli/document.h"
#include "cli/errors.h"
#include "cli/files.h"
#include "cli/fleet_plan.h"
#include "cli/format.h"
#include "cli/import_rows.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/progress.h"
#include "cli/requests.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman::cli {
namespace {

constexpr size_t kFleetBytesMax = size_t{64} << 20;
// A value that an upgrade brought back to a new default is set by the second round.
constexpr int kRoundsMax = 2;

struct FleetApply {
  std::string file;
  std::string org;
  bool dry_run = false;
};

Status ReadCatalogue(Context& context, FleetState& state) {
  ASSIGN_OR_RETURN(const auto orgs, ListAll<v1::ListOrgsResponse>(context, v1::ListOrgsRequest()));
  for (const v1::Org& org : orgs.orgs()) state.orgs.insert(org.name());
  ASSIGN_OR_RETURN(const auto regions,
                   ListAll<v1::ListRegionsResponse>(context, v1::ListRegionsRequest()));
  for (const v1::Region& region : regions.regions()) state.regions.insert(region.name());
  ASSIGN_OR_RETURN(const auto protocols,
                   ListAll<v1::ListProtocolsResponse>(context, v1::ListProtocolsRequest()));
  for (const v1::Protocol& protocol : protocols.protocols())
    state.protocols[protocol.key()] = protocol;
  ASSIGN_OR_RETURN(const auto images,
                   ListAll<v1::ListImagesResponse>(context, v1::ListImagesRequest()));
  state.images.assign(images.images().begin(), images.images().end());
  return {};
}

// What is in files beside the fleet file.
Status ReadFiles(Context& context, const std::string& file, Fleet& fleet) {
  const std::filesystem::path beside = std::filesystem::path(file).parent_path();
  for (FleetNodes& nodes : fleet.nodes) {
    for (const auto& [key, path] : nodes.value_files) {
      ASSIGN_OR_RETURN(nodes.values[key],
                       ReadValueFile(context, path == "-" ? path : (beside / path).string()));
    }
  }
  return {};
}

// Which of the declared secrets are those that the node has: only the server can tell. They are
// put among the values of `node`, as if it had shown them.
void CompareSecrets(Context& context, const FleetNodes& nodes, v1::Node& node) {
  for (const auto& [key, is_set] : node.config().secrets()) {
    const auto wanted = nodes.values.find(key);
    if (!is_set || wanted == nodes.values.end()) continue;
    v1::UpdateNodeRequest request;
    request.set_node(node.id());
    request.set_dry_run(true);
    (*request.mutable_set_values())[key] = wanted->second;
    const auto plan = context.CallUnseen<v1::UpdateNodeResponse>(request);
    if (plan && plan->same_config())
      (*node.mutable_config()->mutable_values())[key] = wanted->second;
  }
}

Status ReadConfigs(Context& context, const Fleet& fleet, FleetState& state) {
  for (const FleetNodes& nodes : fleet.nodes) {
    if (nodes.values.empty() && nodes.firewall_rules.empty()) continue;
    for (const std::string& name : nodes.names) {
      const auto found = state.nodes.find(name);
      if (found == state.nodes.end()) continue;
      v1::GetNodeRequest request;
      request.set_node(found->second.id());
      ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetNodeResponse>(request));
      found->second = response.node();
      CompareSecrets(context, nodes, found->second);
    }
  }
  return {};
}

Result<FleetState> ReadState(Context& context, const Fleet& fleet) {
  FleetState state;
  RETURN_IF_ERROR(ReadCatalogue(context, state));
  ASSIGN_OR_RETURN(const auto hosts,
                   ListAll<v1::ListHostsResponse>(context, v1::ListHostsRequest()));
  for (const v1::Host& host : hosts.hosts()) state.hosts[host.name()] = host;
  ASSIGN_OR_RETURN(const auto nodes,
                   ListAll<v1::ListNodesResponse>(context, v1::ListNodesRequest()));
  for (const v1::Node& node : nodes.nodes()) state.nodes[node.name()] = node;
  RETURN_IF_ERROR(ReadConfigs(context, fleet, state));
  return state;
}

// Who owns new nodes that name no org; empty when that is not clear. Where there is no org at all
// the declaration gets one.
std::string DefaultOrg(Context& context, const FleetApply& options, const FleetState& state,
                       Fleet& fleet) {
  if (!options.org.empty()) return options.org;
  if (const auto org = context.environment().variable("TALLYMAN_ORG"); org && !org->empty()) {
    return *org;
  }
  std::set<std::string> all = state.orgs;
  for (const FleetName& org : fleet.orgs) all.insert(org.name);
  const auto ownerless = std::ranges::find(fleet.nodes, "", &FleetNodes::org);
  if (all.empty() && ownerless != fleet.nodes.end()) {
    fleet.orgs.push_back({.position = ownerless->position, .name = kDefaultOrg});
    return kDefaultOrg;
  }
  return all.size() == 1 ? *all.begin() : std::string();
}

// Puts the place of the declaration before an error of the server.
Error PlaceStepError(const std::string& file, const FleetStep& step, Error error) {
  size_t item = 0;
  if (const auto index = ParseInt64(error.Fact("index")); index && *index >= 0) {
    item = static_cast<size_t>(*index);
  }
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

std::vector<FleetChange> ChangesOf(const FleetPlan& plan) {
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
std::vector<FleetChange> NotSkipped(const std::vector<FleetChange>& changes,
                                    const google::protobuf::Message& answer) {
  const auto& results = static_cast<const Response&>(answer).results();
  std::vector<FleetChange> done;
  for (size_t i = 0; i < changes.size(); ++i) {
    const auto at = static_cast<int>(i);
    if (at >= results.size() || !results[at].skipped()) done.push_back(changes[i]);
  }
  return done;
}

// Gives what it has changed.
Result<std::vector<FleetChange>> TakeStep(Context& context, const std::string& file,
                                          const FleetStep& step) {
  const std::unique_ptr<google::protobuf::Message> request(step.request->New());
  request->CopyFrom(*step.request);
  const auto* field = request->GetDescriptor()->FindFieldByName("request_id");
  request->GetReflection()->SetString(request.get(), field, context.environment().new_request_id());
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  const auto* prototype = factory->GetPrototype(MethodOf(*request).output_type());
  const std::unique_ptr<google::protobuf::Message> response(prototype->New());
  if (Status done = context.Call(*request, *response); !done)
    return Fail(PlaceStepError(file, step, std::move(done).error()));
  if (const auto* create = dynamic_cast<const v1::CreateNodesRequest*>(request.get())) {
    const auto& created = static_cast<const v1::CreateNodesResponse&>(*response);
    if (Status named = CheckNames(*create, created.changes()); !named)
      return Fail(PlaceStepError(file, step, std::move(named).error()));
  }
  if (response->GetDescriptor() == v1::CreateImagesResponse::descriptor())
    return NotSkipped<v1::CreateImagesResponse>(step.changes, *response);
  if (response->GetDescriptor() == v1::CreateHostsResponse::descriptor())
    return NotSkipped<v1::CreateHostsResponse>(step.changes, *response);
  return step.changes;
}

// Makes the fleet match a file, beside others who may do the same at the same time.
class Applying {
 public:
  Applying(Context& context, const std::string& file) : context_(context), file_(file) {}

  // Takes the steps of a plan and tells what was done. False: somebody else has made what a step
  // was to make, so that there has to be another plan.
  Result<bool> Take(const FleetPlan& plan) {
    const size_t done_before = done_.size();
    Result<bool> whole = TakeSteps(plan);
    for (size_t i = done_before; context_.is_table() && i < done_.size(); ++i)
      PrintChange(context_, done_[i]);
    return whole;
  }

  const std::vector<FleetChange>& done() const { return done_; }

 private:
  Result<bool> TakeSteps(const FleetPlan& plan) {
    Progress progress(context_, "applying", static_cast<int64_t>(plan.steps.size()));
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      const FleetStep& step = plan.steps[i];
      const auto taken = TakeStep(context_, file_, step);
      if (!taken) {
        Error error = taken.error();
        if (error.code == Code::kAlreadyExists && IsRefusedFirst(step)) return false;
        error.message += fmt::format(
            " ({} of {} requests were carried out before it; correct the file and apply again)", i,
            plan.steps.size());
        return Fail(std::move(error));
      }
      progress.Advance(static_cast<int64_t>(i) + 1);
      done_.insert(done_.end(), taken->begin(), taken->end());
    }
    return true;
  }

  // What is refused again is not there for this caller to see, such as a node of another org.
  bool IsRefusedFirst(const FleetStep& step) {
    const bool again = std::ranges::any_of(refused_, [&](const auto& request) {
      return request->GetDescriptor() == step.request->GetDescriptor() &&
             google::protobuf::util::MessageDifferencer::Equals(*request, *step.request);
    });
    if (!again) refused_.push_back(step.request);
    return !again;
  }

  Context& context_;
  const std::string& file_;
  std::vector<FleetChange> done_;
  std::vector<std::shared_ptr<google::protobuf::Message>> refused_;
};

std::string Counts(const std::vector<FleetChange>& changes, int64_t unchanged_count) {
  const auto created = std::ranges::count_if(changes, &FleetChange::is_new);
  return fmt::format("{} new, {} changed, {} unchanged", created,
                     static_cast<int64_t>(changes.size()) - created, unchanged_count);
}

void PrintResult(Context& context, const std::vector<FleetChange>& changes, int64_t item_count,
                 bool applied) {
  const int64_t unchanged_count = item_count - ItemsIn(changes);
  if (!context.is_table()) {
    boost::json::array list;
    for (const FleetChange& change : changes) {
      list.push_back(boost::json::object{{"action", change.is_new ? "create" : "change"},
                                         {"kind", change.kind},
                                         {"name", change.name},
                                         {"text", ToJsonString(change.text)}});
    }
    context.PrintDocument(boost::json::object{{"changes", std::move(list)},
                                              {"unchanged_count", unchanged_count},
                                              {"applied", applied},
                                              {"warnings", WarningList(context.warnings())}});
  } else if (applied) {
    context.Line(fmt::format("Applied: {}.", Counts(changes, unchanged_count)), Colour::kGreen);
  } else {
    context.Line(
        fmt::format("Nothing was changed; it would be: {}.", Counts(changes, unchanged_count)));
  }
}

ExitStatus ApplyFleet(Context& context, FleetApply& options) {
  if (options.file.empty()) {
    return Fail(InvalidArgument(
        kUsage, "no fleet file is named: write \"tallyman apply FILE\", or - for standard input"));
  }
  ASSIGN_OR_RETURN(const std::string text, ReadInput(context, options.file, kFleetBytesMax));
  ASSIGN_OR_RETURN(Fleet fleet, ReadFleet(options.file, text));
  RETURN_IF_ERROR(ReadFiles(context, options.file, fleet));
  if (!options.dry_run) context.MayCreateDatabase();
  Applying run(context, options.file);
  std::optional<int64_t> item_count;
  for (int rounds = 0; rounds < kRoundsMax;) {
    ASSIGN_OR_RETURN(const FleetState state, ReadState(context, fleet));
    const std::string org = DefaultOrg(context, options, state, fleet);
    ASSIGN_OR_RETURN(const FleetPlan plan, PlanFleet(options.file, fleet, state, org));
    const std::vector<FleetChange> changes = ChangesOf(plan);
    if (!item_count) item_count = plan.unchanged_count + ItemsIn(changes);
    if (options.dry_run) {
      for (size_t i = 0; context.is_table() && i < changes.size(); ++i)
        PrintChange(context, changes[i]);
      PrintResult(context, changes, *item_count, false);
      return kExitDone;
    }
    ASSIGN_OR_RETURN(const bool whole, run.Take(plan));
    if (whole) ++rounds;
    if (whole && changes.empty()) break;
  }
  PrintResult(context, run.done(), *item_count, true);
  return kExitDone;
}

}  // namespace

void DefineApply(Word root) {
  auto [verb, apply] =
      root.Verb<FleetApply>("apply", "Make the fleet match a file; deletes nothing",
                            "  tallyman apply -f fleet.yaml --dry-run\n"
                            "  tallyman apply -f fleet.yaml",
                            ApplyFleet);
  const Option file =
      verb.Argument("FILE", &apply.file, "Fleet file, - for standard input").Required(false);
  verb.Text("-f,--file", "FILE", &apply.file, "The same").Excludes(file);
  verb.Text("--org", "ORG", &apply.org, "Who owns nodes that name no org");
  verb.Flag("--dry-run", &apply.dry_run, "Show the difference, and change nothing");
}

}  // namespace tallyman::cli
