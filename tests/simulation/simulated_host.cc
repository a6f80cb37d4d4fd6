#include "tests/simulation/simulated_host.h"

#include <stdexcept>

namespace tallyman {
namespace {

constexpr int kSqliteFull = 13;

// Short, so that a run does not only wait.
AgentOptions Options() {
  AgentOptions options;
  options.agent_version = "simulated";
  options.execution.health_deadline = std::chrono::seconds(20);
  options.execution.retry_time = std::chrono::seconds(60);
  options.execution.undo_retry_time = std::chrono::seconds(180);
  options.status_interval = std::chrono::seconds(30);
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
      chance_(chance) {
  machine_.SetHook([this](RuntimeStep step, const NodeSpec&) { return MayFail(step); });
  machine_.SetSlowness([this](RuntimeStep step, const NodeSpec&) {
    const int64_t most = step == RuntimeStep::kPrepare ? 12 : 4;
    return chance_.Strikes(4) ? static_cast<int>(2 + chance_.Below(most)) : 1;
  });
}

Status SimulatedHost::MayFail(RuntimeStep step) {
  if (chance_.Strikes(60)) throw AgentKilled();
  const SteadyTime now = clock_.SteadyNow();
  if (chance_.faults && step == RuntimeStep::kPrepare && now < registry_back_)
    return Fail(Error(Code::kUnavailable, "REGISTRY_AWAY", "503"));
  if (chance_.faults && now < disk_free_ &&
      (step == RuntimeStep::kPrepare || step == RuntimeStep::kInstall))
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
    if (chance_.Strikes(400)) throw AgentKilled();
    return chance_.Strikes(300) ? kSqliteFull : 0;
  });
  if (!opened) return;  // a full disk: it is tried again
  journal_ = *std::move(opened);
  agent_ = std::make_unique<AgentCore>(AgentCore::Parts{*this, *journal_, machine_, clock_, log_},
                                       Options());
  if (!agent_->Load()) Kill();
}

void SimulatedHost::Kill() {
  agent_.reset();
  journal_.reset();
}

void SimulatedHost::CutPower() {
  Kill();
  machine_.CutPower([this](const ImageId&) { return !chance_.OneIn(3); });
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
    if (agent_ != nullptr) act();
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
