#include "tests/simulation/simulated_host.h"

#include <algorithm>

namespace tallyman {
namespace {

using namespace tallyman::agent;

constexpr int kSqliteFull = 13;

// Short, so that a run does not only wait.
AgentOptions Options() {
  AgentOptions options;
  options.agent_version = "simulated";
  options.execution.health_deadline = std::chrono::seconds(20);
  options.execution.retry_time = std::chrono::seconds(60);
  options.execution.undo_retry_time = std::chrono::seconds(180);
  options.status_interval = std::chrono::seconds(30);
  options.care_interval = std::chrono::seconds(5);
  options.health_retries = 2;
  return options;
}

}  // namespace

SimulatedHost::SimulatedHost(HostId id, std::string name, std::string journal, Network& network,
                             Clock& clock, Log& log, Chance& chance)
    : id_(id),
      name_(std::move(name)),
      journal_path_(std::move(journal)),
      network_(network),
      clock_(clock),
      log_(log),
      chance_(chance),
      rules_(machine_, Options().execution, chance.coverage) {
  machine_.SetHook([this](RuntimeStep step, const NodeSpec&) { return MayFail(step); });
  machine_.SetSlowness([this](RuntimeStep step, const NodeSpec&) {
    const int64_t most = step == RuntimeStep::kPrepare ? 12 : 4;
    return chance_.Strikes(4) ? static_cast<int>(2 + chance_.Below(most)) : 1;
  });
}

Status SimulatedHost::MayFail(RuntimeStep step) {
  if (chance_.Strikes(60, Situation::kAgentKilledInStep)) throw AgentKilled();
  const SteadyTime now = clock_.SteadyNow();
  if (step == RuntimeStep::kPrepare && now < registry_back_)
    return Fail(Error(Code::kUnavailable, "REGISTRY_AWAY", "503"));
  if (step == RuntimeStep::kInstall && now < disk_free_)
    return Fail(Error(Code::kResourceExhausted, "DISK_FULL", "no space left on device"));
  if (step != RuntimeStep::kHealth && chance_.Strikes(20))
    return Fail(Error(Code::kUnavailable, "DEVICE_BUSY", "device or resource busy"));
  if (!chance_.Strikes(step == RuntimeStep::kHealth ? 20 : 12)) return {};
  return Fail(Internal("TOOL_FAILED", "made to fail"));
}

void SimulatedHost::Start() {
  agent_.reset();
  journal_.reset();
  auto opened = SqliteJournal::Open(journal_path_, [this](std::string_view) {
    if (looking_) return 0;
    if (chance_.Strikes(400, Situation::kAgentKilledInJournal)) throw AgentKilled();
    return chance_.Strikes(300, Situation::kJournalFull) ? kSqliteFull : 0;
  });
  if (!opened) return;  // a full disk: it is tried again
  journal_ = *std::move(opened);
  agent_ = std::make_unique<AgentCore>(AgentCore::Parts{*this, *journal_, machine_, clock_, log_},
                                       Options());
  if (!agent_->Load()) return Kill();
  rules_.AgentStarted();
  Look();
}

void SimulatedHost::Look() {
  memory_ = agent_->Remembered();
  rules_.See(memory_, clock_.SteadyNow());
  looking_ = true;
  rules_.CompareWithJournal(memory_, journal_->Load().value());
  looking_ = false;
}

bool SimulatedHost::IsInStep(Stage from, Stage to) const {
  return std::ranges::any_of(memory_.commands, [&](const auto& entry) {
    return entry.second.stage >= from && entry.second.stage <= to;
  });
}

void SimulatedHost::SetClock(std::chrono::seconds by) {
  if (IsAwaiting()) chance_.coverage.Saw(Situation::kClockSetInWait);
  clock_.Jump(by);
}

void SimulatedHost::SpoilAwaited() {
  for (const ObservedNode& node : Seen()) {
    const bool awaited = std::ranges::any_of(memory_.commands, [&](const auto& entry) {
      return entry.second.node_id == node.node_id && entry.second.stage == Stage::kAwait;
    });
    if (!awaited) continue;
    machine_.SetUnhealthy(node.node_id, "no space left");
    machine_.SetDataBytes(node.node_id, node.limits.disk_bytes);
  }
}

void SimulatedHost::LetNodesWrite() {
  for (const ObservedNode& node : Seen()) machine_.Write(node.node_id, chance_.OneIn(2));
}

void SimulatedHost::Kill() {
  agent_.reset();
  journal_.reset();
}

void SimulatedHost::CutPower() {
  if (IsInStep(Stage::kPrepare, Stage::kRemove)) chance_.coverage.Saw(Situation::kPowerCutInStep);
  Kill();
  machine_.CutPower([this](const ImageId&) {
    const bool lost = chance_.OneIn(3);
    if (lost) chance_.coverage.Saw(Situation::kPowerCutWithImageLost);
    return !lost;
  });
  for (const ObservedNode& node : Seen()) {
    if (chance_.OneIn(4)) {
      machine_.Break(node.node_id);
    } else if (chance_.OneIn(4)) {
      machine_.LoseContainer(node.node_id);
    }
  }
}

void SimulatedHost::Alive(const std::function<void()>& act) {
  try {
    if (agent_ == nullptr) Start();
    if (agent_ == nullptr) return;
    Look();
    act();
    Look();
  } catch (const AgentKilled&) {
    Kill();
  }
}

void SimulatedHost::Talk() {
  Alive([this] { (void)agent_->Talk().has_value(); });
}

bool SimulatedHost::Work() {
  bool worked = false;
  Alive([&] { worked = agent_->WorkOnce(); });
  return worked;
}

bool SimulatedHost::HasWork() const {
  if (agent_ == nullptr) return true;
  for (const auto& [id, command] : agent_->Remembered().commands) {
    if (command.stage != Stage::kDone) return true;
  }
  return agent_->HasNews();
}

std::vector<ObservedNode> SimulatedHost::Seen() const {
  auto nodes = machine_.List();
  return nodes ? *nodes : std::vector<ObservedNode>();
}

Status SimulatedHost::Call(std::string_view method, const google::protobuf::Message& request,
                           google::protobuf::Message& response) {
  return network_.Carry(id_, method, request, response);
}

}  // namespace tallyman
