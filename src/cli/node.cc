// The words about nodes: place, list and show them. node_change.cc and node_logs.cc have the rest.
#include <fmt/core.h>

#include <map>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "cli/waiting.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {
namespace {

struct NodeCreate {
  v1::CreateNodesRequest request;
  Waiting waiting;
  ValueFiles files;
  // A placement is either of them: the request has one field for both.
  google::protobuf::RepeatedPtrField<std::string> hosts;  // HOST or HOST=COUNT
  google::protobuf::RepeatedPtrField<std::string> names;
  std::string region;
  bool spread = false;
  bool pack = false;
};

Error BadPlacement(std::string why) { return InvalidArgument("INVALID_PLACEMENT", std::move(why)); }

// Each HOST or HOST=COUNT. --count spreads evenly over hosts that name no count.
Status PlaceOnHosts(const NodeCreate& create, v1::CreateNodesRequest& request) {
  std::vector<v1::HostCount*> open;
  for (const std::string& text : create.hosts) {
    v1::HostCount& host = *request.mutable_by_hosts()->add_hosts();
    const size_t equals = text.find('=');
    host.set_host(text.substr(0, equals));
    if (equals == std::string::npos) {
      open.push_back(&host);
      continue;
    }
    ASSIGN_OR_RETURN(const int64_t number, ParseCount("--host " + host.host(),
                                                      std::string_view(text).substr(equals + 1)));
    host.set_count(number);
  }
  if (open.empty()) return {};
  const auto hosts = static_cast<int64_t>(open.size());
  if (hosts != create.hosts.size())
    return Fail(
        BadPlacement("some of the --host options have a count and some have none: write HOST=COUNT "
                     "in all or none"));
  if (request.count() == 0) request.set_count(hosts);
  const int64_t nodes = request.count();
  if (nodes < hosts) {
    return Fail(BadPlacement(fmt::format(
        "--count is {}, fewer than the {} hosts that are named: raise it or name fewer hosts",
        nodes, hosts)));
  }
  for (int64_t i = 0; i < hosts; ++i)
    open[i]->set_count(nodes / hosts + (i < nodes % hosts ? 1 : 0));
  return {};
}

Status Place(const NodeCreate& create, v1::CreateNodesRequest& request) {
  if (create.hosts.empty() == create.region.empty())
    return Fail(BadPlacement("no place is given: add either --region REGION or --host HOST"));
  if (!create.hosts.empty()) {
    if (create.spread || create.pack)
      return Fail(
          BadPlacement("--spread and --pack choose among the hosts of a region: add --region "
                       "instead of --host"));
    return PlaceOnHosts(create, request);
  }
  if (request.count() == 0) request.set_count(1);
  request.mutable_by_region()->set_region(create.region);
  request.mutable_by_region()->set_strategy(create.pack ? v1::PLACEMENT_STRATEGY_PACK
                                                        : v1::PLACEMENT_STRATEGY_SPREAD);
  return {};
}

ExitStatus CreateNodes(Context& context, NodeCreate& create) {
  v1::CreateNodesRequest& request = create.request;
  if (!create.names.empty()) {
    const std::vector<std::string> names(create.names.begin(), create.names.end());
    SetNames(names, request);
    if (request.count() == 0) request.set_count(create.names.size());
  }
  RETURN_IF_ERROR(Place(create, request));
  RETURN_IF_ERROR(ReadValueFiles(context, create.files, *request.mutable_values()));
  // Before the org, which may have to be created: a misspelt image leaves none.
  v1::GetImageRequest image;
  image.set_image(request.image());
  RETURN_IF_ERROR(context.Call<v1::GetImageResponse>(image));
  ASSIGN_OR_RETURN(*request.mutable_org(), ChooseOrg(context, request.org(), request.dry_run()));
  ASSIGN_OR_RETURN(
      const auto response,
      Change<v1::CreateNodesResponse>(context, request,
                                      fmt::format("placing {}", Counted(request.count(), "node"))));
  RETURN_IF_ERROR(CheckNames(request, response.changes()));
  context.Answer(response, [&] { PrintChanges(context, response.changes(), "Created"); });
  RETURN_IF_ERROR(WaitForHosts(context, response.changes(), create.waiting));
  return kExitDone;
}

std::string HowItEnded(const v1::ContainerEnd& end) {
  std::string text = end.signal() != 0 ? fmt::format("by signal {}", end.signal())
                                       : fmt::format("exit code {}", end.exit_code());
  if (end.out_of_memory()) text += ", it had used all its memory";
  if (end.has_at()) text += ", at " + FormatTimestamp(end.at());
  return text;
}

std::string HowOften(const v1::ReportedNode& said) {
  if (said.restarts() == 0 && said.crashes() == 0 && said.out_of_memory() == 0) return {};
  return fmt::format("{}; it ended by itself {}, out of memory {}",
                     Counted(said.restarts(), "restart"), Counted(said.crashes(), "time"),
                     Counted(said.out_of_memory(), "time"));
}

// What its host says of it.
void PrintReported(Context& context, const v1::Node& node) {
  if (!node.has_reported()) return;
  const v1::ReportedNode& said = node.reported();
  std::string used;
  if (said.disk_used_bytes() > 0) {
    used = fmt::format("about {} of {}", FormatAmount(kDimensionViews[2], said.disk_used_bytes()),
                       FormatAmount(kDimensionViews[2], node.resources().disk_bytes()));
  }
  context.Detail("");
  PrintFields(context, {{"on the host", EnumWord(said.run_state())},
                        {"health", EnumWord(said.health())},
                        {"restarts", HowOften(said)},
                        {"last end", said.has_last_end() ? HowItEnded(said.last_end()) : ""},
                        {"disk used", used},
                        {"image digest", said.image_digest()},
                        {"since", FormatTimestamp(said.since())}});
  PrintBlock(context, "what is wrong with it:", said.problem(), Colour::kRed);
  if (said.health() == v1::HEALTH_UNHEALTHY)
    PrintBlock(context, "why it is unhealthy:", said.health_message(), Colour::kRed);
  PrintBlock(context, "what it printed last before it ended:", said.last_end().output());
}

// The node's newest command, where it did not go well: what the host said of it.
Status PrintLastCommand(Context& context, const v1::Node& node) {
  v1::ListCommandsRequest request;
  request.set_filter("node=" + node.id());
  request.set_order_by("created_at desc");
  request.set_page_size(1);
  ASSIGN_OR_RETURN(const auto commands, context.Call<v1::ListCommandsResponse>(request));
  if (commands.commands().empty()) return {};
  const v1::Command& command = commands.commands(0);
  if (command.outcome().empty() || command.state() == v1::COMMAND_STATE_SETTLED) return {};
  PrintBlock(context,
             fmt::format("its last command, {} {}, is {}:", EnumWord(command.kind()), command.id(),
                         EnumWord(command.state())),
             command.outcome(), Colour::kRed);
  return {};
}

// Whether it is on, and what will act on it.
std::string AutoUpgradeOf(const v1::Node& node) {
  const std::string& policy = node.upgrade_policy();
  if (!node.auto_upgrade())
    return policy.empty() ? "off" : fmt::format("off: policy {} leaves it out", policy);
  return policy.empty() ? "on, but no policy of this org matches: nothing upgrades it by itself"
                        : fmt::format("on, by policy {}", policy);
}

void PrintNode(Context& context, const v1::Node& node) {
  const v1::Resources& held = node.held();
  const bool holds = held.cpu_cores() != 0 || held.memory_bytes() != 0 || held.disk_bytes() != 0;
  PrintFields(context,
              {{"node", node.name()},
               {"id", node.id()},
               {"org", node.org()},
               {"host", node.host()},
               {"host silent since", FormatTimestamp(node.host_silent_since())},
               {"region", node.region()},
               {"image", node.image()},
               {"runs", node.running_config_id().empty() ? "nothing, as far as the host reports"
                                                         : node.running_image()},
               {"state", EnumWord(node.node_state())},
               {"asked for", EnumWord(node.next_state())},
               {"charged", FormatResources(node.resources())},
               {"held", holds ? FormatResources(held) : "nothing"},
               {"auto upgrade", AutoUpgradeOf(node)},
               {"config", node.config_id()},
               {"version", std::to_string(node.version())},
               {"created", FormatTimestamp(node.created_at())},
               {"updated", FormatTimestamp(node.updated_at())},
               {"released", FormatTimestamp(node.released_at())},
               {"deleted", FormatTimestamp(node.deleted_at())}});
}

ExitStatus ShowNode(Context& context, v1::GetNodeRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetNodeResponse>(request));
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  const v1::Node& node = response.node();
  PrintNode(context, node);
  PrintReported(context, node);
  RETURN_IF_ERROR(PrintLastCommand(context, node));
  if (node.config().forgotten()) {
    context.Detail("");
    context.Detail("Its values and firewall rules are no longer kept.");
  }
  // A protobuf map has no order of its own.
  const std::map<std::string, std::string> values(node.config().values().begin(),
                                                  node.config().values().end());
  Table table({{"PROPERTY", Align::kLeft, true}, {"VALUE", Align::kLeft, true}});
  for (const auto& [key, value] : values) table.AddRow({{key}, {value}});
  const std::map<std::string, bool> secrets(node.config().secrets().begin(),
                                            node.config().secrets().end());
  for (const auto& [key, is_set] : secrets) table.AddRow({{key}, {is_set ? "set" : "not set"}});
  PrintBelow(context, table);
  PrintBelow(context, FirewallTable(node.config().firewall_rules()));
  return kExitDone;
}

void DefineNodeCreate(Word node) {
  auto [verb, create] = node.Verb<NodeCreate>(
      "create", "Create nodes and place them on hosts",
      "  tallyman node create --image ethereum/reth-mainnet-full@0.0.9 --count 20 \\\n"
      "    --region eu-west --spread\n"
      "  tallyman node create eth-1 eth-2 --image ethereum/reth-mainnet-full@0.0.9 --host h1\n"
      "  tallyman node create --image tellor/layerd-testnet-full@0.0.1 --host h1=2 --host h2=1 \\\n"
      "    --name-prefix tellor --dry-run",
      CreateNodes);
  v1::CreateNodesRequest& request = create.request;
  const Option names = verb.Arguments("NAME", &create.names, "Their names, one for each node");
  verb.Text("--image", "IMAGE", request.mutable_image(), "PROTOCOL/VARIANT@VERSION[+BUILD] or id")
      .Required();
  verb.Number("--count", request, &v1::CreateNodesRequest::set_count,
              "How many (default: 1, or one per --host)");
  verb.Text("--region", "REGION", &create.region, "Place them anywhere in this region");
  const Option spread =
      verb.Flag("--spread", &create.spread, "In the region: the emptiest host first (default)");
  verb.Flag("--pack", &create.pack, "In the region: the fullest host that fits").Excludes(spread);
  verb.Texts("--host", "HOST[=COUNT]", &create.hosts,
             "Place them on this host (repeat for several)");
  // Setting a field of a oneof selects it, even with an empty text.
  const auto set_name = [&request](const auto&, const auto& name) -> Status {
    if (!name.empty()) request.set_name(name);
    return {};
  };
  const auto set_prefix = [&request](const auto&, const auto& prefix) -> Status {
    if (!prefix.empty()) request.set_name_prefix(prefix);
    return {};
  };
  const Option name =
      verb.Value("--name", "NAME", set_name, "Name of the only node").Excludes(names);
  verb.Value("--name-prefix", "PREFIX", set_prefix,
             "Names PREFIX-1, PREFIX-2, ... (default: PROTOCOL-VARIANT)")
      .Excludes(name)
      .Excludes(names);
  verb.Text("--org", "ORG", request.mutable_org(),
            "Who owns them (default: TALLYMAN_ORG, or the only org)");
  AddValues(verb, request.mutable_values(), &create.files,
            "Set a property of the image (repeat for several)");
  AddFirewallRules(verb, request.mutable_firewall_rules());
  verb.Flag("--auto-upgrade", request, &v1::CreateNodesRequest::set_auto_upgrade,
            "Mark them for automatic upgrades");
  AddChange(verb, request);
  AddWait(verb, &create.waiting);
}

void DefineNodeList(Word noun) {
  const ListCommand<v1::ListNodesRequest, v1::ListNodesResponse, v1::Node> list = {
      .description = "List nodes",
      .examples =
          "  tallyman node list --host h1\n"
          "  tallyman node list --protocol ethereum --filter variant=reth-mainnet-full",
      .item = "node",
      .filters = {{"--org", "ORG", "org", "Only of this org"},
                  {"--host", "HOST", "host", "Only on this host"},
                  {"--region", "REGION", "region", "Only in this region"},
                  {"--image", "IMAGE", "image", "Only of this image"},
                  {"--protocol", "PROTOCOL", "protocol", "Only of this protocol"},
                  {"--state", "STATE", "node_state",
                   "Only in this state, such as running or failed"}},
      .fields =
          "name, org, host, region, protocol, variant, semantic_version, image_id, node_state, "
          "next_state, cpu_cores, memory_bytes, disk_bytes, created_at, updated_at, unwell",
      .more_fields = "image",
      .by_name = true,
      .columns = NodeColumns(NodeTableOf::kFleet),
      .items = &v1::ListNodesResponse::nodes,
      .row = [](Context&, const v1::Node& node) { return NodeRow(node, NodeTableOf::kFleet); },
      .when_empty = "There are no nodes; create some with \"tallyman node create\"."};
  auto [verb, listed] = list.Define(noun);
  verb.Flag("--deleted", listed.request, &v1::ListNodesRequest::set_show_deleted,
            "Include deleted nodes");
}

}  // namespace

void DefineNode(Word root) {
  Word node = root.Noun(
      "node", "Nodes: create, show, upgrade and delete them",
      "  tallyman node create --image ethereum/reth-mainnet-full@0.0.9 --count 20 "
      "--region eu-west\n"
      "  tallyman node upgrade eth-1 --image ethereum/reth-mainnet-full@0.0.10 --dry-run\n"
      "  tallyman node list --host h1");
  DefineNodeCreate(node);
  DefineNodeList(node);
  auto [show, shown] =
      node.Verb<v1::GetNodeRequest>("show", "Show a node, its config, and what its host reports",
                                    "  tallyman node show eth-1", ShowNode);
  show.Argument("NODE", shown.mutable_node(), "Name or id; a deleted node only by its id");
  DefineNodeLogs(node);
  DefineNodeChanges(node);
}

}  // namespace tallyman::cli
