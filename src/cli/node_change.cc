// The words that change nodes that exist.
#include <fmt/core.h>

#include <type_traits>

#include "base/text.h"
#include "cli/format.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/upgrade_parts.h"
#include "cli/views.h"
#include "cli/waiting.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {
namespace {

struct NodeDelete {
  v1::DeleteNodesRequest request;
  Waiting waiting;
  bool yes = false;
};

struct NodeUpdate {
  v1::UpdateNodeRequest request;
  Waiting waiting;
  ValueFiles files;
};

struct NodeUpgrade {
  v1::UpgradeNodesRequest request;
  Waiting waiting;
  NodesOf nodes_of;
  bool retry = false;
  bool in_parts = false;
};

// The options of a verb that takes nothing but its request.
template <class Request>
struct Waited {
  Request request;
  Waiting waiting;
};

// Sends a request on nodes, shows the changes it answers with, and waits for them.
template <class Response, class Request>
ExitStatus ChangeNodes(Context& context, Request& request, const std::string& doing,
                       std::string_view done, const Waiting& waiting) {
  ASSIGN_OR_RETURN(const auto response, Change<Response>(context, request, doing));
  context.Answer(response, [&] { PrintChanges(context, response.changes(), done); });
  RETURN_IF_ERROR(WaitForHosts(context, response.changes(), waiting));
  return kExitDone;
}

// What will act on a node whose auto_upgrade is on. Nothing where that cannot be read: the change
// stands.
void SayWhoUpgrades(Context& context, const std::string& name) {
  v1::GetNodeRequest request;
  request.set_node(name);
  const auto response = context.Call<v1::GetNodeResponse>(request);
  if (!response) return;
  const v1::Node& node = response->node();
  if (!node.upgrade_policy().empty()) {
    context.Detail(
        fmt::format("Upgrade policy {} acts on it; \"tallyman policy show {}\" says "
                    "what that would do now.",
                    node.upgrade_policy(), node.upgrade_policy()));
    return;
  }
  context.Detail(
      fmt::format("No policy of this org matches: nothing upgrades it by itself. Make "
                  "one with \"tallyman policy set NAME --org {} --protocol {} "
                  "--variant {}\".",
                  node.org(), node.protocol(), node.variant()));
}

ExitStatus UpdateNode(Context& context, NodeUpdate& update) {
  v1::UpdateNodeRequest& request = update.request;
  RETURN_IF_ERROR(ReadValueFiles(context, update.files, *request.mutable_set_values()));
  ASSIGN_OR_RETURN(const int status,
                   ChangeNodes<v1::UpdateNodeResponse>(
                       context, request, "updating " + request.node(), "Updated", update.waiting));
  if (request.auto_upgrade() && context.is_table()) SayWhoUpgrades(context, request.node());
  return status;
}

ExitStatus RetryUpgrade(Context& context, Waited<v1::RetryUpgradeRequest>& retry) {
  return ChangeNodes<v1::RetryUpgradeResponse>(context, retry.request,
                                               "retrying " + retry.request.node(),
                                               "Retried the upgrade of", retry.waiting);
}

ExitStatus DeleteNodes(Context& context, NodeDelete& options) {
  v1::DeleteNodesRequest& request = options.request;
  // Without --yes it is only shown; a plan token proves that it was shown before.
  const bool confirmed = options.yes || request.dry_run() || !request.plan_token().empty();
  if (!confirmed) request.set_dry_run(true);
  ASSIGN_OR_RETURN(const int status, ChangeNodes<v1::DeleteNodesResponse>(
                                         context, request, "deleting", "Deleted", options.waiting));
  if (confirmed) return status;
  return Fail(
      InvalidArgument("NOT_CONFIRMED",
                      "nothing was deleted: add --yes to delete what is shown, or --dry-run "
                      "to see it without this error"));
}

ExitStatus RetryOf(Context& context, const NodeUpgrade& upgrade) {
  const v1::UpgradeNodesRequest& request = upgrade.request;
  if (upgrade.in_parts) return Fail(BadArguments("--retry takes one node: leave --in-parts out"));
  if (request.has_begin_within())
    return Fail(BadArguments("a retry waits for its host: leave --begin-within out"));
  if (!request.image().empty() || !upgrade.nodes_of.all_of.empty()) {
    return Fail(BadArguments(
        "--retry repeats the upgrade to the same image: leave --image and --all-of out"));
  }
  if (request.nodes_size() != 1)
    return Fail(BadArguments("--retry takes exactly one node: write its name or id"));
  Waited<v1::RetryUpgradeRequest> retry{.waiting = upgrade.waiting};
  retry.request.set_request_id(request.request_id());
  retry.request.set_node(request.nodes(0));
  retry.request.set_dry_run(request.dry_run());
  retry.request.set_plan_token(request.plan_token());
  return RetryUpgrade(context, retry);
}

ExitStatus UpgradeNodes(Context& context, NodeUpgrade& upgrade) {
  if (upgrade.retry) return RetryOf(context, upgrade);
  v1::UpgradeNodesRequest& request = upgrade.request;
  if (request.image().empty())
    return Fail(BadArguments("no image is given: add --image PROTOCOL/VARIANT@VERSION"));
  ASSIGN_OR_RETURN(const auto selector, ChooseNodes(upgrade.nodes_of, !request.nodes().empty()));
  if (selector) *request.mutable_selector() = *selector;
  if (upgrade.in_parts) return UpgradeInParts(context, upgrade.request);
  ASSIGN_OR_RETURN(const auto response,
                   Change<v1::UpgradeNodesResponse>(context, upgrade.request, "upgrading"));
  context.Answer(response, [&] {
    if (response.same_image_count() > 0) {
      context.Detail(fmt::format("{} left out: already at this image.",
                                 Counted(response.same_image_count(), "node")));
    }
    if (response.deleting_count() > 0) {
      context.Detail(
          fmt::format("{} left out: being deleted.", Counted(response.deleting_count(), "node")));
    }
    if (response.changes().nodes().empty())
      return context.Line("There is nothing to upgrade.", Colour::kGreen);
    PrintChanges(context, response.changes(), "Upgraded");
  });
  RETURN_IF_ERROR(WaitForHosts(context, response.changes(), upgrade.waiting));
  return kExitDone;
}

void DefineUpdate(Word node) {
  auto [verb, changed] =
      node.Verb<NodeUpdate>("update", "Change a node's values, firewall rules or auto upgrade",
                            "  tallyman node update eth-1 --set archive=on --dry-run\n"
                            "  pass show eth-1 | tallyman node update eth-1 --set-file password=-\n"
                            "  tallyman node update eth-1 --reset archive --auto-upgrade on",
                            UpdateNode);
  v1::UpdateNodeRequest& request = changed.request;
  verb.Argument("NODE", request.mutable_node(), "Name or id");
  AddValues(verb, request.mutable_set_values(), &changed.files,
            "Set a property (repeat for several)");
  verb.Texts("--reset", "KEY", request.mutable_reset_values(), "Restore the image's default");
  AddFirewallRules(verb, request.mutable_set_firewall_rules());
  verb.Texts("--reset-firewall-rule", "KEY", request.mutable_reset_firewall_rules(),
             "Restore the image's rule of that key, or remove it");
  const auto set_auto = [&update = request](const auto& name, const auto& value) -> Status {
    if (value != "on" && value != "off")
      return Fail(BadArguments(fmt::format("{} is {}: write on or off", name, Quote(value))));
    update.set_auto_upgrade(value == "on");
    return {};
  };
  verb.Value("--auto-upgrade", "on|off", set_auto, "Whether it is marked for automatic upgrades");
  AddExpectedVersion(verb, request);
  AddChange(verb, request);
  AddWait(verb, &changed.waiting);
}

void DefineUpgrade(Word node) {
  auto [verb, upgrade] = node.Verb<NodeUpgrade>(
      "upgrade", "Upgrade nodes to an image: all of them or none",
      "  tallyman node upgrade eth-1 eth-2 --image ethereum/reth-mainnet-full@0.0.10 --dry-run\n"
      "  tallyman node upgrade --all-of ethereum/reth-mainnet-full@0.0.9 --region eu-west \\\n"
      "    --image ethereum/reth-mainnet-full@0.0.10\n"
      "  tallyman node upgrade eth-1 --retry",
      UpgradeNodes);
  verb.Arguments("NODE", upgrade.request.mutable_nodes(), "Names or ids");
  verb.Text("--image", "IMAGE", upgrade.request.mutable_image(),
            "The new image: PROTOCOL/VARIANT@VERSION[+BUILD] or id");
  AddNodesOf(verb, &upgrade.nodes_of);
  verb.Flag("--in-parts", &upgrade.in_parts,
            fmt::format("{} nodes at a time, each part all or none: for more nodes than one\n"
                        "request may change; a part that fails ends it",
                        kNodesInPart));
  AddSpan(verb, "--begin-within", upgrade.request, &v1::UpgradeNodesRequest::mutable_begin_within,
          "Such as 10m: what a host has not begun by then is withdrawn\n"
          "(default: it waits for its host)");
  verb.Flag("--retry", &upgrade.retry, "Retry an upgrade that failed on the host");
  AddChange(verb, upgrade.request);
  AddWait(verb, &upgrade.waiting);

  auto [retry, retried] = node.Verb<Waited<v1::RetryUpgradeRequest>>(
      "retry", "Retry an upgrade that failed on the host", "  tallyman node retry eth-1",
      RetryUpgrade);
  retry.Argument("NODE", retried.request.mutable_node(), "Name or id");
  AddExpectedVersion(retry, retried.request);
  AddChange(retry, retried.request);
  AddWait(retry, &retried.waiting);
}

// A verb that takes nodes.
template <class Request, class Response>
std::pair<Word, Request&> DefineNodesVerb(Word node, const char* name, const char* description,
                                          const char* examples, const char* doing,
                                          const char* done) {
  auto [verb, options] = node.Verb<Waited<Request>>(
      name, description, examples, [=](Context& context, Waited<Request>& asked) {
        return ChangeNodes<Response>(context, asked.request, doing, done, asked.waiting);
      });
  verb.Arguments("NODE", options.request.mutable_nodes(), "Names or ids").Required();
  AddChange(verb, options.request);
  // A move is none of the hosts' business.
  if constexpr (!std::is_same_v<Request, v1::MoveNodesRequest>) AddWait(verb, &options.waiting);
  return {verb, options.request};
}

}  // namespace

void DefineNodeChanges(Word node) {
  DefineUpdate(node);
  DefineUpgrade(node);
  DefineNodesVerb<v1::StartNodesRequest, v1::StartNodesResponse>(
      node, "start", "Ask the hosts to start nodes", "  tallyman node start eth-1 eth-2",
      "asking hosts", "Asked to start");
  DefineNodesVerb<v1::StopNodesRequest, v1::StopNodesResponse>(
      node, "stop", "Ask the hosts to stop nodes; they stay charged", "  tallyman node stop eth-1",
      "asking hosts", "Asked to stop");
  DefineNodesVerb<v1::RestartNodesRequest, v1::RestartNodesResponse>(
      node, "restart", "Ask the hosts to restart nodes", "  tallyman node restart eth-1",
      "asking hosts", "Asked to restart");
  auto [move, moved] = DefineNodesVerb<v1::MoveNodesRequest, v1::MoveNodesResponse>(
      node, "move", "Give nodes to another org", "  tallyman node move eth-1 eth-2 --to acme",
      "moving", "Moved");
  move.Text("--to", "ORG", moved.mutable_org(), "Who will own them").Required();
  auto [remove, removed] =
      node.Verb<NodeDelete>("delete", "Delete nodes; without --yes it shows what would be done",
                            "  tallyman node delete eth-1\n"
                            "  tallyman node delete eth-1 --yes",
                            DeleteNodes);
  remove.Arguments("NODE", removed.request.mutable_nodes(), "Names or ids").Required();
  AddChange(remove, removed.request);
  AddWait(remove, &removed.waiting);
  remove.Flag("-y,--yes", &removed.yes, "Delete them");
}

}  // namespace tallyman::cli
