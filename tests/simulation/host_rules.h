// What must hold on one host, whatever happens to it: looked at after each thing that its agent has
// done, with what the agent remembers and what is really on the machine.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "agent/execution.h"
#include "agent/journal.h"
#include "agent/simulated_runtime.h"
#include "tests/simulation/coverage.h"

namespace tallyman {

class HostRules {
 public:
  HostRules(agent::SimulatedRuntime& machine, const agent::ExecutionOptions& options,
            Coverage& coverage)
      : machine_(machine), options_(options), coverage_(coverage) {}

  // It waits anew for what it waited for.
  void AgentStarted() { since_.clear(); }
  // REQUIRES: called before and after each thing that an agent does, with what it remembers.
  void See(const agent::JournalState& memory, SteadyTime now);
  // The agent remembers nothing that is not in its journal.
  void CompareWithJournal(const agent::JournalState& memory, const agent::JournalState& written);

  // The first rule that was broken; empty: none was.
  const std::string& broken() const { return broken_; }

  using Attempt = std::pair<CommandId, int64_t>;
  // How each attempt of a command ended here.
  const std::map<Attempt, agent::CommandOutcome>& outcomes() const { return outcomes_; }
  // What was to be told of each node, by the numbers of the incidents.
  const std::map<int64_t, agent::JournalIncident>& incidents() const { return incidents_; }

 private:
  struct Since {
    agent::Stage stage = agent::Stage::kFetched;
    SteadyTime at{};
  };

  void Break(std::string rule);
  void SeeStage(const agent::JournalCommand& command, SteadyTime now);
  void SeeOutcome(const agent::JournalCommand& command);
  void SeeData();
  void SeeNodes(const agent::JournalState& memory);
  void CountOutcome(const agent::JournalCommand& command);
  void CheckInPlace(const agent::JournalCommand& command);
  const agent::JournalCommand* Before(const agent::JournalCommand& command) const;
  bool MayLoseData(const NodeId& node) const;

  agent::SimulatedRuntime& machine_;
  const agent::ExecutionOptions options_;
  Coverage& coverage_;
  std::string broken_;
  agent::JournalState last_;
  std::map<NodeId, agent::ObservedNode> seen_;
  std::map<NodeId, agent::SimulatedData> data_;
  std::map<Attempt, Since> since_;
  std::map<Attempt, agent::CommandOutcome> outcomes_;
  std::map<int64_t, agent::JournalIncident> incidents_;
  // Stopped by a command, and by none started since.
  std::set<NodeId> stopped_;
};

}  // namespace tallyman
