// Commands that change nodes that exist.
#include <fmt/core.h>

#include "base/text.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman {
namespace {

Error NotConfirmed(std::string_view what) {
  return InvalidArgument(
      "NOT_CONFIRMED",
      fmt::format("nothing was {}: add --yes to do what is shown, or --dry-run only "
                  "to see it",
                  what));
}

// Sends a request on nodes and shows the changes it answers with.
template <class Response, class Request>
CommandResult SendChange(Context& context, std::string_view method, const Request& request,
                         std::string_view doing, std::string_view done) {
  Response response;
  {
    const Progress progress(context, std::string(doing));
    RETURN_IF_ERROR(context.Call(method, request, response));
  }
  if (!context.is_table()) {
    context.PrintDocument(response);
  } else {
    PrintChanges(context, response.changes(), done);
  }
  return kExitDone;
}

template <class Request>
Request NodesRequest(Context& context, const NodesOptions& options) {
  Request request;
  SetChange(context, options.change, request);
  for (const std::string& node : options.nodes) request.add_nodes(node);
  return request;
}

// PROTOCOL[/VARIANT[@VERSION]].
Status ReadSelector(const NodeUpgradeOptions& options, v1::NodeSelector& selector) {
  const std::string& text = options.all_of;
  const size_t slash = text.find('/');
  const size_t at = text.find('@');
  const bool dangling = text.empty() || slash == 0 || slash + 1 == text.size() ||
                        at + 1 == text.size() || (slash != std::string::npos && at == slash + 1);
  if (dangling || (at != std::string::npos && (slash == std::string::npos || at < slash))) {
    return Fail(InvalidArgument("INVALID_SELECTOR",
                                fmt::format("--all-of is {}: write PROTOCOL, PROTOCOL/VARIANT or "
                                            "PROTOCOL/VARIANT@VERSION",
                                            Quote(text))));
  }
  selector.set_protocol(text.substr(0, slash));
  if (slash != std::string::npos) {
    const size_t length = at == std::string::npos ? std::string::npos : at - slash - 1;
    selector.set_variant(text.substr(slash + 1, length));
  }
  if (at != std::string::npos) selector.set_semantic_version(text.substr(at + 1));
  selector.set_region(options.region);
  selector.set_org(options.org);
  return {};
}

Result<v1::UpgradeNodesRequest> ReadUpgrade(const NodeUpgradeOptions& options) {
  v1::UpgradeNodesRequest request;
  request.set_image(options.image);
  if (options.nodes.empty() == options.all_of.empty()) {
    return Fail(InvalidArgument("INVALID_ARGUMENTS",
                                "say which nodes: either NODE... or --all-of PROTOCOL/VARIANT"));
  }
  for (const std::string& node : options.nodes) request.add_nodes(node);
  if (!options.all_of.empty()) {
    RETURN_IF_ERROR(ReadSelector(options, *request.mutable_selector()));
  } else if (!options.region.empty() || !options.org.empty()) {
    return Fail(InvalidArgument("INVALID_ARGUMENTS", "--region and --org go with --all-of"));
  }
  return request;
}

}  // namespace

CommandResult UpdateNode(Context& context, const NodeUpdateOptions& options) {
  v1::UpdateNodeRequest request;
  SetChange(context, options.change, request);
  RETURN_IF_ERROR(SetExpectedVersion(options.change, request));
  request.set_node(options.node);
  ASSIGN_OR_RETURN(const auto values, ReadKeyValues("--set", options.set_values));
  for (const auto& [key, value] : values) (*request.mutable_set_values())[key] = value;
  for (const std::string& key : options.reset_values) request.add_reset_values(key);
  for (const std::string& text : options.set_firewall_rules) {
    ASSIGN_OR_RETURN(*request.add_set_firewall_rules(), ReadFirewallRule("--firewall-rule", text));
  }
  for (const std::string& key : options.reset_firewall_rules) request.add_reset_firewall_rules(key);
  if (!options.auto_upgrade.empty()) {
    if (options.auto_upgrade != "on" && options.auto_upgrade != "off") {
      return Fail(InvalidArgument(
          "INVALID_ARGUMENTS",
          fmt::format("--auto-upgrade is {}: write on or off", Quote(options.auto_upgrade))));
    }
    request.set_auto_upgrade(options.auto_upgrade == "on");
  }
  return SendChange<v1::UpdateNodeResponse>(context, "tallyman.v1.NodeService/UpdateNode", request,
                                            "updating " + options.node, "Updated");
}

CommandResult UpgradeNodes(Context& context, const NodeUpgradeOptions& options) {
  if (options.retry) {
    if (!options.image.empty() || !options.all_of.empty()) {
      return Fail(InvalidArgument("INVALID_ARGUMENTS",
                                  "--retry upgrades again to the same image: leave --image and "
                                  "--all-of out"));
    }
    return RetryUpgrades(context, {.nodes = options.nodes, .org = {}, .change = options.change});
  }
  if (options.image.empty()) {
    return Fail(InvalidArgument("INVALID_ARGUMENTS",
                                "say what to upgrade to: --image PROTOCOL/VARIANT@VERSION"));
  }
  ASSIGN_OR_RETURN(v1::UpgradeNodesRequest request, ReadUpgrade(options));
  SetChange(context, options.change, request);
  v1::UpgradeNodesResponse response;
  {
    const Progress progress(context, "upgrading");
    RETURN_IF_ERROR(context.Call("tallyman.v1.NodeService/UpgradeNodes", request, response));
  }
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  if (response.same_image_count() > 0) {
    context.Detail(fmt::format("{} left out: the image is there already.",
                               Counted(response.same_image_count(), "node")));
  }
  if (response.deleting_count() > 0) {
    context.Detail(
        fmt::format("{} left out: being deleted.", Counted(response.deleting_count(), "node")));
  }
  if (response.changes().nodes().empty()) {
    context.Line("There is nothing to upgrade.", Colour::kGreen);
    return kExitDone;
  }
  PrintChanges(context, response.changes(), "Upgraded");
  return kExitDone;
}

CommandResult RetryUpgrades(Context& context, const NodesOptions& options) {
  if (options.nodes.size() != 1) {
    return Fail(
        InvalidArgument("INVALID_ARGUMENTS", "a retry is for one node: write its name or id"));
  }
  v1::RetryUpgradeRequest request;
  SetChange(context, options.change, request);
  RETURN_IF_ERROR(SetExpectedVersion(options.change, request));
  request.set_node(options.nodes[0]);
  return SendChange<v1::RetryUpgradeResponse>(context, "tallyman.v1.NodeService/RetryUpgrade",
                                              request, "retrying " + options.nodes[0],
                                              "Tried again the upgrade of");
}

CommandResult MoveNodes(Context& context, const NodesOptions& options) {
  auto request = NodesRequest<v1::MoveNodesRequest>(context, options);
  request.set_org(options.org);
  return SendChange<v1::MoveNodesResponse>(context, "tallyman.v1.NodeService/MoveNodes", request,
                                           "moving", "Moved");
}

CommandResult StartNodes(Context& context, const NodesOptions& options) {
  return SendChange<v1::StartNodesResponse>(context, "tallyman.v1.NodeService/StartNodes",
                                            NodesRequest<v1::StartNodesRequest>(context, options),
                                            "asking hosts", "Asked to start");
}

CommandResult StopNodes(Context& context, const NodesOptions& options) {
  return SendChange<v1::StopNodesResponse>(context, "tallyman.v1.NodeService/StopNodes",
                                           NodesRequest<v1::StopNodesRequest>(context, options),
                                           "asking hosts", "Asked to stop");
}

CommandResult RestartNodes(Context& context, const NodesOptions& options) {
  return SendChange<v1::RestartNodesResponse>(
      context, "tallyman.v1.NodeService/RestartNodes",
      NodesRequest<v1::RestartNodesRequest>(context, options), "asking hosts", "Asked to restart");
}

CommandResult DeleteNodes(Context& context, const NodesOptions& options) {
  auto request = NodesRequest<v1::DeleteNodesRequest>(context, options);
  // Without a yes it is shown, not done; a plan token says that it was seen.
  const bool confirmed = options.change.yes || !options.change.plan_token.empty();
  if (!confirmed) request.set_dry_run(true);
  ASSIGN_OR_RETURN(const int status, SendChange<v1::DeleteNodesResponse>(
                                         context, "tallyman.v1.NodeService/DeleteNodes", request,
                                         "deleting", "Deleted"));
  if (!confirmed && !options.change.dry_run) return Fail(NotConfirmed("deleted"));
  return status;
}

}  // namespace tallyman
