// One host of a simulation: a permanent machine and journal, and an agent that starts and dies.
#pragma once

#include <memory>
#include <string>

#include "agent/core.h"
#include "agent/simulated_runtime.h"
#include "agent/sqlite_journal.h"
#include "base/random.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/host_rules.h"

namespace tallyman {

// The source of all randomness, and the switch for faults.
class Chance {
 public:
  // Some seeds are calmer than others: what takes many steps comes to its end there.
  explicit Chance(uint64_t seed) : random_(seed), calm_(kCalm[seed % std::size(kCalm)]) {}
  // 0 to n - 1.
  int64_t Below(int64_t n) {
    return static_cast<int64_t>(random_.Next() % static_cast<uint64_t>(n));
  }
  bool OneIn(int64_t n) { return Below(n) == 0; }
  // A fault: never once they have stopped.
  bool Strikes(int64_t one_in) { return faults && OneIn(one_in * calm_); }
  // The same, and it is counted.
  bool Strikes(int64_t one_in, Situation situation) {
    const bool strikes = Strikes(one_in);
    if (strikes) coverage.Saw(situation);
    return strikes;
  }
  bool faults = true;
  Coverage coverage;

 private:
  static constexpr int64_t kCalm[] = {1, 8, 3, 20};
  SeededRandom random_;
  const int64_t calm_;
};

// Ends the agent where it is thrown.
struct AgentKilled {};

// A host's own clock, which may be set.
class HostClock final : public Clock {
 public:
  explicit HostClock(Clock& clock) : clock_(clock) {}
  Time Now() override { return clock_.Now() + offset_; }
  SteadyTime SteadyNow() override { return clock_.SteadyNow(); }
  void Jump(std::chrono::microseconds by) { offset_ += by; }

 private:
  Clock& clock_;
  std::chrono::microseconds offset_{0};
};

// What carries the calls of agents.
class Network {
 public:
  virtual ~Network() = default;
  virtual Status Carry(const HostId& host, std::string_view method,
                       const google::protobuf::Message& request,
                       google::protobuf::Message& response) = 0;
};

class SimulatedHost final : private client::Client {
 public:
  SimulatedHost(HostId id, std::string name, std::string journal, Network& network, Clock& clock,
                Log& log, Chance& chance);

  const HostId& id() const { return id_; }
  const std::string& name() const { return name_; }
  agent::SimulatedRuntime& machine() { return machine_; }
  // What is really there.
  std::vector<agent::ObservedNode> Seen() const;
  bool HasWork() const;
  // What its agent remembers; nullptr: there is none now.
  const agent::JournalState* Remembered() const { return agent_ == nullptr ? nullptr : &memory_; }
  const HostRules& rules() const { return rules_; }

  // At random each ends with the agent's death; the next call starts it again.
  void Talk();
  bool Work();
  void Kill();
  // The machine loses power: unsynced data are lost, the journal is not.
  void CutPower();
  // What was just started writes as much as it may, and does not become healthy.
  void SpoilAwaited();
  bool IsAwaiting() const { return IsInStep(agent::Stage::kAwait, agent::Stage::kAwait); }
  // Nodes that run write to their disks.
  void LetNodesWrite();
  // Its registry, or its disk, is of no use for a while.
  void LoseRegistry(std::chrono::seconds how_long) { registry_back_ = Later(how_long); }
  void FillDisk(std::chrono::seconds how_long) { disk_free_ = Later(how_long); }
  void Heal() { registry_back_ = disk_free_ = {}; }
  void SetClock(std::chrono::seconds by);

 private:
  SteadyTime Later(std::chrono::seconds by) { return clock_.SteadyNow() + by; }
  void Start();
  // Looks at what the agent remembers, and at the rules.
  void Look();
  bool IsInStep(agent::Stage from, agent::Stage to) const;
  void Alive(const std::function<void()>& act);
  Status Call(std::string_view method, const google::protobuf::Message& request,
              google::protobuf::Message& response) override;
  Status MayFail(agent::RuntimeStep step);

  const HostId id_;
  const std::string name_;
  const std::string journal_path_;
  Network& network_;
  HostClock clock_;
  // Until then neither of them is.
  SteadyTime registry_back_{};
  SteadyTime disk_free_{};
  Log& log_;
  Chance& chance_;
  mutable agent::SimulatedRuntime machine_{{64, 256'000'000'000, 8'000'000'000'000}};
  HostRules rules_;
  std::unique_ptr<agent::SqliteJournal> journal_;
  std::unique_ptr<agent::AgentCore> agent_;
  agent::JournalState memory_;
  bool looking_ = false;  // the journal is read by us
};

}  // namespace tallyman
