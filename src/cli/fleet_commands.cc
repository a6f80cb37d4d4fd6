// Commands about orgs, regions and hosts.
#include <fmt/core.h>

#include "base/text.h"
#include "cli/document.h"
#include "cli/format.h"
#include "cli/import_rows.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman {
namespace {

Result<v1::CapacityPolicy> ReadCapacityPolicy(const std::string& word) {
  if (word.empty()) return v1::CAPACITY_POLICY_UNSPECIFIED;
  for (const auto policy :
       {v1::CAPACITY_POLICY_DEFAULT, v1::CAPACITY_POLICY_WARN, v1::CAPACITY_POLICY_ENFORCE}) {
    if (EnumWord(v1::CapacityPolicy_Name(policy), "CAPACITY_POLICY_") == word) return policy;
  }
  return Fail(InvalidArgument(
      "INVALID_CAPACITY_POLICY",
      fmt::format("--capacity-policy is {}: write default, warn or enforce", Quote(word))));
}

// The capacity after the change: what was given, the rest as it is.
Result<v1::Resources> MergeCapacity(v1::Resources capacity, const AmountOptions& options) {
  if (!options.cpu.empty()) {
    ASSIGN_OR_RETURN(const int64_t cpu, ParseCount("--cpu", options.cpu));
    capacity.set_cpu_cores(cpu);
  }
  if (!options.memory.empty()) {
    ASSIGN_OR_RETURN(const int64_t memory, ParseAmount("--memory", options.memory));
    capacity.set_memory_bytes(memory);
  }
  if (!options.disk.empty()) {
    ASSIGN_OR_RETURN(const int64_t disk, ParseAmount("--disk", options.disk));
    capacity.set_disk_bytes(disk);
  }
  return capacity;
}

void PrintHostChange(Context& context, const v1::UpdateHostResponse& response) {
  const v1::Host& host = response.host();
  Table table({{"DIMENSION"},
               {"BEFORE", Align::kRight},
               {"AFTER", Align::kRight},
               {"DIFFERENCE", Align::kRight},
               {"USED", Align::kRight},
               {"HELD", Align::kRight},
               {"FREE", Align::kRight}});
  for (const DimensionView& dimension : kDimensionViews) {
    const int64_t before = (response.capacity_before().*dimension.get)();
    const int64_t after = (host.capacity().*dimension.get)();
    const int64_t free = (host.free().*dimension.get)();
    table.AddRow({{std::string(dimension.word)},
                  {FormatAmount(dimension, before)},
                  {FormatAmount(dimension, after)},
                  {FormatSigned(dimension, after - before)},
                  {FormatAmount(dimension, (host.books().allocated().*dimension.get)())},
                  {FormatAmount(dimension, (host.held().*dimension.get)())},
                  {FormatAmount(dimension, free), free < 0 ? Colour::kRed : Colour::kNone}});
  }
  context.Detail(table);
  if (response.capacity_policy_before() != host.capacity_policy()) {
    auto word = [](v1::CapacityPolicy policy) {
      return EnumWord(v1::CapacityPolicy_Name(policy), "CAPACITY_POLICY_");
    };
    context.Detail(fmt::format("capacity policy: {} -> {}", word(response.capacity_policy_before()),
                               word(host.capacity_policy())));
  }
  PrintWarnings(context, response.warnings());
  PrintOutcome(context, response.applied(), fmt::format("Updated host {}.", host.name()),
               response.plan_token());
}

void PrintHostBooks(Context& context, const v1::Host& host) {
  Table table({{""},
               {"CAPACITY", Align::kRight},
               {"USED", Align::kRight},
               {"HELD", Align::kRight},
               {"FREE", Align::kRight}});
  table.AddRow({{"nodes"}, {}, {std::to_string(host.books().node_count())}});
  for (const DimensionView& dimension : kDimensionViews) {
    const int64_t free = (host.free().*dimension.get)();
    table.AddRow({{std::string(dimension.word)},
                  {FormatAmount(dimension, (host.capacity().*dimension.get)())},
                  {FormatAmount(dimension, (host.books().allocated().*dimension.get)())},
                  {FormatAmount(dimension, (host.held().*dimension.get)())},
                  {FormatAmount(dimension, free), free < 0 ? Colour::kRed : Colour::kNone}});
  }
  context.Detail(table);
}

}  // namespace

CommandResult CreateOrg(Context& context, const NameOptions& options) {
  v1::CreateOrgRequest request;
  request.set_request_id(context.RequestId(options.request_id));
  request.set_name(options.name);
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::CreateOrgResponse>(
                                            "tallyman.v1.OrgService/CreateOrg", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
  } else {
    context.Line(fmt::format("Created org {}.", response.org().name()));
  }
  return kExitDone;
}

CommandResult ListOrgs(Context& context, const ListOptions& options) {
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListOrgsResponse>(context, "tallyman.v1.OrgService/ListOrgs",
                                                 v1::ListOrgsRequest(), options));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"ORG", Align::kLeft, true}, {"CREATED"}, {"ID"}});
  for (const v1::Org& org : list.orgs()) {
    table.AddRow({{org.name()}, {FormatTimestamp(org.created_at())}, {org.id()}});
  }
  PrintList(context, table, "There are no orgs; create one with \"tallyman org create NAME\".");
  return kExitDone;
}

CommandResult ShowOrg(Context& context, const std::string& org) {
  v1::GetOrgRequest request;
  request.set_org(org);
  ASSIGN_OR_RETURN(const auto response,
                   context.Call<v1::GetOrgResponse>("tallyman.v1.OrgService/GetOrg", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  PrintFields(context, {{"org", response.org().name()},
                        {"id", response.org().id()},
                        {"created", FormatTimestamp(response.org().created_at())},
                        {"uses", FormatBooks(response.usage())}});
  return kExitDone;
}

CommandResult CreateRegion(Context& context, const NameOptions& options) {
  v1::CreateRegionRequest request;
  request.set_request_id(context.RequestId(options.request_id));
  request.set_name(options.name);
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::CreateRegionResponse>(
                                            "tallyman.v1.RegionService/CreateRegion", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
  } else {
    context.Line(fmt::format("Created region {}.", response.region().name()));
  }
  return kExitDone;
}

CommandResult ListRegions(Context& context, const ListOptions& options) {
  ASSIGN_OR_RETURN(const auto list, ListAll<v1::ListRegionsResponse>(
                                        context, "tallyman.v1.RegionService/ListRegions",
                                        v1::ListRegionsRequest(), options));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"REGION", Align::kLeft, true}, {"CREATED"}, {"ID"}});
  for (const v1::Region& region : list.regions()) {
    table.AddRow({{region.name()}, {FormatTimestamp(region.created_at())}, {region.id()}});
  }
  PrintList(context, table,
            "There are no regions; create one with \"tallyman region create NAME\".");
  return kExitDone;
}

CommandResult CreateHost(Context& context, const HostOptions& options) {
  v1::CreateHostsRequest request;
  request.set_request_id(context.RequestId(options.change.request_id));
  request.set_dry_run(options.change.dry_run);
  v1::HostSpec& spec = *request.add_hosts();
  spec.set_name(options.host);
  spec.set_region(options.region);
  ASSIGN_OR_RETURN(*spec.mutable_capacity(), ReadAmounts(options.capacity));
  ASSIGN_OR_RETURN(const auto policy, ReadCapacityPolicy(options.capacity_policy));
  spec.set_capacity_policy(policy);
  v1::CreateHostsResponse response;
  if (Status done = context.Call("tallyman.v1.HostService/CreateHosts", request, response); !done) {
    Error error = std::move(done).error();
    DropIndex(error);
    return Fail(std::move(error));
  }
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  PrintWarnings(context, response.warnings());
  PrintOutcome(context, response.applied(),
               fmt::format("Created host {} in {}: {}.", options.host, options.region,
                           FormatResources(spec.capacity())),
               "");
  return kExitDone;
}

CommandResult UpdateHost(Context& context, const HostOptions& options) {
  v1::UpdateHostRequest request;
  SetChange(context, options.change, request);
  RETURN_IF_ERROR(SetExpectedVersion(options.change, request));
  request.set_host(options.host);
  ASSIGN_OR_RETURN(const auto policy, ReadCapacityPolicy(options.capacity_policy));
  request.set_capacity_policy(policy);
  const AmountOptions& amounts = options.capacity;
  if (!amounts.cpu.empty() || !amounts.memory.empty() || !amounts.disk.empty()) {
    // Wrong numbers are refused before anything is read.
    RETURN_IF_ERROR(MergeCapacity({}, amounts));
    v1::GetHostRequest get;
    get.set_host(options.host);
    ASSIGN_OR_RETURN(const auto current,
                     context.Call<v1::GetHostResponse>("tallyman.v1.HostService/GetHost", get));
    ASSIGN_OR_RETURN(*request.mutable_capacity(),
                     MergeCapacity(current.host().capacity(), amounts));
  } else if (options.capacity_policy.empty()) {
    return Fail(
        InvalidArgument("NOTHING_TO_CHANGE",
                        "nothing to change: add --cpu, --memory, --disk or --capacity-policy"));
  }
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::UpdateHostResponse>(
                                            "tallyman.v1.HostService/UpdateHost", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
  } else {
    PrintHostChange(context, response);
  }
  return kExitDone;
}

CommandResult ShowHost(Context& context, const std::string& name) {
  v1::GetHostRequest request;
  request.set_host(name);
  ASSIGN_OR_RETURN(const auto response,
                   context.Call<v1::GetHostResponse>("tallyman.v1.HostService/GetHost", request));
  const v1::Host& host = response.host();
  v1::ListNodesRequest list_nodes;
  list_nodes.set_filter("host=" + host.id());
  ASSIGN_OR_RETURN(
      const auto nodes,
      ListAll<v1::ListNodesResponse>(context, "tallyman.v1.NodeService/ListNodes", list_nodes, {}));
  if (!context.is_table()) {
    boost::json::object document = ToDocument(response).get_object();
    document["nodes"] = ToDocument(nodes).at("nodes");
    context.PrintDocument(document);
    return kExitDone;
  }
  PrintFields(context,
              {{"host", host.name()},
               {"id", host.id()},
               {"region", host.region()},
               {"state", HostState(host).text},
               {"silent since", FormatTimestamp(host.silent_since())},
               {"capacity policy",
                EnumWord(v1::CapacityPolicy_Name(host.capacity_policy()), "CAPACITY_POLICY_")},
               {"ledger entries", std::to_string(host.ledger_seq())},
               {"version", std::to_string(host.version())}});
  if (host.has_reported()) {
    const v1::ReportedHost& said = host.reported();
    context.Detail("");
    PrintFields(context,
                {{"heard", FormatTimestamp(said.heard_at())},
                 {"measured", said.has_capacity() ? FormatResources(said.capacity()) : ""},
                 {"reserved", said.has_reserved() ? FormatResources(said.reserved()) : ""},
                 {"disks", said.thin_disks() ? "thin: more may be promised than there is" : ""},
                 {"agent", said.agent_version()}});
    PrintBlock(context, "what is wrong with it:", said.problem(), Colour::kRed);
  }
  PrintClaims(context, host);
  context.Detail("");
  PrintHostBooks(context, host);
  PrintWarnings(context, host.warnings());
  context.Detail("");
  if (nodes.nodes().empty()) {
    context.Detail("It carries no nodes.");
  } else {
    context.Detail(NodeTable(nodes, NodeTableOf::kOneHost));
  }
  return kExitDone;
}

CommandResult ListHosts(Context& context, const HostListOptions& options) {
  v1::ListHostsRequest request;
  AddFilter(*request.mutable_filter(), "region", options.region);
  request.set_show_retired(options.retired);
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListHostsResponse>(context, "tallyman.v1.HostService/ListHosts",
                                                  request, options.list));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"HOST", Align::kLeft, true},
               {"REGION", Align::kLeft, true},
               {"STATE"},
               {"NODES", Align::kRight},
               {"CPU USED", Align::kRight},
               {"FREE", Align::kRight},
               {"MEMORY USED", Align::kRight},
               {"FREE", Align::kRight},
               {"DISK USED", Align::kRight},
               {"FREE", Align::kRight}});
  for (const v1::Host& host : list.hosts()) {
    std::vector<Cell> row = {{host.name()},
                             {host.region()},
                             HostState(host),
                             {std::to_string(host.books().node_count())}};
    for (const DimensionView& dimension : kDimensionViews) {
      const int64_t free = (host.free().*dimension.get)();
      row.push_back({FormatAmount(dimension, (host.books().allocated().*dimension.get)())});
      row.push_back({FormatAmount(dimension, free), free < 0 ? Colour::kRed : Colour::kNone});
    }
    table.AddRow(std::move(row));
  }
  PrintList(
      context, table,
      "There are no hosts; add them with \"tallyman host create\" or \"tallyman import hosts\".");
  return kExitDone;
}

}  // namespace tallyman
