#include "control/nodes/node_writer.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "control/authorize.h"
#include "control/lots/decide.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

// The node is of this image and this config now, and is charged what the config needs.
void TakeConfig(Node& node, const NodeConfig& config, const Image& image) {
  node.image_id = image.id;
  node.config_id = config.id;
  node.protocol_id = image.protocol.id;
  node.protocol_version_id = image.version.id;
  node.semantic_version = image.version.semantic_version;
  node.resources = config.resources;
}

// From here on a secret is in the config in its sealed form only. What was a secret before stays
// one on an image that does not say so.
Status SealSecrets(const Sealer& sealer, const Image& image, const OrgId& org,
                   const std::map<std::string, std::string>& before, NodeConfig& config) {
  for (auto value = config.values.begin(); value != config.values.end();) {
    const auto& [key, text] = *value;
    const Property* property = image.FindProperty(key);
    const bool is_default = property != nullptr && text == property->default_value;
    const bool is_secret = property != nullptr && property->secret;
    if (!is_secret && (is_default || !before.contains(key))) {
      ++value;
      continue;
    }
    std::string& sealed = config.secrets[key];
    sealed.clear();
    if (!text.empty()) {
      ASSIGN_OR_RETURN(sealed, sealer.Seal(text, SecretContext(org.ToString(), key)));
    }
    value = config.values.erase(value);
  }
  return {};
}

}  // namespace

Result<planner::BooksPlan> NodeWriter::BeginBooks(
    const store::Snapshot& snapshot, const std::vector<const NodeSnapshot*>& nodes) const {
  ASSIGN_OR_RETURN(auto hosts, HostsOf(snapshot, nodes));
  return planner::BooksPlan::Begin(hosts, nodes, policies_, cause_);
}

Node& NodeWriter::Update(const NodeSnapshot& node) {
  NodeUpdate& update = decision_.rows.node_updates.emplace_back();
  update.version_before = node.node.version;
  update.after = node.node;
  update.after.resources = planner::BooksPlan::ChargedBy(node);
  update.after.version += 1;
  update.after.updated_at = cause_.now;
  return update.after;
}

void NodeWriter::EndCommand(const CommandId& id, CommandState state) {
  decision_.rows.command_updates.push_back({id, state, cause_.now});
}

void NodeWriter::ChangeCommand(CommandUpdate update) {
  decision_.rows.command_updates.push_back(std::move(update));
}

void NodeWriter::AddEvent(EventKind kind, const Node& node, std::string detail) {
  Event event = NewEvent(cause_, kind, std::move(detail));
  event.org_id = node.org_id;
  event.host_id = node.host_id;
  event.node_id = node.id;
  decision_.rows.events.push_back(std::move(event));
}

CommandId NodeWriter::AddCommand(const Node& node, const NodeConfig& config, const Image& image,
                                 const Host& host, CommandKind kind, std::optional<ConfigId> from,
                                 std::optional<ConfigId> to) {
  Command& command = decision_.rows.new_commands.emplace_back();
  command.id = ids_.New<CommandId>();
  command.node_id = node.id;
  command.host_id = node.host_id;
  command.kind = kind;
  command.seq = node.version;
  command.from_config_id = from;
  command.to_config_id = to;
  command.payload = RenderPayload(node, config, image, host.name);
  command.created_at = cause_.now;
  return command.id;
}

NodeChange& NodeWriter::Show(const NodeSnapshot& node, const Host& host) {
  NodeChange& change = decision_.answer.nodes.emplace_back();
  change.node_id = node.node.id;
  change.node = node.node.name;
  change.host_id = host.id;
  change.host = host.name;
  change.org = node.org_name;
  change.from_image = node.image->Reference();
  change.to_image = change.from_image;
  change.before = planner::BooksPlan::ChargedBy(node);
  change.after = change.before;
  change.held = node.node.held;
  change.from_config = node.node.config_id;
  change.to_config = node.node.config_id;
  return change;
}

Status NodeWriter::ReplaceConfig(const planner::NodePlan& plan, const Image& image,
                                 const Host& host, CommandKind kind,
                                 std::optional<Time> not_after) {
  const NodeSnapshot& before = *plan.before;
  NodeConfig& config = decision_.rows.new_configs.emplace_back(plan.config);
  RETURN_IF_ERROR(SealSecrets(sealer_, image, before.node.org_id, before.config->secrets, config));
  config.id = ids_.New<ConfigId>();
  config.created_at = cause_.now;

  Node& node = Update(before);
  TakeConfig(node, config, image);
  node.held = plan.held_after;
  if (kind == CommandKind::kUpgrade) node.next_state = NextState::kUpgrading;

  for (const CommandId& id : plan.superseded) EndCommand(id, CommandState::kSuperseded);
  CommandId command = AddCommand(node, config, image, host, kind, before.node.config_id, config.id);
  decision_.rows.new_commands.back().not_after = not_after;

  NodeChange& change = Show(before, host);
  change.to_image = image.Reference();
  change.after = config.resources;
  change.held = plan.held_after;
  change.command_id = command;
  change.withdrawn = plan.superseded;
  change.to_config = config.id;
  decision_.answer.same_config = config.values == before.config->values &&
                                 config.secrets == before.config->secrets &&
                                 (knows_secrets_ || config.secrets.empty()) &&
                                 config.firewall_rules == before.config->firewall_rules;
  EventKind event =
      kind == CommandKind::kUpgrade ? EventKind::kUpgradeStarted : EventKind::kNodeUpdated;
  AddEvent(event, node, Detail({{"old_image", change.from_image}, {"new_image", change.to_image}}));
  return {};
}

Result<NodeId> NodeWriter::Create(Node node, NodeConfig config, const Image& image,
                                  const Host& host, std::string_view org) {
  RETURN_IF_ERROR(SealSecrets(sealer_, image, node.org_id, {}, config));
  node.id = ids_.New<NodeId>();
  config.id = ids_.New<ConfigId>();
  config.created_at = cause_.now;
  TakeConfig(node, config, image);
  node.created_at = cause_.now;
  node.updated_at = cause_.now;

  NodeChange& change = decision_.answer.nodes.emplace_back();
  change.node_id = node.id;
  change.node = node.name;
  change.host_id = host.id;
  change.host = host.name;
  change.org = org;
  change.to_image = image.Reference();
  change.after = config.resources;
  change.command_id =
      AddCommand(node, config, image, host, CommandKind::kCreate, std::nullopt, config.id);
  change.to_config = config.id;
  AddEvent(EventKind::kNodeCreated, node, Detail({{"image", change.to_image}}));
  decision_.rows.new_configs.push_back(std::move(config));
  return decision_.rows.new_nodes.emplace_back(std::move(node)).id;
}

Node& NodeWriter::Instruct(const NodeSnapshot& before, const Host& host, CommandKind kind,
                           NextState next, EventKind event) {
  Node& node = Update(before);
  node.next_state = next;
  CommandId command = AddCommand(node, before.config.value_or(NodeConfig{}), *before.image, host,
                                 kind, std::nullopt, std::nullopt);
  Show(before, host).command_id = command;
  AddEvent(event, node, Detail({}));
  return node;
}

Decided<Changes> NodeWriter::Finish(const planner::BooksPlan& books) {
  Changes& changes = decision_.answer;
  decision_.rows.ledger = books.ledger();
  changes.warnings = books.warnings();
  decision_.warnings = books.warnings();
  for (const auto& [id, change] : books.hosts()) {
    if (change.after != change.stored) changes.hosts.push_back(change);
  }
  std::ranges::sort(changes.hosts, {},
                    [](const planner::HostChange& change) { return change.after.name; });
  for (const planner::HostChange& host : changes.hosts) {
    decision_.hosts.push_back(host.after);
    decision_.healed.insert(decision_.healed.end(), host.drifts.begin(), host.drifts.end());
  }
  return std::move(decision_);
}

Result<std::vector<NodeId>> FindNodeIds(const Authorized& by, std::span<const std::string> names) {
  return ReadOnce(by.control(),
                  [&](store::ReadTx& tx) { return ResolveNodes(tx, by.actor(), names); });
}

Status CheckNodeCount(const Control& control, std::string_view field, int64_t count,
                      std::string_view way) {
  if (count <= control.nodes_max()) return {};
  return Fail(
      InvalidArgument(
          "TOO_MANY_NODES",
          fmt::format("{} is about {} nodes, and one request changes at most {}, all of them or "
                      "none, because others wait meanwhile: nothing was changed; {}",
                      field, count, control.nodes_max(), way))
          .With("field", std::string(field))
          .With("value", std::to_string(count))
          .With("nodes_max", std::to_string(control.nodes_max())));
}

Result<Proposal<Changes>> ProposalFor(const Authorized& by, std::vector<NodeId> nodes,
                                      const PlanOptions& plan, std::string_view field) {
  RETURN_IF_ERROR(CheckNodeCount(by.control(), field, std::ssize(nodes)));
  Proposal<Changes> proposal{.rows = std::ssize(nodes), .plan = plan};
  proposal.locks.nodes = std::move(nodes);
  return proposal;
}

Result<std::vector<const NodeSnapshot*>> FindNodes(const store::Snapshot& snapshot,
                                                   const Actor& actor,
                                                   const std::vector<NodeId>& ids) {
  std::vector<const NodeSnapshot*> nodes;
  nodes.reserve(ids.size());
  for (const NodeId& id : ids) {
    auto found = snapshot.nodes.find(id);
    if (found == snapshot.nodes.end() || found->second.node.deleted_at ||
        !SeesNode(actor, found->second.node)) {
      return Fail(NodeNotFound(id.ToString()));
    }
    nodes.push_back(&found->second);
  }
  return nodes;
}

Result<std::vector<const HostSnapshot*>> HostsOf(const store::Snapshot& snapshot,
                                                 const std::vector<const NodeSnapshot*>& nodes) {
  std::vector<const HostSnapshot*> hosts;
  for (const NodeSnapshot* node : nodes) {
    ASSIGN_OR_RETURN(hosts.emplace_back(), RequireRow(snapshot.hosts, "host", node->node.host_id));
  }
  std::ranges::sort(hosts, {}, [](const HostSnapshot* host) { return host->host.id; });
  auto repeated = std::ranges::unique(hosts);
  hosts.erase(repeated.begin(), repeated.end());
  return hosts;
}

Status CheckVersion(const Node& node, int64_t expected) {
  if (expected == 0 || expected == node.version) return {};
  return Fail(Error(Code::kAborted, "VERSION_MISMATCH",
                    fmt::format("node {} is at version {}, not {}: read it again and retry",
                                node.name, node.version, expected))
                  .About("node " + node.name)
                  .With("field", "expected_version")
                  .With("version", std::to_string(node.version)));
}

}  // namespace tallyman::control
