#include "cli/fleet_state.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/reasons.h"
#include "cli/files.h"
#include "cli/list.h"
#include "cli/progress.h"
#include "cli/requests.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman::cli {
namespace {

constexpr size_t kFleetBytesMax = size_t{64} << 20;

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

bool NeedsConfig(const FleetNodes& nodes) {
  return !nodes.values.empty() || !nodes.firewall_rules.empty() || !nodes.secrets.empty();
}

Status ReadConfigs(Context& context, const Fleet& fleet, Progress& progress, FleetState& state) {
  std::vector<std::pair<const FleetNodes*, v1::Node*>> wanted;
  for (const FleetNodes& nodes : fleet.nodes) {
    if (!NeedsConfig(nodes)) continue;
    for (const std::string& name : nodes.names) {
      const auto found = state.nodes.find(name);
      if (found != state.nodes.end()) wanted.emplace_back(&nodes, &found->second);
    }
  }
  progress.SetTotal(static_cast<int64_t>(wanted.size()));
  for (size_t i = 0; i < wanted.size(); ++i) {
    v1::GetNodeRequest request;
    request.set_node(wanted[i].second->id());
    ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetNodeResponse>(request));
    *wanted[i].second = response.node();
    CompareSecrets(context, *wanted[i].first, *wanted[i].second);
    progress.Advance(static_cast<int64_t>(i) + 1);
  }
  return {};
}

// Who owns new nodes that name no org; empty when that is not clear. Where there is no org at all
// the declaration gets one.
std::string DefaultOrg(Context& context, const FleetSource& source, const FleetState& state,
                       Fleet& fleet) {
  if (!source.org.empty()) return source.org;
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

}  // namespace

void AddFleetSource(Word verb, FleetSource& source) {
  const Option file =
      verb.Argument("FILE", &source.file, "Fleet file, - for standard input").Required(false);
  verb.Text("-f,--file", "FILE", &source.file, "The same").Excludes(file);
  verb.Text("--org", "ORG", &source.org, "Who owns nodes that name no org");
}

Result<Fleet> ReadDeclared(Context& context, const FleetSource& source) {
  if (source.file.empty()) {
    return Fail(
        InvalidArgument(kUsage, "no fleet file is named: write FILE, or - for standard input"));
  }
  ASSIGN_OR_RETURN(const std::string text, ReadInput(context, source.file, kFleetBytesMax));
  ASSIGN_OR_RETURN(Fleet fleet, ReadFleet(source.file, text));
  RETURN_IF_ERROR(ReadFiles(context, source.file, fleet));
  return fleet;
}

Result<FleetState> ReadState(Context& context) {
  FleetState state;
  RETURN_IF_ERROR(ReadCatalogue(context, state));
  ASSIGN_OR_RETURN(const auto hosts,
                   ListAll<v1::ListHostsResponse>(context, v1::ListHostsRequest()));
  for (const v1::Host& host : hosts.hosts()) state.hosts[host.name()] = host;
  ASSIGN_OR_RETURN(const auto nodes,
                   ListAll<v1::ListNodesResponse>(context, v1::ListNodesRequest()));
  for (const v1::Node& node : nodes.nodes()) state.nodes[node.name()] = node;
  return state;
}

Result<FleetPlan> CompareFleet(Context& context, const FleetSource& source, Fleet& fleet) {
  Progress progress(context, "comparing");
  ASSIGN_OR_RETURN(FleetState state, ReadState(context));
  RETURN_IF_ERROR(ReadConfigs(context, fleet, progress, state));
  const std::string org = DefaultOrg(context, source, state, fleet);
  return PlanFleet(source.file, fleet, state, org);
}

}  // namespace tallyman::cli
