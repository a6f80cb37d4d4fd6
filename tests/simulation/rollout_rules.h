// What must hold of rollouts, whoever steps them and whatever happens to their hosts: looked at
// after each step of a simulation. What a rollout has done is taken from the commands, the ledger
// and the audit trail, not from what the rollout says of itself.
//
// Here is the place for what is to come: that nothing is released while a window is closed
// (SeeRelease), that a node that was taken back runs what it ran before (SeeEnded), and that a
// policy proposes nothing twice (SeeRollout).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/store.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/machine_log.h"

namespace tallyman {

class RolloutRules {
 public:
  RolloutRules(const MachineLog& machines, Coverage& coverage)
      : machines_(machines), coverage_(coverage) {}

  // A server took a complete status of the host, which was made then.
  void TookStatus(const HostId& host, Time made, bool came_late) {
    statuses_[host] = {made, came_late};
  }
  // A server answered: the rollout is made, by somebody of this org; it is paused, or aborted; it
  // goes on.
  void Created(const std::string& rollout, const std::optional<OrgId>& by) { by_[rollout] = by; }
  Status Quieted(store::ReadTx& tx, Time now, const std::string& rollout);
  void Resumed(const std::string& rollout) { rollouts_[rollout].begun.reset(); }

  // After each thing that a server has done.
  Status See(store::ReadTx& tx, Time now);

  // The first rule that was broken; empty: none was.
  const std::string& broken() const { return broken_; }

 private:
  struct Release {
    std::string rollout;
    Command command;
    std::string node;
    std::optional<Time> may_begin_until = {};  // as it was made
  };
  struct Seen {
    Rollout rollout;
    std::map<NodeId, RolloutNode> rows;
    // Once it is paused or aborted by somebody: the attempts that had begun by then.
    std::optional<std::set<std::pair<CommandId, int64_t>>> begun;
  };
  struct LastStatus {
    Time made;
    bool came_late = false;
  };
  using Rows = std::vector<store::RolloutNodeRow>;

  void Break(std::string rule) {
    if (broken_.empty()) broken_ = std::move(rule);
  }
  Status SeeEvents(store::ReadTx& tx);
  Status SeeStarted(store::ReadTx& tx, const std::vector<Event>& started);
  Status SeeRelease(store::ReadTx& tx, Release release, const Event& event);
  Status SeeCommands(store::ReadTx& tx);
  Status SeeLedger(store::ReadTx& tx);
  Status SeeRollout(store::ReadTx& tx, Time now, const store::RolloutRow& row);
  void SeeBudgets(const Rollout& rollout);
  void SeeQuiet(const std::string& name, const Seen& seen);
  void SeeGates(const Rollout& rollout, const Rows& rows);
  void SeeVerdict(const Rollout& rollout, const RolloutNodeFacts& node);
  void SeePause(const Rollout& rollout, const Rows& rows, Time now);
  void SeeEnded(const Rollout& rollout, const Rows& rows);

  const MachineLog& machines_;
  Coverage& coverage_;
  std::string broken_;
  int64_t cursor_ = 0;
  bool only_rollouts_ = true;          // did something since the last look
  std::map<HostId, int64_t> ledgers_;  // seen up to this entry
  std::map<HostId, LastStatus> statuses_;
  std::set<CommandId> upgrades_;  // seen so far
  std::vector<Release> releases_;
  std::map<std::string, Seen> rollouts_;
  std::map<std::string, std::optional<OrgId>> by_;
};

}  // namespace tallyman
