#include "tests/differential/trial.h"

#include <fmt/core.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/ledger.pb.h"

namespace tallyman {

using namespace tallyman::api;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

constexpr size_t kRememberedMax = 100;
constexpr size_t kTokensMax = 500;
constexpr size_t kHistoryMax = 12;

v1::Changes* ChangesIn(Message& message) {
  const auto* field = message.GetDescriptor()->FindFieldByName("changes");
  if (field == nullptr) return nullptr;
  return dynamic_cast<v1::Changes*>(message.GetReflection()->MutableMessage(&message, field));
}

std::string TokenIn(const Message& message) {
  std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  v1::Changes* changes = ChangesIn(*copy);
  return changes != nullptr ? changes->plan_token() : TextIn(*copy, "plan_token");
}

template <class Request>
const Request* As(const Step& step) {
  return dynamic_cast<const Request*>(step.request.get());
}

}  // namespace

void Scrub(Message& message) {
  static const std::set<std::string> kNames = {
      "created_at", "updated_at", "released_at", "deleted_at",          "message",
      "plan_token", "time",       "protocol_id", "protocol_version_id", "heard_at"};
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (kNames.contains(field->name())) {
      reflection.ClearField(&message, field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map()) {
      int size = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
      for (int i = 0; i < size; ++i) {
        Scrub(field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, i)
                                   : *reflection.MutableMessage(&message, field));
      }
    }
  }
}

void TrialCounts::Add(const TrialCounts& other) {
  steps += other.steps;
  for (const auto& [method, count] : other.accepted) accepted[method] += count;
  for (const auto& [reason, count] : other.refused) refused[reason] += count;
}

std::string TrialCounts::ToText() const {
  std::string text = fmt::format("{} steps;", steps);
  for (const auto& [method, count] : accepted) text += fmt::format(" {} {}", method, count);
  text += "; refused:";
  for (const auto& [reason, count] : refused) text += fmt::format(" {} {}", reason, count);
  return text;
}

Trial::Trial(uint64_t seed, std::vector<std::unique_ptr<Side>> sides)
    : seed_(seed), generator_(seed), sides_(std::move(sides)) {}

std::string Trial::Run(int64_t steps, int64_t full_every) {
  SetUp();
  while (difference_.empty() && counts_.steps < steps) {
    if (OneStep() && counts_.steps % full_every == 0) CheckEverything();
  }
  if (difference_.empty()) CheckEverything();
  return difference_;
}

// What the random steps do not make.
void Trial::SetUp() {
  for (auto& side : sides_) side->Begin(seed_);
  for (const char* name : {"acme", "beta"}) {
    v1::CreateOrgRequest request;
    request.set_name(name);
    Heard reply = SendToAll("OrgService/CreateOrg", request, {});
    if (reply.message == nullptr) return Differs("set up", "an org", reply.ToText());
    fleet_.orgs[name] = dynamic_cast<v1::CreateOrgResponse&>(*reply.message).org().id();
  }
  for (const char* name : {"eu", "us"}) {
    v1::CreateRegionRequest request;
    request.set_name(name);
    Heard reply = SendToAll("RegionService/CreateRegion", request, {});
    if (reply.message == nullptr) return Differs("set up", "a region", reply.ToText());
    fleet_.regions[name] = dynamic_cast<v1::CreateRegionResponse&>(*reply.message).region().id();
  }
  v1::CreateProtocolRequest request;
  request.set_key("inner");
  request.set_org("beta");
  Heard reply = SendToAll("CatalogService/CreateProtocol", request, {});
  if (reply.message == nullptr) return Differs("set up", "a protocol", reply.ToText());
  fleet_.protocols["inner"] = "beta";
}

bool Trial::OneStep() {
  Step step = generator_.Next(fleet_, remembered_);
  ++counts_.steps;
  history_.push_back(fmt::format("{}: {}", counts_.steps, step.ToText()));
  if (history_.size() > kHistoryMax) history_.pop_front();
  for (auto& side : sides_) side->Begin(seed_ * 1'000'003 + static_cast<uint64_t>(counts_.steps));
  switch (step.kind) {
    case StepKind::kRequest:
      Request(step);
      break;
    case StepKind::kHost:
      HostWorks(step);
      break;
    case StepKind::kSql:
      for (auto& side : sides_) side->backend().Corrupt(step.sql(side->backend()));
      step.effect(fleet_);
      break;
    case StepKind::kRestart:
      for (auto& side : sides_) side->Restart(step.policies);
      fleet_.policies = step.policies;
      break;
  }
  fleet_.ForgetGone();
  return difference_.empty();
}

Prediction Trial::Predict(const Step& step, const v1::CreateNodesResponse* seen) {
  const PlainCaller& who = step.caller;
  auto command = [&](const auto& request, CommandKind kind) {
    return PredictCommand(fleet_, who, {request.nodes().begin(), request.nodes().end()}, kind,
                          request.dry_run(), request.plan_token());
  };
  if (const auto* r = As<v1::CreateNodesRequest>(step)) return PredictCreate(fleet_, who, *r, seen);
  if (const auto* r = As<v1::UpgradeNodesRequest>(step)) return PredictUpgrade(fleet_, who, *r);
  if (const auto* r = As<v1::UpdateNodeRequest>(step)) return PredictUpdate(fleet_, who, *r);
  if (const auto* r = As<v1::RetryUpgradeRequest>(step)) return PredictRetry(fleet_, who, *r);
  if (const auto* r = As<v1::MoveNodesRequest>(step)) return PredictMove(fleet_, who, *r);
  if (const auto* r = As<v1::DeleteNodesRequest>(step)) return PredictDelete(fleet_, who, *r);
  if (const auto* r = As<v1::StartNodesRequest>(step)) return command(*r, CommandKind::kStart);
  if (const auto* r = As<v1::StopNodesRequest>(step)) return command(*r, CommandKind::kStop);
  if (const auto* r = As<v1::RestartNodesRequest>(step)) return command(*r, CommandKind::kRestart);
  if (const auto* r = As<v1::CreateHostsRequest>(step)) return PredictCreateHosts(fleet_, who, *r);
  if (const auto* r = As<v1::UpdateHostRequest>(step)) return PredictUpdateHost(fleet_, who, *r);
  if (const auto* r = As<v1::CordonHostRequest>(step)) return PredictCordon(fleet_, who, *r);
  if (const auto* r = As<v1::UncordonHostRequest>(step)) return PredictUncordon(fleet_, who, *r);
  if (const auto* r = As<v1::CreateImagesRequest>(step))
    return PredictCreateImages(fleet_, who, *r);
  if (const auto* r = As<v1::CreateOrgRequest>(step)) return PredictCreateOrg(fleet_, who, *r);
  if (const auto* r = As<v1::RepairDriftRequest>(step)) return PredictRepair(fleet_, who, *r);
  Differs("the model", "a prediction", "none for " + step.method);
  return Prediction(fleet_);
}

void Trial::Request(const Step& step) {
  Prediction p = Predict(step, nullptr);
  Heard reply = SendToAll(step.method, *step.request, step.caller);
  if (!difference_.empty() || Replays(step, reply, p)) return;
  const std::string id = TextIn(*step.request, "request_id");
  if (!id.empty() && !IsName(id) && !p.refusals.contains("NOT_PERMITTED")) p.Refuse("INVALID_NAME");
  if (p.placement_open && reply.message != nullptr)
    p = Predict(step, &dynamic_cast<v1::CreateNodesResponse&>(*reply.message));
  Judge(step, std::move(p), reply);
}

// A request id that was answered before decides the answer, whatever the fleet is like now.
bool Trial::Replays(const Step& step, const Heard& reply, Prediction& p) {
  const std::string id = TextIn(*step.request, "request_id");
  if (id.empty() || BoolIn(*step.request, "dry_run")) return false;
  auto before = std::ranges::find_if(remembered_, [&](const Remembered& r) {
    return TextIn(*r.request, "request_id") == id && r.caller.id == step.caller.id &&
           r.caller.org == step.caller.org;
  });
  if (before == remembered_.end() || p.refusals.contains("NOT_PERMITTED")) return false;
  if (before->method == step.method && Serialize(*before->request) == Serialize(*step.request)) {
    ++counts_.accepted["(replay)"];
    if (reply.bytes != before->answer)
      Differs("the answer of a replay", "the first one", reply.ToText());
    return true;
  }
  p.refusals = {"REQUEST_ID_REUSED"};
  return false;
}

// A plan is applied if it would still be exactly that.
void Trial::JudgeToken(const Step& step, Prediction& p) {
  if (!p.accepted() || p.token_given.empty()) return;
  auto plan = plans_.find(step.method + p.token_given);
  if (plan == plans_.end() || plan->second != p.plan) p.Refuse("PLAN_STALE");
}

void Trial::Judge(const Step& step, Prediction p, const Heard& reply) {
  JudgeToken(step, p);
  if (!p.accepted()) {
    std::string expected;
    for (const std::string& reason : p.refusals) expected += reason + " ";
    if (!reply.error || !p.refusals.contains(reply.error->reason))
      return Differs("the answer", expected, reply.ToText());
    ++counts_.refused[reply.error->reason];
    return;
  }
  if (reply.error) return Differs("the answer", p.answer->DebugString(), reply.ToText());
  ++counts_.accepted[step.method.substr(step.method.find('/') + 1) + (p.dry_run ? " (plan)" : "")];
  CheckTokenIn(p, *reply.message);
  if (p.dry_run && p.plan) {
    const std::string token = TokenIn(*reply.message);
    auto [known, fresh] = plans_.emplace(step.method + token, *p.plan);
    if (!fresh && known->second != *p.plan)
      Differs("a plan token", "one of its own for this plan", token);
    if (fresh) tokens_.push_back(step.method + token);
    if (tokens_.size() > kTokensMax) {
      plans_.erase(tokens_.front());
      tokens_.pop_front();
    }
    generator_.Planned(step, token);
  }
  std::unique_ptr<Message> got(reply.message->New());
  got->CopyFrom(*reply.message);
  Scrub(*got);
  if (!p.dry_run) Adopt(p, *p.answer, *got);
  Expect("the answer", *p.answer, *got);
  if (p.dry_run || !difference_.empty()) return;
  fleet_ = std::move(p.after);
  Remember(step, reply);
  for (const std::string& host : p.hosts_touched) CheckHost(fleet_.hosts.at(host));
  for (const std::string& node : p.nodes_touched) CheckNode(fleet_.nodes.at(node));
}

void Trial::CheckTokenIn(const Prediction& p, const Message& got) {
  const std::string token = TokenIn(got);
  const std::string kind = p.dry_run && p.plan ? "a plan's" : "no";
  bool fine = p.token_given.empty() ? (kind == "no" ? token.empty() : token.size() == 64)
                                    : token == p.token_given;
  if (!fine) Differs("the plan token", kind + " token " + p.token_given, token);
}

// Ids of what is new are taken from the answer.
void Trial::Adopt(Prediction& p, Message& expected, const Message& got) {
  auto fresh = [&](const std::string& id) {
    if (!IsId(id) || p.after.nodes.contains(id)) Differs("a new id", "one of its own", id);
    return id;
  };
  if (auto* hosts = dynamic_cast<v1::CreateHostsResponse*>(&expected)) {
    const auto& seen = dynamic_cast<const v1::CreateHostsResponse&>(got);
    for (int i = 0; i < std::min(hosts->results_size(), seen.results_size()); ++i) {
      v1::HostResult& result = *hosts->mutable_results(i);
      if (result.skipped()) continue;
      result.set_id(fresh(seen.results(i).id()));
      p.after.hosts.at(result.name()).id = result.id();
    }
  }
  if (auto* images = dynamic_cast<v1::CreateImagesResponse*>(&expected)) {
    const auto& seen = dynamic_cast<const v1::CreateImagesResponse&>(got);
    for (int i = 0; i < std::min(images->results_size(), seen.results_size()); ++i) {
      v1::ImageResult& result = *images->mutable_results(i);
      if (result.skipped()) continue;
      result.set_id(fresh(seen.results(i).id()));
      for (auto& image : p.after.images) {
        if (image->Reference() != result.reference()) continue;
        auto with_id = std::make_shared<PlainImage>(*image);
        with_id->id = result.id();
        image = std::move(with_id);
      }
    }
  }
  if (auto* org = dynamic_cast<v1::CreateOrgResponse*>(&expected)) {
    const auto& seen = dynamic_cast<const v1::CreateOrgResponse&>(got);
    org->mutable_org()->set_id(fresh(seen.org().id()));
    p.after.orgs.at(org->org().name()) = org->org().id();
  }
  v1::Changes* changes = ChangesIn(expected);
  if (changes == nullptr) return;
  std::unique_ptr<Message> copy(got.New());
  copy->CopyFrom(got);
  const v1::Changes& seen = *ChangesIn(*copy);
  if (seen.nodes_size() != changes->nodes_size()) return;
  for (int i = 0; i < seen.nodes_size(); ++i) {
    Made& made = p.made[static_cast<size_t>(i)];
    v1::NodeChange& line = *changes->mutable_nodes(i);
    PlainNode& node = p.after.nodes.at(made.key);
    if (made.config != nullptr) {
      made.config->id = fresh(seen.nodes(i).to_config_id());
      line.set_to_config_id(made.config->id);
    }
    if (made.command) {
      node.commands.back().id = fresh(seen.nodes(i).command_id());
      line.set_command_id(node.commands.back().id);
    }
    if (!made.node) continue;
    node.id = fresh(seen.nodes(i).node_id());
    line.set_node_id(node.id);
    p.nodes_touched.erase(made.key);
    p.nodes_touched.insert(node.id);
    auto entry = p.after.nodes.extract(made.key);
    entry.key() = line.node_id();
    p.after.nodes.insert(std::move(entry));
  }
}

void Trial::Remember(const Step& step, const Heard& reply) {
  if (TextIn(*step.request, "request_id").empty()) return;
  remembered_.push_back({step.method, step.caller, step.request, reply.bytes});
  if (remembered_.size() > kRememberedMax) remembered_.pop_front();
}

// The host of the node asks for its commands, then takes and carries out the node's oldest one.
void Trial::HostWorks(const Step& step) {
  const std::string host = fleet_.nodes.at(step.node).host;
  Prediction fetch = PredictFetch(fleet_, host);
  Heard fetched = AsHost(fleet_.hosts.at(host), "AgentService/FetchCommands",
                         v1::FetchCommandsRequest(), fetch);
  if (fetched.message == nullptr) return;
  const auto& handed = dynamic_cast<v1::FetchCommandsResponse&>(*fetched.message);
  const PlainCommand& command =
      *std::ranges::find_if(fleet_.nodes.at(step.node).commands, &PlainCommand::IsPending);
  const bool was_handed = std::ranges::any_of(handed.commands(), [&](const v1::HandedCommand& out) {
    return out.command_id() == command.id;
  });
  if (was_handed != command.IsOpen())
    return Differs("command " + command.id, "handed out while it is open", fetched.ToText());
  Prediction report = PredictReport(fleet_, step.node);
  const PlainNode& after = report.after.nodes.at(step.node);
  v1::ReportRequest request;
  request.set_sequence(handed.next_sequence());
  if (was_handed) {
    request.add_acks()->set_command_id(command.id);
    request.mutable_acks(0)->set_attempt(1);
  }
  v1::Outcome& outcome = *request.add_outcomes();
  outcome.set_command_id(command.id);
  outcome.set_attempt(1);
  outcome.set_result(v1::OUTCOME_RESULT_OK);
  const bool stops = command.kind == CommandKind::kStop;
  if (after.running != nullptr) {
    outcome.set_running_config_id(after.running->id);
    outcome.set_run_state(stops ? v1::RUN_STATE_STOPPED : v1::RUN_STATE_RUNNING);
  }
  Heard reported = AsHost(fleet_.hosts.at(host), "AgentService/Report", request, report);
  if (reported.message == nullptr) return;
  const auto& answer = dynamic_cast<v1::ReportResponse&>(*reported.message);
  if (answer.ignored() || (was_handed && !answer.acks(0).accepted()) ||
      !answer.outcomes(0).reason().empty())
    return Differs("the report", "taken up", reported.ToText());
  ++counts_.accepted["(host reports)"];
}

// Its answer, and the fleet after it; no message when it was refused, as was predicted.
Heard Trial::AsHost(const PlainHost& host, const std::string& method, const Message& request,
                    Prediction& p) {
  const PlainCaller caller{
      .id = "agent." + host.name, .org = "", .role = Role::kHost, .host_id = host.id};
  Heard reply = SendToAll(method, request, caller);
  if (!p.accepted()) {
    if (!reply.error || !p.refusals.contains(reply.error->reason)) {
      Differs("the answer to a host", *p.refusals.begin(), reply.ToText());
      return {};
    }
    ++counts_.refused[reply.error->reason];
    return {};
  }
  if (reply.error) {
    Differs("the answer to a host", "accepted", reply.ToText());
    return {};
  }
  fleet_ = std::move(p.after);
  for (const std::string& name : p.hosts_touched) CheckHost(fleet_.hosts.at(name));
  for (const std::string& node : p.nodes_touched) CheckNode(fleet_.nodes.at(node));
  return difference_.empty() ? std::move(reply) : Heard();
}

void Trial::CheckHost(const PlainHost& host) {
  v1::GetHostRequest request;
  request.set_host(host.name);
  Heard reply = SendToAll("HostService/GetHost", request, {});
  auto* got = dynamic_cast<v1::GetHostResponse*>(reply.message.get());
  if (got == nullptr) return Differs("host " + host.name, "there", reply.ToText());
  Scrub(*got);
  v1::Host expected = HostMessage(fleet_, host);
  if (host.heard) expected.mutable_reported();
  AddClaims(host, expected);
  Expect("host " + host.name, expected, got->host());
}

void Trial::CheckNode(const PlainNode& node) {
  v1::GetNodeRequest request;
  request.set_node(node.id);
  Heard reply = SendToAll("NodeService/GetNode", request, {});
  auto* got = dynamic_cast<v1::GetNodeResponse*>(reply.message.get());
  if (got == nullptr) return Differs("node " + node.name, "there", reply.ToText());
  bool gone = got->node().has_deleted_at() && got->node().has_released_at();
  if (gone != node.gone)
    Differs("node " + node.name, node.gone ? "gone" : "live", got->DebugString());
  Scrub(*got);
  Expect("node " + node.name, NodeMessage(fleet_, node), got->node());
}

void Trial::CheckEverything() {
  for (const auto& [name, host] : fleet_.hosts) {
    CheckHost(host);
    CheckLedger(host);
  }
  for (const auto& [id, node] : fleet_.nodes) CheckNode(node);
  CheckOrgs();
  CheckAudit();
  CheckLists();
}

void Trial::CheckLedger(const PlainHost& host) {
  v1::ListLedgerRequest request;
  request.set_host(host.name);
  request.set_page_size(1);
  Heard reply = SendToAll("LedgerService/ListLedger", request, {});
  auto* got = dynamic_cast<v1::ListLedgerResponse*>(reply.message.get());
  if (got == nullptr) return Differs("the ledger of host " + host.name, "there", reply.ToText());
  Expect("the ledger's sum of host " + host.name, MessageOf(host.ledger_total), got->total());
  if (got->entry_count() != host.ledger_seq)
    Differs("the entries of host " + host.name, std::to_string(host.ledger_seq),
            std::to_string(got->entry_count()));
}

void Trial::CheckOrgs() {
  for (const auto& [name, id] : fleet_.orgs) {
    Books usage;
    for (const auto& [node_id, node] : fleet_.nodes) {
      if (!node.gone && node.org == name) usage = Plus(usage, {1, node.fields});
    }
    v1::GetOrgRequest request;
    request.set_org(id);
    Heard reply = SendToAll("OrgService/GetOrg", request, {});
    auto* got = dynamic_cast<v1::GetOrgResponse*>(reply.message.get());
    if (got == nullptr) return Differs("org " + name, "there", reply.ToText());
    Expect("what org " + name + " uses", MessageOf(usage), got->usage());
  }
}

void Trial::CheckAudit() {
  auto sorted = [](const std::vector<v1::Drift>& drifts) {
    std::vector<std::string> lines;
    for (const v1::Drift& drift : drifts) lines.push_back(drift.ShortDebugString() + "\n");
    std::ranges::sort(lines);
    std::string text;
    for (const std::string& line : lines) text += line;
    return text;
  };
  Heard reply = SendToAll("AuditService/RunAudit", v1::RunAuditRequest(), {});
  auto* got = dynamic_cast<v1::RunAuditResponse*>(reply.message.get());
  if (got == nullptr) return Differs("the audit", "done", reply.ToText());
  std::string expected = sorted(fleet_.Drifts());
  std::string found = sorted({got->drifts().begin(), got->drifts().end()});
  if (expected != found || got->balanced() != expected.empty())
    Differs("what the audit finds", expected, found);
}

void Trial::CheckLists() {
  v1::ListNodesRequest request;
  request.set_page_size(1000);
  Heard reply = SendToAll("NodeService/ListNodes", request, {});
  auto* got = dynamic_cast<v1::ListNodesResponse*>(reply.message.get());
  if (got == nullptr) return Differs("the nodes", "listed", reply.ToText());
  std::set<std::string> expected, found;
  for (const auto& [id, node] : fleet_.nodes) {
    if (!node.gone) expected.insert(node.name);
  }
  for (const v1::Node& node : got->nodes()) found.insert(node.name());
  auto joined = [](const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += name + " ";
    return text;
  };
  if (expected != found) Differs("the nodes", joined(expected), joined(found));
  for (const char* liveness : {"never_heard", "live", "silent"}) {
    std::set<std::string> hosts;
    for (const auto& [name, host] : fleet_.hosts) {
      const std::string is = host.silent ? "silent" : host.heard ? "live" : "never_heard";
      if (is == liveness) hosts.insert(name);
    }
    v1::ListHostsRequest list;
    list.set_page_size(1000);
    list.set_filter(fmt::format("liveness={}", liveness));
    Heard listed = SendToAll("HostService/ListHosts", list, {});
    auto* page = dynamic_cast<v1::ListHostsResponse*>(listed.message.get());
    if (page == nullptr) return Differs("the hosts", "listed", listed.ToText());
    found.clear();
    for (const v1::Host& host : page->hosts()) found.insert(host.name());
    if (hosts != found)
      Differs(fmt::format("the hosts that are {}", liveness), joined(hosts), joined(found));
  }
}

Heard Trial::SendToAll(const std::string& method, const Message& request,
                       const PlainCaller& caller) {
  std::vector<Heard> replies;
  replies.reserve(sides_.size());
  for (auto& side : sides_) replies.push_back(side->Send(method, request, caller));
  return Agree(std::move(replies));
}

Heard Trial::Agree(std::vector<Heard> replies) {
  for (size_t i = 1; i < replies.size(); ++i) {
    if (!replies[i].IsTheSameAs(replies[0]))
      Differs(fmt::format("{} and {}", sides_[0]->name(), sides_[i]->name()), replies[0].ToText(),
              replies[i].ToText());
  }
  return std::move(replies[0]);
}

void Trial::Expect(const std::string& what, const Message& expected, const Message& got) {
  if (Serialize(expected) == Serialize(got)) return;
  const std::string wanted = expected.DebugString(), found = got.DebugString();
  size_t at = 0;
  while (at < wanted.size() && at < found.size() && wanted[at] == found[at]) ++at;
  // The answer to a batch is long: from a little before the first difference.
  size_t from = wanted.rfind('\n', at > 600 ? at - 600 : 0);
  if (from == std::string::npos) from = 0;
  Differs(what, wanted.substr(from, 1500), found.substr(from, 1500));
}

void Trial::Differs(const std::string& what, const std::string& expected, const std::string& got) {
  if (!difference_.empty()) return;
  difference_ =
      fmt::format("seed {}, step {}: {} differs. Again: TALLYMAN_SEED={} TALLYMAN_STEPS={}\n",
                  seed_, counts_.steps, what, seed_, counts_.steps);
  for (const std::string& line : history_) difference_ += "  " + line + "\n";
  difference_ += fmt::format("expected:\n{}\ngot:\n{}\n", expected, got);
}

}  // namespace tallyman
