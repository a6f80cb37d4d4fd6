#include <fmt/core.h>

#include "base/text.h"
#include "control/reads/query_tools.h"

namespace tallyman::control {
namespace {

Result<NodeView> ViewOf(Names& names, store::NodeRow row) {
  NodeView view;
  // Of most nodes what runs is what should run.
  if (row.node.running_config_id == row.node.config_id) {
    view.running_image = row.image;
  } else {
    ASSIGN_OR_RETURN(view.running_image, names.ImageOfConfig(row.node.running_config_id));
  }
  view.row = std::move(row);
  return view;
}

Result<CommandView> ViewOf(Names& names, store::CommandRow row) {
  CommandView view;
  ASSIGN_OR_RETURN(view.from_image, names.ImageOfConfig(row.command.from_config_id));
  ASSIGN_OR_RETURN(view.to_image, names.ImageOfConfig(row.command.to_config_id));
  view.row = std::move(row);
  return view;
}

// The policy that acts on a node whose auto_upgrade is on.
Result<std::string> PolicyOf(store::ReadTx& tx, const Node& node) {
  ASSIGN_OR_RETURN(const auto image, tx.FindImage(node.image_id));
  if (image == nullptr) return std::string();
  ASSIGN_OR_RETURN(const auto row, tx.FindPolicyFor({.org_id = node.org_id,
                                                     .protocol_id = node.protocol_id,
                                                     .variant = image->version.variant}));
  return row && row->policy.enabled ? row->policy.name : std::string();
}

// The events that are written beside a command of the kind.
bool Tells(EventKind event, CommandKind command) {
  switch (command) {
    case CommandKind::kCreate:
      return event == EventKind::kNodeCreated;
    case CommandKind::kUpgrade:
      return event == EventKind::kUpgradeStarted;
    case CommandKind::kUpdate:
      return event == EventKind::kNodeUpdated;
    case CommandKind::kDelete:
      return event == EventKind::kNodeDeleting;
    case CommandKind::kStart:
      return event == EventKind::kNodeStarting;
    case CommandKind::kStop:
      return event == EventKind::kNodeStopping;
    case CommandKind::kRestart:
      break;
  }
  return event == EventKind::kNodeRestarting;
}

// A command does not keep its cause. The event that was written with it does, and bears the same
// time: all rows of a request are stamped alike.
Status FindCause(store::ReadTx& tx, CommandView& view) {
  const Command& command = view.row.command;
  store::ListQuery query;
  query.order_by = "cursor";
  query.limit = 1000;
  query.conditions = {{"node_id", store::Comparison::kEqual, command.node_id.ToString()}};
  while (true) {
    ASSIGN_OR_RETURN(auto rows, tx.ListEvents(query));
    for (const store::EventRow& row : rows) {
      query.after = row.cursor;
      if (row.event.created_at != command.created_at || !Tells(row.event.kind, command.kind))
        continue;
      view.request_id = row.event.request_id;
      view.actor_id = row.event.actor_id;
      return {};
    }
    if (rows.size() < static_cast<size_t>(query.limit)) return {};
  }
}

// At least one row stays.
void CutToBytes(const ListRequest& list, Page<store::CommandRow>& page) {
  constexpr size_t kPayloadBytesMax = size_t{4} << 20;
  size_t bytes = 0;
  for (size_t i = 0; i < page.rows.size(); ++i) {
    bytes += page.rows[i].command.payload.size();
    if (i == 0 || bytes <= kPayloadBytesMax) continue;
    page.rows.resize(i);
    page.next_page_token = PageToken(store::Listing::kCommands, list, page.rows.back().cursor);
  }
}

Error CommandNotFound(std::string_view id) {
  return NotFound("COMMAND_NOT_FOUND", fmt::format("there is no command {}", Quote(id)))
      .About(fmt::format("command {}", Quote(id)))
      .With("field", "command_id")
      .With("value", Quote(id));
}

}  // namespace

Result<NodeView> GetNode(const Authorized& by, store::ReadTx& tx, const std::string& name) {
  ASSIGN_OR_RETURN(auto found, tx.FindNodeAndConfig(name));
  if (!found || !SeesNode(by.actor(), found->row.node)) return Fail(NodeNotFound(name));
  const Node& node = found->row.node;
  ASSIGN_OR_RETURN(auto reported, tx.FindReported({.host_id = node.host_id, .node_id = node.id}));
  ASSIGN_OR_RETURN(std::string policy, PolicyOf(tx, node));
  return NodeView{.row = std::move(found->row),
                  .running_image = std::move(found->running_image),
                  .config = std::move(found->config),
                  .upgrade_policy = std::move(policy),
                  .reported = std::move(reported)};
}

Result<NodeLogs> FindNodeLogs(const Authorized& by, store::ReadTx& tx, const std::string& name) {
  ASSIGN_OR_RETURN(auto found, tx.FindNode(name));
  if (!found || !SeesNode(by.actor(), found->node)) return Fail(NodeNotFound(name));
  store::LockSet wanted;
  wanted.report_hosts = {found->node.host_id};
  ASSIGN_OR_RETURN(const store::Snapshot snapshot, tx.Load(wanted));
  NodeLogs logs{.node = *std::move(found)};
  if (auto heard = snapshot.host_reports.find(logs.node.node.host_id);
      heard != snapshot.host_reports.end())
    logs.heard_at = heard->second.heard_at;
  return logs;
}

Result<Page<NodeView>> ListNodes(const Authorized& by, store::ReadTx& tx,
                                 const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kNodes, request));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  ASSIGN_OR_RETURN(auto rows,
                   ReadPage<store::NodeRow>(
                       store::Listing::kNodes, request, std::move(query),
                       [&](const store::ListQuery& q) { return tx.ListNodes(q); },
                       [&](const store::NodeRow& row) { return SeesNode(by.actor(), row.node); }));
  Page<NodeView> page{.next_page_token = std::move(rows.next_page_token)};
  Names names(tx);
  std::vector<store::NodePlace> places;
  for (const store::NodeRow& row : rows.rows)
    places.push_back({.host_id = row.node.host_id, .node_id = row.node.id});
  ASSIGN_OR_RETURN(auto conditions, tx.FindConditions(places));
  for (store::NodeRow& row : rows.rows) {
    ASSIGN_OR_RETURN(NodeView view, ViewOf(names, std::move(row)));
    if (auto said = conditions.find(view.row.node.id); said != conditions.end())
      view.condition = std::move(said->second);
    page.rows.push_back(std::move(view));
  }
  return page;
}

Result<CommandView> GetCommand(const Authorized& by, store::ReadTx& tx, const std::string& text) {
  auto id = CommandId::Parse(text);
  if (!id) {
    return Fail(
        InvalidArgument("INVALID_ID", fmt::format("command_id is {}, which is not an id: `tallyman "
                                                  "node show` and the list of commands show ids",
                                                  Quote(text)))
            .With("field", "command_id")
            .With("value", Quote(text)));
  }
  ASSIGN_OR_RETURN(auto row, tx.FindCommand(*id));
  if (!row) return Fail(CommandNotFound(text));
  Names names(tx);
  ASSIGN_OR_RETURN(const store::NodeRow* node, names.NodeOf(row->command.node_id));
  if (node == nullptr || !SeesNode(by.actor(), node->node)) return Fail(CommandNotFound(text));
  ASSIGN_OR_RETURN(CommandView view, ViewOf(names, *std::move(row)));
  RETURN_IF_ERROR(FindCause(tx, view));
  return view;
}

Result<Page<CommandView>> ListCommands(const Authorized& by, store::ReadTx& tx,
                                       const ListCommandsRequest& request) {
  const ListRequest& list = request.list;
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kCommands, list));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  // The row does not carry its org; LimitToActor has seen to it.
  ASSIGN_OR_RETURN(auto rows, ReadPage<store::CommandRow>(
                                  store::Listing::kCommands, list, std::move(query),
                                  [&](const store::ListQuery& q) { return tx.ListCommands(q); },
                                  [&](const store::CommandRow& row) {
                                    return SeesHost(by.actor(), row.command.host_id);
                                  }));
  if (request.with_payloads) CutToBytes(list, rows);
  Page<CommandView> page{.next_page_token = std::move(rows.next_page_token)};
  Names names(tx);
  for (store::CommandRow& row : rows.rows) {
    ASSIGN_OR_RETURN(CommandView view, ViewOf(names, std::move(row)));
    page.rows.push_back(std::move(view));
  }
  return page;
}

}  // namespace tallyman::control
