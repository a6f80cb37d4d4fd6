// Commands that place and show nodes.
#include <fmt/core.h>

#include <map>

#include "base/text.h"
#include "cli/document.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman {
namespace {

// Each HOST or HOST=COUNT. --count spreads evenly over hosts that name no count.
Status ReadHostPlacement(const NodeCreateOptions& options, int64_t count,
                         v1::CreateNodesRequest& request) {
  std::vector<v1::HostCount*> open;
  for (const std::string& text : options.hosts) {
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
  if (open.empty()) {
    request.set_count(count);
    return {};
  }
  if (open.size() != options.hosts.size()) {
    return Fail(
        InvalidArgument("INVALID_PLACEMENT", "give a count to every --host HOST=COUNT or to none"));
  }
  const auto hosts = static_cast<int64_t>(open.size());
  const int64_t nodes = count == 0 ? hosts : count;
  if (nodes < hosts) {
    return Fail(
        InvalidArgument("INVALID_PLACEMENT",
                        fmt::format("--count {} is fewer than the {} hosts named", nodes, hosts)));
  }
  for (int64_t i = 0; i < hosts; ++i)
    open[i]->set_count(nodes / hosts + (i < nodes % hosts ? 1 : 0));
  request.set_count(nodes);
  return {};
}

Status ReadPlacement(const NodeCreateOptions& options, v1::CreateNodesRequest& request) {
  int64_t count = 0;
  if (!options.count.empty()) {
    ASSIGN_OR_RETURN(count, ParseCount("--count", options.count));
    if (count == 0) {
      return Fail(InvalidArgument("INVALID_NUMBER", "--count is 0: write 1 or more")
                      .With("field", "count"));
    }
  }
  if (options.hosts.empty() == options.region.empty()) {
    return Fail(
        InvalidArgument("INVALID_PLACEMENT", "say where: either --region REGION or --host HOST"));
  }
  if (!options.hosts.empty()) {
    if (options.spread || options.pack) {
      return Fail(InvalidArgument("INVALID_PLACEMENT",
                                  "--spread and --pack choose among the hosts of a --region"));
    }
    return ReadHostPlacement(options, count, request);
  }
  request.set_count(count == 0 ? 1 : count);
  request.mutable_by_region()->set_region(options.region);
  request.mutable_by_region()->set_strategy(options.pack ? v1::PLACEMENT_STRATEGY_PACK
                                                         : v1::PLACEMENT_STRATEGY_SPREAD);
  return {};
}

}  // namespace

CommandResult CreateNodes(Context& context, const NodeCreateOptions& options) {
  v1::CreateNodesRequest request;
  SetChange(context, options.change, request);
  request.set_image(options.image);
  request.set_auto_upgrade(options.auto_upgrade);
  if (!options.name.empty()) request.set_name(options.name);
  if (!options.name_prefix.empty()) request.set_name_prefix(options.name_prefix);
  RETURN_IF_ERROR(ReadPlacement(options, request));
  ASSIGN_OR_RETURN(const auto values, ReadKeyValues("--set", options.values));
  for (const auto& [key, value] : values) (*request.mutable_values())[key] = value;
  for (const std::string& text : options.firewall_rules) {
    ASSIGN_OR_RETURN(*request.add_firewall_rules(), ReadFirewallRule("--firewall-rule", text));
  }
  // Before the org, which may have to be made: a misspelt image leaves none behind.
  v1::GetImageRequest image;
  image.set_image(options.image);
  RETURN_IF_ERROR(context.Call<v1::GetImageResponse>("tallyman.v1.CatalogService/GetImage", image));
  ASSIGN_OR_RETURN(const std::string org, ChooseOrg(context, options.org, options.change.dry_run));
  request.set_org(org);
  v1::CreateNodesResponse response;
  {
    const Progress progress(context, fmt::format("placing {}", Counted(request.count(), "node")));
    RETURN_IF_ERROR(context.Call("tallyman.v1.NodeService/CreateNodes", request, response));
  }
  if (!context.is_table()) {
    context.PrintDocument(response);
  } else {
    PrintChanges(context, response.changes(), "Created");
  }
  return kExitDone;
}

CommandResult ListNodes(Context& context, const NodeListOptions& options) {
  v1::ListNodesRequest request;
  std::string& filter = *request.mutable_filter();
  AddFilter(filter, "org", options.org);
  AddFilter(filter, "host", options.host);
  AddFilter(filter, "region", options.region);
  AddFilter(filter, "image", options.image);
  AddFilter(filter, "protocol", options.protocol);
  AddFilter(filter, "node_state", options.state);
  request.set_show_deleted(options.deleted);
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListNodesResponse>(context, "tallyman.v1.NodeService/ListNodes",
                                                  request, options.list));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  PrintList(context, NodeTable(list, NodeTableOf::kFleet), "There are no such nodes.");
  return kExitDone;
}

namespace {

std::string HowItEnded(const v1::ContainerEnd& end) {
  std::string text = end.signal() != 0 ? fmt::format("by signal {}", end.signal())
                                       : fmt::format("exit code {}", end.exit_code());
  if (end.out_of_memory()) text += ", it had used all its memory";
  if (end.has_at()) text += ", at " + FormatTimestamp(end.at());
  return text;
}

std::string HowOften(const v1::ReportedNode& said) {
  if (said.restarts() == 0 && said.crashes() == 0 && said.out_of_memory() == 0) return {};
  return fmt::format("{}; it ended by itself {}, for want of memory {}",
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
  PrintFields(context,
              {{"on the host", EnumWord(v1::RunState_Name(said.run_state()), "RUN_STATE_")},
               {"health", EnumWord(v1::Health_Name(said.health()), "HEALTH_")},
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
  ASSIGN_OR_RETURN(const auto commands, context.Call<v1::ListCommandsResponse>(
                                            "tallyman.v1.CommandService/ListCommands", request));
  if (commands.commands().empty()) return {};
  const v1::Command& command = commands.commands(0);
  if (command.outcome().empty() || command.state() == v1::COMMAND_STATE_SETTLED) return {};
  PrintBlock(
      context,
      fmt::format("its last command, {} {}, is {}:",
                  EnumWord(v1::CommandKind_Name(command.kind()), "COMMAND_KIND_"), command.id(),
                  EnumWord(v1::CommandState_Name(command.state()), "COMMAND_STATE_")),
      command.outcome(), Colour::kRed);
  return {};
}

}  // namespace

CommandResult ShowNode(Context& context, const std::string& name) {
  v1::GetNodeRequest request;
  request.set_node(name);
  ASSIGN_OR_RETURN(const auto response,
                   context.Call<v1::GetNodeResponse>("tallyman.v1.NodeService/GetNode", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  const v1::Node& node = response.node();
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
               {"runs", node.running_config_id().empty() ? "nothing, as far as the host has said"
                                                         : node.running_image()},
               {"state", EnumWord(v1::NodeState_Name(node.node_state()), "NODE_STATE_")},
               {"asked for", EnumWord(v1::NextState_Name(node.next_state()), "NEXT_STATE_")},
               {"charged", FormatResources(node.resources())},
               {"held", holds ? FormatResources(held) : "nothing"},
               {"auto upgrade", node.auto_upgrade() ? "on" : "off"},
               {"config", node.config_id()},
               {"version", std::to_string(node.version())},
               {"created", FormatTimestamp(node.created_at())},
               {"updated", FormatTimestamp(node.updated_at())},
               {"released", FormatTimestamp(node.released_at())},
               {"deleted", FormatTimestamp(node.deleted_at())}});
  PrintReported(context, node);
  RETURN_IF_ERROR(PrintLastCommand(context, node));
  if (!node.config().values().empty()) {
    Table table({{"PROPERTY", Align::kLeft, true}, {"VALUE", Align::kLeft, true}});
    // A protobuf map has no order of its own.
    const std::map<std::string, std::string> values(node.config().values().begin(),
                                                    node.config().values().end());
    for (const auto& [key, value] : values) table.AddRow({{key}, {value}});
    context.Detail("");
    context.Detail(table);
  }
  if (!node.config().firewall_rules().empty()) {
    context.Detail("");
    context.Detail(FirewallTable(node.config().firewall_rules()));
  }
  return kExitDone;
}

}  // namespace tallyman
