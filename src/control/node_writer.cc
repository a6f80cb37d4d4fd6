#include "control/node_writer.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json_text.h"
#include "base/text.h"
#include "control/authorize.h"
#include "control/read_once.h"
#include "control/resolve.h"

namespace tallyman {

std::string Detail(std::initializer_list<std::pair<std::string_view, std::string_view>> facts) {
  std::string out = "{";
  for (const auto& [key, value] : facts) {
    if (out.size() > 1) out += ',';
    AppendJsonKey(out, key);
    AppendJsonString(out, value);
  }
  return out + "}";
}

Node& NodeWriter::Update(const NodeSnapshot& node) {
  NodeUpdate& update = decision_.rows.node_updates.emplace_back();
  update.version_before = node.node.version;
  update.after = node.node;
  update.after.resources = BooksPlan::ChargedBy(node);
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
  Event& event = decision_.rows.events.emplace_back();
  event.kind = kind;
  event.org_id = node.org_id;
  event.host_id = node.host_id;
  event.node_id = node.id;
  event.actor_id = cause_.actor_id;
  event.request_id = cause_.request_id;
  event.detail = std::move(detail);
  event.created_at = cause_.now;
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
  NodeChange& change = decision_.changes.nodes.emplace_back();
  change.node_id = node.node.id;
  change.node = node.node.name;
  change.host_id = host.id;
  change.host = host.name;
  change.org = node.org_name;
  change.from_image = node.image->Reference();
  change.to_image = change.from_image;
  change.before = BooksPlan::ChargedBy(node);
  change.after = change.before;
  change.held = node.node.held;
  change.from_config = node.node.config_id;
  change.to_config = node.node.config_id;
  return change;
}

void NodeWriter::ReplaceConfig(const NodePlan& plan, const Image& image, const Host& host,
                               CommandKind kind) {
  const NodeSnapshot& before = *plan.before;
  NodeConfig& config = decision_.rows.new_configs.emplace_back(plan.config);
  config.id = ids_.New<ConfigId>();
  config.created_at = cause_.now;

  Node& node = Update(before);
  node.image_id = image.id;
  node.config_id = config.id;
  node.protocol_id = image.protocol.id;
  node.protocol_version_id = image.version.id;
  node.semantic_version = image.version.semantic_version;
  node.resources = config.resources;
  node.held = plan.held_after;
  if (kind == CommandKind::kUpgrade) node.next_state = NextState::kUpgrading;

  for (const CommandId& id : plan.superseded) EndCommand(id, CommandState::kSuperseded);
  CommandId command = AddCommand(node, config, image, host, kind, before.node.config_id, config.id);

  NodeChange& change = Show(before, host);
  change.to_image = image.Reference();
  change.after = config.resources;
  change.held = plan.held_after;
  change.command_id = command;
  change.withdrawn = plan.superseded;
  change.to_config = config.id;
  EventKind event =
      kind == CommandKind::kUpgrade ? EventKind::kUpgradeStarted : EventKind::kNodeUpdated;
  AddEvent(event, node, Detail({{"old_image", change.from_image}, {"new_image", change.to_image}}));
}

NodeId NodeWriter::Create(Node node, NodeConfig config, const Image& image, const Host& host,
                          std::string_view org) {
  node.id = ids_.New<NodeId>();
  config.id = ids_.New<ConfigId>();
  config.created_at = cause_.now;
  node.config_id = config.id;
  node.image_id = image.id;
  node.protocol_id = image.protocol.id;
  node.protocol_version_id = image.version.id;
  node.semantic_version = image.version.semantic_version;
  node.resources = config.resources;
  node.created_at = cause_.now;
  node.updated_at = cause_.now;

  NodeChange& change = decision_.changes.nodes.emplace_back();
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

NodeDecision NodeWriter::Finish(const BooksPlan& books) {
  decision_.rows.ledger = books.ledger();
  decision_.changes.warnings = books.warnings();
  for (const auto& [id, change] : books.hosts()) {
    if (change.after != change.stored) decision_.changes.hosts.push_back(change);
  }
  std::ranges::sort(decision_.changes.hosts, {},
                    [](const HostChange& change) { return change.after.name; });
  return std::move(decision_);
}

Result<std::vector<const NodeSnapshot*>> FindNodes(const Snapshot& snapshot, const Actor& actor,
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

std::vector<const HostSnapshot*> HostsOf(const Snapshot& snapshot,
                                         const std::vector<const NodeSnapshot*>& nodes) {
  std::vector<const HostSnapshot*> hosts;
  for (const NodeSnapshot* node : nodes) hosts.push_back(&snapshot.hosts.at(node->node.host_id));
  std::ranges::sort(hosts, {}, [](const HostSnapshot* host) { return host->host.id; });
  auto repeated = std::ranges::unique(hosts);
  hosts.erase(repeated.begin(), repeated.end());
  return hosts;
}

Error PlanStale(const std::string& wanted, const std::string& now) {
  return Error(Code::kAborted, "PLAN_STALE",
               "the plan is stale, because its input has changed since: make a new plan")
      .With("field", "plan_token")
      .With("plan_token", Quote(wanted))
      .With("now", now);
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

Decision ToDecision(NodeDecision decided) {
  Decision decision{.changes = std::move(decided.rows),
                    .hosts = {},
                    .healed = {},
                    .warnings = std::move(decided.changes.warnings),
                    .answer = {}};
  for (const HostChange& host : decided.changes.hosts) {
    decision.hosts.push_back(host.after);
    decision.healed.insert(decision.healed.end(), host.drifts.begin(), host.drifts.end());
  }
  return decision;
}

namespace {

// What a plan shows of ids that are made only when it is applied: nothing.
void ForgetNewIds(Changes& changes) {
  for (NodeChange& node : changes.nodes) {
    node.command_id.reset();
    if (node.to_config != node.from_config) node.to_config.reset();
    if (!node.from_config) node.node_id = {};
  }
}

Result<std::string> ShowPlan(Control& control, const PlanOptions& options, const LockSet& locks,
                             const DecideNodes& decide, const Encode<Changes>& encode) {
  return ReadOnce<std::string>(control, [&](ReadTx& tx) -> Result<std::string> {
    ASSIGN_OR_RETURN(Snapshot snapshot, tx.Load(locks));
    ASSIGN_OR_RETURN(NodeDecision decision, decide(snapshot, tx));
    decision.changes.plan_token = PlanToken(decision.changes);
    if (!options.plan_token.empty() && options.plan_token != decision.changes.plan_token) {
      return Fail(PlanStale(options.plan_token, decision.changes.plan_token));
    }
    ForgetNewIds(decision.changes);
    return encode(decision.changes);
  });
}

}  // namespace

void PlanOrApply(Control& control, Call call, const PlanOptions& options, LockSet locks, bool solo,
                 int64_t rows, DecideNodes decide, Encode<Changes> encode, Done done) {
  // A plan shows drift that would be healed, and a plan token was made of such a plan.
  if (options.dry_run || !options.plan_token.empty()) locks.with_sums = true;
  if (options.dry_run) return done(ShowPlan(control, options, locks, decide, encode));
  Mutation mutation{
      .call = std::move(call), .locks = std::move(locks), .solo = solo, .rows = rows, .decide = {}};
  mutation.decide = [decide = std::move(decide), encode = std::move(encode),
                     token = options.plan_token](const Snapshot& snapshot,
                                                 ReadTx& tx) -> Result<Decision> {
    ASSIGN_OR_RETURN(NodeDecision decided, decide(snapshot, tx));
    Changes& changes = decided.changes;
    if (!token.empty()) {
      changes.plan_token = PlanToken(changes);
      if (changes.plan_token != token) return Fail(PlanStale(token, changes.plan_token));
    }
    changes.applied = true;
    std::string answer = encode(changes);
    Decision decision = ToDecision(std::move(decided));
    decision.answer = std::move(answer);
    return decision;
  };
  control.Submit(std::move(mutation), std::move(done));
}

}  // namespace tallyman
