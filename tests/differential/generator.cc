#include "tests/differential/generator.h"

#include <fmt/core.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "base/bytes.h"

namespace tallyman {

using google::protobuf::Message;

namespace {

const google::protobuf::FieldDescriptor* FieldOf(const Message& message, const std::string& field) {
  return message.GetDescriptor()->FindFieldByName(field);
}

std::string Literal(StoreBackend& backend, const std::string& id) {
  return backend.Literal(*Uuid::Parse(id));
}

}  // namespace

void SetText(Message& message, const std::string& field, const std::string& value) {
  if (const auto* f = FieldOf(message, field))
    message.GetReflection()->SetString(&message, f, value);
}
std::string TextIn(const Message& message, const std::string& field) {
  const auto* f = FieldOf(message, field);
  return f == nullptr ? "" : message.GetReflection()->GetString(message, f);
}
void SetBool(Message& message, const std::string& field, bool value) {
  if (const auto* f = FieldOf(message, field)) message.GetReflection()->SetBool(&message, f, value);
}
bool BoolIn(const Message& message, const std::string& field) {
  const auto* f = FieldOf(message, field);
  return f != nullptr && message.GetReflection()->GetBool(message, f);
}

std::string Step::ToText() const {
  switch (kind) {
    case StepKind::kRequest:
      return fmt::format("{}{}: {} {}", caller.id, caller.org.empty() ? "" : " of " + caller.org,
                         method, request->ShortDebugString());
    case StepKind::kHost:
      return fmt::format("host: carries out the oldest command of node {}", node);
    case StepKind::kSql:
      return title;
    case StepKind::kRestart:
      break;
  }
  return fmt::format("restart: drift {}, capacity {}", policies.abort_on_drift ? "abort" : "heal",
                     policies.enforce_capacity ? "enforce" : "warn");
}

void Generator::Planned(const Step& step, const std::string& token) {
  Step apply = step;
  apply.request.reset(step.request->New());
  apply.request->CopyFrom(*step.request);
  SetBool(*apply.request, "dry_run", dice_.OneIn(8));
  SetText(*apply.request, "plan_token", dice_.OneIn(20) ? "no-token-at-all" : token);
  SetText(*apply.request, "request_id",
          dice_.OneIn(2) ? "" : fmt::format("plan-{}", ++request_ids_));
  planned_.push_back(std::move(apply));
  if (planned_.size() > 4) planned_.pop_front();
}

Step Generator::Next(PlainFleet& fleet, const std::deque<Remembered>& remembered) {
  if (!planned_.empty() && dice_.OneIn(3)) {
    Step step = std::move(planned_.front());
    planned_.pop_front();
    return step;
  }
  if (!remembered.empty() && dice_.OneIn(25)) {
    return Again(fleet, remembered[static_cast<size_t>(dice_.Below(std::ssize(remembered)))]);
  }
  Step step = Draw(fleet);
  if (step.kind == StepKind::kRequest) Decorate(fleet, step);
  return step;
}

Step Generator::Draw(PlainFleet& fleet) {
  auto live = std::ranges::count_if(fleet.nodes, [](auto& e) { return !e.second.gone; });
  if (fleet.hosts.size() < 6) return CreateHosts(fleet);
  if (fleet.images.size() < 6) return CreateImages(fleet);
  struct Choice {
    int64_t weight;
    Step (Generator::*draw)(PlainFleet&);
  };
  const std::vector<Choice> choices = {
      {30, &Generator::Upgrade},
      {live < 20 ? 30 : (live < 60 ? 12 : 2), &Generator::Create},
      {9, &Generator::Update},
      {5, &Generator::Move},
      {5, &Generator::Command},
      {live > 55 ? 12 : 4, &Generator::Delete},
      {4, &Generator::Retry},
      {30, &Generator::HostWorks},
      {10, &Generator::HostActs},
      {3, &Generator::HostIsHeardOrNot},
      {2, &Generator::Damage},
      {fleet.hosts.size() < 8 ? 2 : 0, &Generator::CreateHosts},
      {6, &Generator::UpdateHost},
      {4, &Generator::Cordon},
      {fleet.images.size() < 40 ? 4 : 0, &Generator::CreateImages},
      {fleet.orgs.size() < 6 ? 1 : 0, &Generator::CreateOrg},
      {2, &Generator::Repair},
  };
  int64_t sum = 1;
  for (const Choice& choice : choices) sum += choice.weight;
  int64_t at = dice_.Below(sum);
  for (const Choice& choice : choices) {
    if (at < choice.weight) return (this->*choice.draw)(fleet);
    at -= choice.weight;
  }
  return Restart();
}

Step Generator::Ask(std::string method, std::shared_ptr<Message> request) {
  Step step;
  step.method = std::move(method);
  step.request = std::move(request);
  return step;
}

// Who asks, under which request id, and whether it is only a plan.
void Generator::Decorate(PlainFleet& fleet, Step& step) {
  if (dice_.OneIn(3)) SetText(*step.request, "request_id", fmt::format("id-{}", ++request_ids_));
  if (dice_.OneIn(150)) SetText(*step.request, "request_id", "not a name!");
  if (dice_.OneIn(8)) SetBool(*step.request, "dry_run", true);
  if (dice_.OneIn(8)) {
    step.caller.org = OrgName(fleet);
    if (!fleet.orgs.contains(step.caller.org)) step.caller.org = "acme";
    step.caller.role = dice_.OneIn(10) ? Role::kAdmin : Role::kOperator;
    step.caller.id = "of-" + step.caller.org;
  } else if (dice_.OneIn(60)) {
    step.caller = {.id = "looker", .org = "", .role = Role::kViewer};
  }
}

PlainNode* Generator::AnyNode(PlainFleet& fleet) {
  std::vector<PlainNode*> live;
  for (auto& [id, node] : fleet.nodes) {
    if (!node.gone) live.push_back(&node);
  }
  return live.empty() ? nullptr : dice_.Pick(live);
}

PlainHost* Generator::AnyHost(PlainFleet& fleet) {
  std::vector<PlainHost*> hosts;
  for (auto& [name, host] : fleet.hosts) hosts.push_back(&host);
  return hosts.empty() ? nullptr : dice_.Pick(hosts);
}

std::string Generator::NameOf(const PlainNode& node) {
  return dice_.OneIn(4) ? node.id : node.name;
}

std::string Generator::NodeName(PlainFleet& fleet) {
  if (dice_.OneIn(80)) {
    // Nowhere, not a name, nothing, never an id that was given, or one of a node that is gone.
    switch (dice_.Below(5)) {
      case 0:
        return "nowhere";
      case 1:
        return "no name/at all";
      case 2:
        return "";
      case 3:
        return "01900000-0000-7000-8000-000000000000";
      default:
        for (auto& [id, node] : fleet.nodes) {
          if (node.gone) return dice_.OneIn(2) ? id : node.name;
        }
    }
  }
  PlainNode* node = AnyNode(fleet);
  // Those on their way out are mostly left alone.
  if (node != nullptr && node->IsBeingDeleted()) node = AnyNode(fleet);
  return node == nullptr ? "nobody" : NameOf(*node);
}

template <class Request>
void Generator::AddNodes(PlainFleet& fleet, Request& request) {
  if (dice_.OneIn(100)) return;
  int64_t count = dice_.OneIn(3) ? dice_.Between(2, 7) : 1;
  for (int64_t i = 0; i < count; ++i) request.add_nodes(NodeName(fleet));
  if (dice_.OneIn(10)) request.add_nodes(request.nodes(0));
}

// Mostly one that the org sees.
std::string Generator::ImageName(PlainFleet& fleet, const std::string& org) {
  if (dice_.OneIn(60)) {
    return dice_.Pick(std::vector<std::string>{"", "alpha", "alpha/full@9.9.9",
                                               "alpha/full@1.0.0+99",
                                               "01900000-0000-7000-8000-000000000000"});
  }
  auto image = dice_.Pick(fleet.images);
  for (int i = 0; i < 3 && !image->IsVisibleTo(org); ++i) image = dice_.Pick(fleet.images);
  std::string reference = image->Reference();
  if (dice_.OneIn(10)) return reference.substr(0, reference.rfind('+'));
  return dice_.OneIn(6) ? image->id : reference;
}

std::string Generator::OrgName(PlainFleet& fleet) {
  if (dice_.OneIn(60)) return "nobody";
  std::vector<std::pair<std::string, std::string>> orgs(fleet.orgs.begin(), fleet.orgs.end());
  return dice_.Pick(orgs).first;
}

std::string Generator::HostName(PlainFleet& fleet) {
  if (dice_.OneIn(60)) return "no-host";
  PlainHost* host = AnyHost(fleet);
  return dice_.OneIn(4) ? host->id : host->name;
}

std::string Generator::RegionName(PlainFleet& fleet) {
  if (dice_.OneIn(60)) return "no-region";
  std::vector<std::pair<std::string, std::string>> regions(fleet.regions.begin(),
                                                           fleet.regions.end());
  const auto& region = dice_.Pick(regions);
  return dice_.OneIn(4) ? region.second : region.first;
}

std::string Generator::Key() {
  return dice_.Pick(std::vector<std::string>{"archive", "cache", "mode", "extra"});
}
std::string Generator::Value() {
  return dice_.Pick(std::vector<std::string>{"on", "off", "auto", ""});
}

v1::Resources Generator::Amounts(int64_t cores_max) {
  v1::Resources amounts;
  amounts.set_cpu_cores(dice_.Between(0, cores_max));
  amounts.set_memory_bytes(dice_.Between(0, 2 * cores_max) * kGiga);
  amounts.set_disk_bytes(dice_.Between(0, 3 * cores_max) * 10 * kGiga);
  return amounts;
}

Step Generator::Upgrade(PlainFleet& fleet) {
  auto request = std::make_shared<v1::UpgradeNodesRequest>();
  bool selects = dice_.OneIn(8);
  if (selects) {
    v1::NodeSelector& selector = *request->mutable_selector();
    const auto& image = dice_.Pick(fleet.images);
    if (!dice_.OneIn(20)) selector.set_protocol(image->protocol);
    if (!dice_.OneIn(3)) selector.set_variant(image->variant);
    if (dice_.OneIn(4)) selector.set_semantic_version(image->version);
    if (dice_.OneIn(3)) selector.set_region(RegionName(fleet));
    if (!dice_.OneIn(3)) selector.set_org(OrgName(fleet));
  }
  if (!selects || dice_.OneIn(30)) AddNodes(fleet, *request);
  PlainNode* node = request->nodes().empty() ? AnyNode(fleet) : fleet.FindNode(request->nodes(0));
  request->set_image(ImageName(fleet, node == nullptr ? "acme" : node->org));
  return Ask("NodeService/UpgradeNodes", request);
}

Step Generator::Create(PlainFleet& fleet) {
  auto request = std::make_shared<v1::CreateNodesRequest>();
  request->set_org(OrgName(fleet));
  request->set_image(ImageName(fleet, request->org()));
  int64_t count = dice_.OneIn(3) ? dice_.Between(2, 5) : 1;
  if (count == 1 && dice_.OneIn(2)) {
    request->set_name(fmt::format("solo-{}", dice_.OneIn(20) ? 1 : ++node_names_));
  } else if (dice_.OneIn(2)) {
    request->set_name_prefix(dice_.Pick(std::vector<std::string>{"n", "solo", "n-1"}));
  }
  switch (dice_.Below(60)) {
    case 0:
      request->set_name("");
      break;
    case 1:
      request->set_name_prefix("a b");
      break;
    case 2:
      request->set_name("01900000-0000-7000-8000-0123456789ab");
      break;
    case 3:
      request->set_name_prefix(std::string(100, 'p'));
      break;
    default:
      break;
  }
  if (dice_.OneIn(5)) {
    if (!dice_.OneIn(20)) request->clear_naming();
    const int64_t names = dice_.OneIn(30) ? count + 1 : count;
    for (int64_t i = 0; i < names; ++i) {
      request->add_names(dice_.OneIn(5) ? fmt::format("n-{}", dice_.Between(1, 20))
                                        : fmt::format("named-{}", ++node_names_));
    }
    if (dice_.OneIn(30)) request->set_names(0, dice_.OneIn(2) ? "a b" : "");
  }
  if (dice_.OneIn(2)) {
    for (int64_t i = 0; i < count; ++i) {
      v1::HostCount& item = *request->mutable_by_hosts()->add_hosts();
      item.set_host(HostName(fleet));
      item.set_count(dice_.OneIn(80) ? dice_.Pick(std::vector<int64_t>{0, -1, INT64_MAX, 100'000})
                                     : 1);
    }
    if (dice_.OneIn(40)) request->mutable_by_hosts()->clear_hosts();
  } else if (!dice_.OneIn(40)) {
    request->mutable_by_region()->set_region(dice_.OneIn(40) ? "" : RegionName(fleet));
    if (dice_.OneIn(2)) request->mutable_by_region()->set_strategy(v1::PLACEMENT_STRATEGY_PACK);
    if (count > 1 || dice_.OneIn(2)) request->set_count(count);
    if (dice_.OneIn(80))
      request->set_count(dice_.Pick(std::vector<int64_t>{-1, 100'001, INT64_MIN}));
  }
  int64_t values = dice_.Below(3);
  for (int64_t i = 0; i < values; ++i) (*request->mutable_values())[Key()] = Value();
  request->set_auto_upgrade(dice_.OneIn(4));
  return Ask("NodeService/CreateNodes", request);
}

Step Generator::Update(PlainFleet& fleet) {
  auto request = std::make_shared<v1::UpdateNodeRequest>();
  PlainNode* node = AnyNode(fleet);
  request->set_node(NodeName(fleet));
  if (!dice_.OneIn(30)) {
    (*request->mutable_set_values())[Key()] = Value();
    if (dice_.OneIn(3)) (*request->mutable_set_values())[Key()] = Value();
    if (dice_.OneIn(3)) request->add_reset_values(Key());
  }
  if (dice_.OneIn(6)) request->set_auto_upgrade(dice_.OneIn(2));
  if (node != nullptr && dice_.OneIn(5)) {
    request->set_node(NameOf(*node));
    request->set_expected_version(dice_.OneIn(3) ? node->version + dice_.Between(-2, 2)
                                                 : node->version);
  }
  return Ask("NodeService/UpdateNode", request);
}

Step Generator::Move(PlainFleet& fleet) {
  auto request = std::make_shared<v1::MoveNodesRequest>();
  AddNodes(fleet, *request);
  request->set_org(OrgName(fleet));
  return Ask("NodeService/MoveNodes", request);
}

Step Generator::Command(PlainFleet& fleet) {
  auto fill = [&](const auto& request, const char* method) {
    AddNodes(fleet, *request);
    return Ask(method, request);
  };
  switch (dice_.Below(3)) {
    case 0:
      return fill(std::make_shared<v1::StartNodesRequest>(), "NodeService/StartNodes");
    case 1:
      return fill(std::make_shared<v1::StopNodesRequest>(), "NodeService/StopNodes");
    default:
      return fill(std::make_shared<v1::RestartNodesRequest>(), "NodeService/RestartNodes");
  }
}

Step Generator::Delete(PlainFleet& fleet) {
  auto request = std::make_shared<v1::DeleteNodesRequest>();
  AddNodes(fleet, *request);
  return Ask("NodeService/DeleteNodes", request);
}

Step Generator::Retry(PlainFleet& fleet) {
  auto request = std::make_shared<v1::RetryUpgradeRequest>();
  request->set_node(NodeName(fleet));
  for (auto& [id, node] : fleet.nodes) {
    if (!node.gone && node.state == NodeState::kFailed && !dice_.OneIn(3)) request->set_node(id);
  }
  if (dice_.OneIn(10)) request->set_expected_version(dice_.Between(1, 5));
  return Ask("NodeService/RetryUpgrade", request);
}

Step Generator::HostWorks(PlainFleet& fleet) {
  std::vector<PlainNode*> waiting;
  for (auto& [id, node] : fleet.nodes) {
    const bool waits = std::ranges::any_of(node.commands, &PlainCommand::IsPending);
    if (!node.gone && waits) waiting.push_back(&node);
  }
  if (waiting.empty()) return Create(fleet);
  PlainNode* node = dice_.Pick(waiting);
  for (PlainNode* other : waiting) {
    if (other->IsBeingDeleted() && dice_.OneIn(4)) node = other;
  }
  Step step;
  step.kind = StepKind::kHost;
  step.node = node->id;
  return step;
}

// The host takes the oldest command of a node, loses sight of it, or fails at it.
Step Generator::HostActs(PlainFleet& fleet) {
  std::vector<std::pair<PlainNode*, size_t>> candidates;
  for (auto& [id, node] : fleet.nodes) {
    for (size_t i = 0; i < node.commands.size(); ++i) {
      if (node.commands[i].state == CommandState::kFailed) continue;
      if (node.fields == node.config->needs && node.held == node.HoldNow())
        candidates.emplace_back(&node, i);
      break;
    }
  }
  if (candidates.empty()) return Upgrade(fleet);
  auto [node, first] = dice_.Pick(candidates);
  const size_t index = first;
  const PlainCommand& command = node->commands[index];
  CommandState state = CommandState::kTaken;
  if (command.state == CommandState::kTaken && command.IsOfConfigs() &&
      command.kind != CommandKind::kDelete) {
    state = dice_.OneIn(3) ? CommandState::kUnknown : CommandState::kFailed;
  }
  auto apply = [index, state](PlainNode& n) {
    n.commands[index].state = state;
    n.handed_out = true;
    if (state == CommandState::kTaken) return;
    n.state = NodeState::kFailed;
    if (state == CommandState::kFailed && index + 1 == n.commands.size()) n.next.reset();
  };
  PlainNode after = *node;
  apply(after);
  Resources more = Minus(after.HoldNow(), node->held);
  Step step;
  step.kind = StepKind::kSql;
  step.title =
      fmt::format("host: {} {} of node {}", ToText(state), ToText(command.kind), node->name);
  step.sql = [state, more, after, id = node->id, host = node->host,
              command_id = command.id](StoreBackend& backend) {
    bool failed = state != CommandState::kTaken;
    return fmt::format(
        "UPDATE commands SET state = '{}' WHERE id = {};"
        "UPDATE nodes SET handed_out = (1 = 1){}{}, held_cpu_cores = held_cpu_cores + {}, "
        "held_memory_bytes = held_memory_bytes + {}, held_disk_bytes = held_disk_bytes + {} "
        "WHERE id = {};"
        "UPDATE hosts SET held_cpu_cores = held_cpu_cores + {}, held_memory_bytes = "
        "held_memory_bytes + {}, held_disk_bytes = held_disk_bytes + {} WHERE name = '{}';",
        ToText(state), Literal(backend, command_id), failed ? ", node_state = 'failed'" : "",
        after.next ? "" : ", next_state = NULL", more.cpu_cores, more.memory_bytes, more.disk_bytes,
        Literal(backend, id), more.cpu_cores, more.memory_bytes, more.disk_bytes, host);
  };
  step.effect = [apply, more, id = node->id](PlainFleet& f) {
    PlainNode& n = f.nodes.at(id);
    apply(n);
    n.held = Plus(n.held, more);
    PlainHost& host = f.hosts.at(n.host);
    host.held = Plus(host.held, more);
  };
  return step;
}

// A host is heard for the first time, falls silent, or is heard again.
Step Generator::HostIsHeardOrNot(PlainFleet& fleet) {
  const PlainHost& host = *AnyHost(fleet);
  const bool silent = dice_.OneIn(3);
  Step step;
  step.kind = StepKind::kSql;
  step.title = fmt::format("host {} is {}", host.name, silent ? "silent" : "heard");
  step.sql = [silent, name = host.name](StoreBackend&) {
    const std::string heard_at = fmt::format("{}000000", kHeardAtSeconds);
    return fmt::format(
        "UPDATE hosts SET heard = (1 = 1), silent_since = {} WHERE name = '{}';"
        "INSERT INTO host_reports (host_id, sequence, heard_at) SELECT id, 1, {} FROM hosts "
        "WHERE name = '{}' ON CONFLICT (host_id) DO UPDATE SET heard_at = excluded.heard_at;",
        silent ? heard_at : "NULL", name, heard_at, name);
  };
  step.effect = [silent, name = host.name](PlainFleet& f) {
    f.hosts.at(name).heard = true;
    f.hosts.at(name).silent = silent;
  };
  return step;
}

namespace {

struct Column {
  const char* name;
  int64_t Resources::* of;
  int64_t unit;
};
constexpr Column kColumns[] = {{"cpu_cores", &Resources::cpu_cores, 1},
                               {"memory_bytes", &Resources::memory_bytes, kGiga},
                               {"disk_bytes", &Resources::disk_bytes, kGiga}};

}  // namespace

// Somebody changes a number.
Step Generator::Damage(PlainFleet& fleet) {
  PlainNode* node = AnyNode(fleet);
  if (node == nullptr || dice_.OneIn(2)) return DamageHost(fleet);
  const Column& column = kColumns[dice_.Below(3)];
  bool hold = dice_.OneIn(3);
  Resources value = hold ? node->held : node->fields;
  value.*column.of = std::max<int64_t>(0, value.*column.of + dice_.Between(-3, 4) * column.unit);
  Step step;
  step.kind = StepKind::kSql;
  step.title = fmt::format("damage: {} {} of node {} is {}", hold ? "held" : "charged", column.name,
                           node->name, value.*column.of);
  step.sql = [=, amount = value.*column.of, id = node->id](StoreBackend& backend) {
    return fmt::format("UPDATE nodes SET {}{} = {} WHERE id = {};", hold ? "held_" : "",
                       column.name, amount, Literal(backend, id));
  };
  step.effect = [=, id = node->id](PlainFleet& f) {
    (hold ? f.nodes.at(id).held : f.nodes.at(id).fields) = value;
  };
  return step;
}

Step Generator::DamageHost(PlainFleet& fleet) {
  const PlainHost& host = *AnyHost(fleet);
  const Column& column = kColumns[dice_.Below(3)];
  int64_t what = dice_.Below(3);  // the number of nodes, what they charge, what is held
  PlainHost after = host;
  Resources& amounts = what == 2 ? after.held : after.books.allocated;
  int64_t& value = what == 0 ? after.books.node_count : amounts.*column.of;
  value = std::max<int64_t>(0, value + dice_.Between(-5, 5) * (what == 0 ? 1 : column.unit));
  std::string name =
      what == 0 ? "node_count" : fmt::format("{}{}", what == 1 ? "node_" : "held_", column.name);
  Step step;
  step.kind = StepKind::kSql;
  step.title = fmt::format("damage: {} of host {} is {}", name, host.name, value);
  step.sql = [=, name_of_host = host.name, amount = value](StoreBackend&) {
    return fmt::format("UPDATE hosts SET {} = {} WHERE name = '{}';", name, amount, name_of_host);
  };
  step.effect = [after](PlainFleet& f) { f.hosts.at(after.name) = after; };
  return step;
}

Step Generator::CreateHosts(PlainFleet& fleet) {
  auto request = std::make_shared<v1::CreateHostsRequest>();
  int64_t count = dice_.OneIn(40) ? 0 : dice_.Between(1, 3);
  for (int64_t i = 0; i < count; ++i) {
    v1::HostSpec& spec = *request->add_hosts();
    spec.set_name(fmt::format("h{}", dice_.OneIn(10) ? host_names_ : ++host_names_));
    if (dice_.OneIn(60)) spec.set_name("01900000-0000-7000-8000-0123456789ab");
    spec.set_region(RegionName(fleet));
    v1::Resources& capacity = *spec.mutable_capacity();
    capacity.set_cpu_cores(dice_.OneIn(30) ? 0 : dice_.Between(10, 60));
    capacity.set_memory_bytes(dice_.Between(20, 150) * kGiga);
    capacity.set_disk_bytes(dice_.OneIn(60) ? INT64_MAX : dice_.Between(300, 2000) * kGiga);
    if (dice_.OneIn(3)) spec.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
    PlainHost* existing = AnyHost(fleet);
    if (existing != nullptr && dice_.OneIn(12)) {
      spec.set_name(existing->name);
      spec.set_region(existing->region);
      *spec.mutable_capacity() = MessageOf(existing->capacity);
      if (!existing->policy) spec.clear_capacity_policy();
    }
  }
  request->set_skip_existing(dice_.OneIn(3));
  return Ask("HostService/CreateHosts", request);
}

Step Generator::UpdateHost(PlainFleet& fleet) {
  auto request = std::make_shared<v1::UpdateHostRequest>();
  PlainHost* host = AnyHost(fleet);
  request->set_host(dice_.OneIn(30) ? "no-host" : host->name);
  if (!dice_.OneIn(4)) {
    Resources capacity = host->capacity;
    const Column& column = kColumns[dice_.Below(3)];
    capacity.*column.of += dice_.Between(-20, 20) * column.unit;
    if (dice_.OneIn(3)) capacity = Plus(host->books.allocated, host->held);
    if (dice_.OneIn(40)) capacity.*column.of = dice_.OneIn(2) ? INT64_MAX : -1;
    *request->mutable_capacity() = MessageOf(capacity);
  }
  if (dice_.OneIn(3))
    request->set_capacity_policy(static_cast<v1::CapacityPolicy>(dice_.Between(0, 3)));
  if (dice_.OneIn(6)) request->set_expected_version(host->version + dice_.Below(2));
  return Ask("HostService/UpdateHost", request);
}

// More claims are taken away than made, so that most hosts take nodes.
Step Generator::Cordon(PlainFleet& fleet) {
  const std::string host = HostName(fleet);
  const std::string owner = dice_.OneIn(3) ? "keeper" : "";
  if (dice_.OneIn(3)) {
    auto request = std::make_shared<v1::CordonHostRequest>();
    request->set_host(host);
    request->set_owner(owner);
    return Ask("HostService/CordonHost", request);
  }
  auto request = std::make_shared<v1::UncordonHostRequest>();
  request->set_host(host);
  request->set_owner(owner);
  for (const auto& [name, claimed] : fleet.hosts) {
    if (!claimed.claims.empty() && dice_.OneIn(2)) request->set_host(name);
  }
  return Ask("HostService/UncordonHost", request);
}

v1::ImageSpec Generator::Image() {
  v1::ImageSpec spec;
  spec.set_protocol(dice_.Pick(std::vector<std::string>{"alpha", "alpha", "beta", "inner"}));
  spec.set_variant(dice_.OneIn(3) ? "lite" : "full");
  spec.set_semantic_version(fmt::format("1.{}.0", dice_.Below(10)));
  spec.set_image_uri("docker://x");
  spec.mutable_committed_at()->set_seconds(1000 + 10 * ++published_);
  if (dice_.OneIn(15))
    spec.mutable_committed_at()->set_seconds(1000 + 10 * dice_.Between(1, published_));
  if (dice_.OneIn(6)) spec.set_org("acme");
  *spec.mutable_minimum() = Amounts(6);
  v1::Resources& minimum = *spec.mutable_minimum();
  minimum.set_cpu_cores(std::max<int64_t>(1, minimum.cpu_cores()));
  minimum.set_memory_bytes(std::max(kGiga, minimum.memory_bytes()));
  minimum.set_disk_bytes(std::max(kGiga, minimum.disk_bytes()));
  for (const char* key : {"archive", "cache", "mode", "extra"}) {
    if (dice_.OneIn(3)) continue;
    v1::Property& property = *spec.add_properties();
    property.set_key(key);
    property.set_default_value(Value());
    if (!dice_.OneIn(3)) *property.mutable_add() = Amounts(3);
  }
  // Requirements that no node can have are only noticed when a node would get them.
  if (dice_.OneIn(20)) minimum.set_cpu_cores(dice_.OneIn(2) ? 0 : 1001);
  if (dice_.OneIn(20)) minimum.set_memory_bytes(dice_.OneIn(2) ? INT64_MAX : kTebi + 1);
  return spec;
}

Step Generator::CreateImages(PlainFleet&) {
  auto request = std::make_shared<v1::CreateImagesRequest>();
  int64_t count = dice_.OneIn(40) ? 0 : dice_.Between(1, 2);
  for (int64_t i = 0; i < count; ++i) *request->add_images() = Image();
  request->set_create_missing(!dice_.OneIn(10));
  request->set_skip_existing(dice_.OneIn(3));
  if (count > 0 && dice_.OneIn(12)) {
    v1::ImageSpec& spec = *request->mutable_images(0);
    switch (dice_.Below(6)) {
      case 0:
        spec.set_semantic_version("latest");
        break;
      case 1:
        spec.set_image_uri("");
        break;
      case 2:
        spec.mutable_minimum()->set_cpu_cores(-1);
        break;
      case 3:
        spec.set_org("nobody");
        break;
      case 4:
        spec.set_protocol("unheard-of");
        break;
      default:
        if (spec.properties_size() > 0) *spec.add_properties() = spec.properties(0);
    }
  }
  return Ask("CatalogService/CreateImages", request);
}

Step Generator::CreateOrg(PlainFleet& fleet) {
  auto request = std::make_shared<v1::CreateOrgRequest>();
  request->set_name(dice_.OneIn(4) ? OrgName(fleet) : fmt::format("org-{}", fleet.orgs.size()));
  if (dice_.OneIn(10)) request->set_name(dice_.OneIn(2) ? "" : "o r g");
  return Ask("OrgService/CreateOrg", request);
}

Step Generator::Repair(PlainFleet& fleet) {
  auto request = std::make_shared<v1::RepairDriftRequest>();
  if (dice_.OneIn(2)) request->add_hosts(HostName(fleet));
  return Ask("AuditService/RepairDrift", request);
}

// The same request, or another one under its id.
Step Generator::Again(PlainFleet& fleet, const Remembered& before) {
  Step step = Ask(before.method, before.request);
  if (dice_.OneIn(3)) {
    step = Draw(fleet);
    if (step.kind != StepKind::kRequest) return step;
    SetText(*step.request, "request_id", TextIn(*before.request, "request_id"));
  }
  step.caller = before.caller;
  return step;
}

Step Generator::Restart() {
  Step step;
  step.kind = StepKind::kRestart;
  step.policies = {.abort_on_drift = dice_.OneIn(3), .enforce_capacity = dice_.OneIn(3)};
  return step;
}

}  // namespace tallyman
