// The words about hosts.
#include <fmt/core.h>

#include <boost/json.hpp>

#include "cli/document.h"
#include "cli/format.h"
#include "cli/import_rows.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {
namespace {

constexpr const char* kPolicyHelp =
    "What happens when an upgrade exceeds it: default, warn or enforce";

struct HostUpdate {
  v1::UpdateHostRequest request;
  // The dimensions that were given, and their new capacity.
  std::vector<const DimensionView*> given;
  v1::Resources capacity;
};

// Cells of amounts of one dimension, all in units alike; the last of them is what is free.
std::vector<Cell> AmountCells(const DimensionView& dimension, const std::vector<int64_t>& amounts) {
  std::vector<Cell> cells;
  for (std::string& text : FormatAlike(dimension, amounts)) cells.push_back({std::move(text)});
  if (amounts.back() < 0) cells.back().colour = Colour::kRed;
  return cells;
}

ExitStatus CreateHost(Context& context, v1::CreateHostsRequest& request) {
  auto created = Change<v1::CreateHostsResponse>(context, request);
  if (!created) {
    DropIndex(created.error());
    return Fail(std::move(created).error());
  }
  return context.Answer(*created, [&] {
    const v1::HostSpec& spec = request.hosts(0);
    PrintOutcome(context, created->applied(),
                 fmt::format("Created host {} in {}: {}.", spec.name(), spec.region(),
                             FormatResources(spec.capacity())),
                 "");
  });
}

void PrintHostChange(Context& context, const v1::UpdateHostResponse& response) {
  const v1::Host& host = response.host();
  Table table({{"DIMENSION"},
               {"BEFORE", Align::kRight},
               {"AFTER", Align::kRight},
               {"DIFFERENCE", Align::kRight},
               {"USED", Align::kRight},
               {"HELD", Align::kRight},
               {"FREE", Align::kRight}},
              true);
  for (const DimensionView& dimension : kDimensionViews) {
    const int64_t before = (response.capacity_before().*dimension.get)();
    const int64_t after = (host.capacity().*dimension.get)();
    std::vector<Cell> row = AmountCells(
        dimension, {before, after, after - before, (host.books().allocated().*dimension.get)(),
                    (host.held().*dimension.get)(), (host.free().*dimension.get)()});
    if (after > before) row[2].text.insert(0, "+");
    if (after == before) row[2].text = "0";
    row.insert(row.begin(), {std::string(dimension.word)});
    table.AddRow(std::move(row));
  }
  context.Detail(table);
  if (response.capacity_policy_before() != host.capacity_policy()) {
    context.Detail(fmt::format("capacity policy: {} -> {}",
                               EnumWord(response.capacity_policy_before()),
                               EnumWord(host.capacity_policy())));
  }
  PrintOutcome(context, response.applied(), fmt::format("Updated host {}.", host.name()),
               response.plan_token());
}

ExitStatus UpdateHost(Context& context, HostUpdate& update) {
  v1::UpdateHostRequest& request = update.request;
  if (!update.given.empty()) {
    // The method takes the whole capacity; what is not given stays as it is.
    v1::GetHostRequest get;
    get.set_host(request.host());
    ASSIGN_OR_RETURN(const auto current, context.Call<v1::GetHostResponse>(get));
    v1::Resources& capacity = *request.mutable_capacity();
    capacity = current.host().capacity();
    for (const DimensionView* dimension : update.given)
      (capacity.*dimension->set)((update.capacity.*dimension->get)());
  } else if (request.capacity_policy() == v1::CAPACITY_POLICY_UNSPECIFIED) {
    return Fail(InvalidArgument(
        "NOTHING_TO_CHANGE",
        "there is nothing to change: add --cpu, --memory, --disk or --capacity-policy"));
  }
  ASSIGN_OR_RETURN(const auto response, Change<v1::UpdateHostResponse>(context, request));
  return context.Answer(response, [&] { PrintHostChange(context, response); });
}

void PrintReportedHost(Context& context, const v1::Host& host) {
  if (!host.has_reported()) return;
  const v1::ReportedHost& said = host.reported();
  context.Detail("");
  PrintFields(
      context,
      {{"heard", FormatTimestamp(said.heard_at())},
       {"measured", said.has_capacity() ? FormatResources(said.capacity()) : ""},
       {"reserved", said.has_reserved() ? FormatResources(said.reserved()) : ""},
       {"disks", said.thin_disks() ? "thin: nodes may be promised more than there is" : ""},
       {"agent", said.agent_version()},
       {"unknown", said.unknown_nodes() == 0
                       ? ""
                       : fmt::format("{} that this host does not have: `tallyman audit --host {}`",
                                     Counted(said.unknown_nodes(), "node"), host.name())}});
  PrintBlock(context, "what is wrong with it:", said.problem(), Colour::kRed);
}

void PrintHostBooks(Context& context, const v1::Host& host) {
  Table table({{"DIMENSION"},
               {"CAPACITY", Align::kRight},
               {"USED", Align::kRight},
               {"HELD", Align::kRight},
               {"FREE", Align::kRight}},
              true);
  table.AddRow({{"nodes"}, {}, {std::to_string(host.books().node_count())}});
  for (const DimensionView& dimension : kDimensionViews) {
    std::vector<Cell> row = AmountCells(
        dimension, {(host.capacity().*dimension.get)(), (host.books().allocated().*dimension.get)(),
                    (host.held().*dimension.get)(), (host.free().*dimension.get)()});
    row.insert(row.begin(), {std::string(dimension.word)});
    table.AddRow(std::move(row));
  }
  context.Detail(table);
}

ExitStatus ShowHost(Context& context, v1::GetHostRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetHostResponse>(request));
  const v1::Host& host = response.host();
  v1::ListNodesRequest list_nodes;
  list_nodes.set_filter("host=" + host.id());
  ASSIGN_OR_RETURN(const auto nodes, ListAll<v1::ListNodesResponse>(context, list_nodes));
  if (!context.is_table()) {
    boost::json::object document = ToDocument(response).get_object();
    document["nodes"] = ToDocument(nodes).at("nodes");
    context.PrintDocument(document);
    return kExitDone;
  }
  PrintFields(context, {{"host", host.name()},
                        {"id", host.id()},
                        {"region", host.region()},
                        {"state", HostState(host).text},
                        {"silent since", FormatTimestamp(host.silent_since())},
                        {"capacity policy", EnumWord(host.capacity_policy())},
                        {"ledger entries", std::to_string(host.ledger_seq())},
                        {"version", std::to_string(host.version())}});
  PrintReportedHost(context, host);
  PrintClaims(context, host);
  PrintDrain(context, host);
  context.Detail("");
  PrintHostBooks(context, host);
  context.Detail("");
  std::vector<std::vector<Cell>> rows;
  for (const v1::Node& node : nodes.nodes()) rows.push_back(NodeRow(node, NodeTableOf::kOneHost));
  SortNaturally(rows);
  Table table(NodeColumns(NodeTableOf::kOneHost), true);
  for (auto& row : rows) table.AddRow(std::move(row));
  PrintList(context, table, "It has no nodes.");
  return kExitDone;
}

void DefineHostChanges(Word host) {
  auto [create, created] = host.Verb<v1::CreateHostsRequest>(
      "create", "Register a host",
      "  tallyman host create h1 --region eu-west --cpu 64 --memory 256GiB --disk 8TB", CreateHost);
  v1::HostSpec& spec = *created.add_hosts();
  create.Argument("NAME", spec.mutable_name(), "Its name");
  create.Text("--region", "REGION", spec.mutable_region(), "The region it belongs to").Required();
  AddAmounts(create, spec.mutable_capacity(), "Capacity", true);
  create.Choice("--capacity-policy", "POLICY", spec, &v1::HostSpec::set_capacity_policy,
                kPolicyHelp);
  AddDryRun(create, created);
  AddRequestId(create, created);

  auto [update, updated] =
      host.Verb<HostUpdate>("update", "Change a host's capacity or capacity policy",
                            "  tallyman host update h1 --memory 512GiB\n"
                            "  tallyman host update h1 --capacity-policy enforce --dry-run",
                            UpdateHost);
  update.Argument("HOST", updated.request.mutable_host(), "Name or id");
  AddAmounts(update, &updated.capacity, "New capacity", false, &updated.given);
  update.Choice("--capacity-policy", "POLICY", updated.request,
                &v1::UpdateHostRequest::set_capacity_policy, kPolicyHelp);
  AddExpectedVersion(update, updated.request);
  AddChange(update, updated.request);
}

void DefineHostList(Word noun) {
  const ListCommand<v1::ListHostsRequest, v1::ListHostsResponse, v1::Host> list = {
      .description = "List hosts with their books",
      .examples = "  tallyman host list --region eu-west",
      .item = "host",
      .filters = {{"--region", "REGION", "region", "Only of this region"}},
      .fields =
          "name, region, liveness, node_count, free_cpu_cores, free_memory_bytes, "
          "free_disk_bytes, cpu_cores, memory_bytes, disk_bytes, node_cpu_cores, "
          "node_memory_bytes, node_disk_bytes, created_at, cordoned, drain, over_capacity, "
          "has_problem, "
          "cpu_taken_permille, memory_taken_permille, disk_taken_permille, taken_permille",
      .by_name = true,
      .columns = {{"HOST", Align::kLeft, true},
                  {"REGION", Align::kLeft, true},
                  {"STATE"},
                  {"NODES", Align::kRight},
                  {"CPU USED", Align::kRight},
                  {.title = "FREE", .align = Align::kRight, .key = "cpu_free"},
                  {"MEMORY USED", Align::kRight},
                  {.title = "FREE", .align = Align::kRight, .key = "memory_free"},
                  {"DISK USED", Align::kRight},
                  {.title = "FREE", .align = Align::kRight, .key = "disk_free"},
                  {.title = "CPU", .align = Align::kRight, .is_wide = true},
                  {.title = "MEMORY", .align = Align::kRight, .is_wide = true},
                  {.title = "DISK", .align = Align::kRight, .is_wide = true},
                  {.title = "HEARD", .is_wide = true},
                  {.title = "AGENT", .is_wide = true},
                  {.title = "CREATED", .is_wide = true},
                  {.title = "ID", .is_wide = true}},
      .items = &v1::ListHostsResponse::hosts,
      .row = [](Context&, const v1::Host& host) -> std::vector<Cell> {
        std::vector<Cell> row = {{host.name()},
                                 {host.region()},
                                 HostState(host),
                                 {std::to_string(host.books().node_count())}};
        std::vector<Cell> capacity;
        for (const DimensionView& d : kDimensionViews) {
          std::vector<Cell> cells =
              AmountCells(d, {(host.capacity().*d.get)(), (host.books().allocated().*d.get)(),
                              (host.free().*d.get)()});
          capacity.push_back(std::move(cells[0]));
          row.push_back(std::move(cells[1]));
          row.push_back(std::move(cells[2]));
        }
        row.insert(row.end(), capacity.begin(), capacity.end());
        row.push_back({FormatTimestamp(host.reported().heard_at())});
        row.push_back({host.reported().agent_version()});
        row.push_back({FormatTimestamp(host.created_at())});
        row.push_back({host.id()});
        return row;
      },
      .when_empty =
          "There are no hosts; add them with \"tallyman host create\" or \"tallyman "
          "import hosts\"."};
  auto [verb, listed] = list.Define(noun);
  verb.Flag("--retired", listed.request, &v1::ListHostsRequest::set_show_retired,
            "Include retired hosts");
}

}  // namespace

void DefineHost(Word root) {
  Word host =
      root.Noun("host", "Hosts: machines, their capacity and their books",
                "  tallyman host create h1 --region eu-west --cpu 64 --memory 256GiB --disk 8TB\n"
                "  tallyman host list --region eu-west\n"
                "  tallyman host show h1");
  DefineHostChanges(host);
  DefineHostClaims(host);
  DefineHostDrain(host);
  DefineHostList(host);
  auto [show, shown] = host.Verb<v1::GetHostRequest>(
      "show", "Show a host: capacity, books, holds, free, and its nodes",
      "  tallyman host show h1\n"
      "  tallyman host show h1 -o json",
      ShowHost);
  show.Argument("HOST", shown.mutable_host(), "Name or id");
}

}  // namespace tallyman::cli
