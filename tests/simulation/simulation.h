// A control plane on a real database, agents with their journals and simulated machines, and
// between them a network that loses, duplicates, delays and reorders messages; servers and agents
// crash anywhere, disks and upgrades fail, machines lose power and what was not synced, registries
// are unreachable, hosts are cut off, clocks are set, nodes crash, become unhealthy or cannot be
// read. People upgrade nodes one by one and by rollouts, which two servers step, and drain hosts
// (wishes.cc). Everything happens in one order, chosen by a seed.
//
// After each step the promises are checked: of books and machines together (checks.cc), of each
// host by itself (host_rules.h), of rollouts and of drains (rollout_rules.h, drain_rules.h). Then
// the faults stop. Some of what is away may stay away: every
// command has to end all the same. In the end books, ledger, journals and machines have to agree,
// and whatever ended on a host was told. What was reached on the way is counted (coverage.h).
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/dispatcher.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/rollout.pb.h"
#include "tests/contract/backend.h"
#include "tests/simulation/drain_rules.h"
#include "tests/simulation/machine_log.h"
#include "tests/simulation/rollout_rules.h"
#include "tests/simulation/simulated_host.h"
#include "tests/simulation/unsteady_store.h"
#include "tests/support/temp_dir.h"

namespace tallyman {

class Simulation final : public Network {
 public:
  explicit Simulation(uint64_t seed);
  ~Simulation() override;

  // Empty: every promise was kept. Else the first that was not, with what led to it.
  std::string Run(int steps);

  // What happened, one line per step.
  const std::vector<std::string>& trace() const { return trace_; }
  const Coverage& coverage() const { return chance_.coverage; }

 private:
  static constexpr int kHosts = 3;
  static constexpr int kNodesMax = 8;
  static constexpr const char* kVersions[] = {"1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"};
  static constexpr const char* kPrivateVersion = "5.0.0";  // of one org only

  struct Letter {
    HostId host;
    std::string method;
    std::unique_ptr<google::protobuf::Message> request;
    Time sent;
  };
  // Both work on one database.
  struct Server {
    std::unique_ptr<UnsteadyStore> store;
    std::unique_ptr<control::Control> control;
    std::unique_ptr<api::Dispatcher> dispatcher;
  };
  // The way of an agent's call (Network).
  Status Carry(const HostId& host, std::string_view method,
               const google::protobuf::Message& request,
               google::protobuf::Message& response) override;
  Status Serve(const Actor& actor, std::string_view method,
               const google::protobuf::Message& request, google::protobuf::Message* response);
  void DeliverLate();
  void NoteSent(const HostId& host, const v1::ReportRequest& request);
  void NoteServed(const HostId& host, const v1::ReportRequest& request,
                  const v1::ReportResponse& response, bool late, Time sent);

  void StartServers();
  // Any of those that are not in the middle of something.
  Server& Idle();
  void BuildFleet();
  void Step();
  void BadNight(SimulatedHost& host);
  void SetClock(SimulatedHost& host);
  void LetFail(agent::SimulatedRuntime& machine, const agent::ObservedNode& node);
  void EndJobs(SimulatedHost& host);
  // What people wish (wishes.cc).
  void Operate();
  void OperateNode();
  void OperateRollouts();
  void CreateNode();
  void CreateRollout();
  void PauseRollout(const std::string& name);
  void ResumeRollout(const std::string& name);
  void AbortRollout(const std::string& name);
  // It was answered: no host begins any more.
  void Quiet(const std::string& name);
  void DrainHost();
  void ResumeHost();
  std::vector<v1::Rollout> OpenRollouts();
  agent::BlockingJob BusyForAWhile();
  bool Ask(const char* method, const google::protobuf::Message& request,
           google::protobuf::Message* response = nullptr, const Actor* by = nullptr);
  // What the timers of servers do.
  void AdvanceRollouts();
  void AdvanceOn(Server& server);
  // In the middle of what the server does, another one does something, or an agent.
  void MayBeDisturbed(Server& server);
  void NoteFailure(const std::string& what, const Error& error);
  void ExpireOverdue();
  void ForgetHistory();
  void StopFaults();
  // Faults have stopped: everybody does what there is to do. Empty: all of it comes to an end.
  std::string Settle(bool with_unknown);
  std::string SettleWhileSomethingIsAway();
  // What is open by then ends when somebody wants it to.
  std::string EndRollouts();
  std::string FindMotion(bool with_unknown);
  // Everybody does what there is to do now.
  void WorkAll();
  std::vector<v1::Node> Nodes();

  // Checks: empty where all is well (checks.cc).
  std::string CheckNow();
  std::string CheckRollouts();
  std::string CheckSettled();
  std::string CheckMachine(store::ReadTx& tx, const SimulatedHost& host);
  std::string CheckBegun(store::ReadTx& tx, const SimulatedHost& host);
  std::string CheckNode(store::ReadTx& tx, const Node& node, const NodeSnapshot& snapshot);
  std::string CheckTold(store::ReadTx& tx, const SimulatedHost& host);
  std::string CheckIncidents(store::ReadTx& tx, const SimulatedHost& host);
  void CountCommands(store::ReadTx& tx);

  void Note(std::string line) { trace_.push_back(std::move(line)); }
  std::string Report(const std::string& what) const;

  TempDir dir_{TempDir::Fast()};
  Chance chance_;
  ManualClock clock_{FromMicros(1'800'000'000'000'000)};
  SeededRandom random_;
  MemoryLog log_;
  Metrics metrics_;
  std::unique_ptr<StoreBackend> backend_;
  store::Store* store_ = nullptr;  // to look at what is there
  std::array<Server, 2> servers_;
  Server* busy_ = nullptr;
  std::vector<std::unique_ptr<SimulatedHost>> hosts_;
  std::map<HostId, Time> cut_off_;  // until then nothing gets through
  std::deque<Letter> late_;
  std::map<HostId, int64_t> ledger_seen_;
  std::map<HostId, int64_t> sent_;       // the number of the last report
  std::map<HostId, int64_t> incidents_;  // served, up to this number
  std::set<HostRules::Attempt> told_;
  std::string wrong_;  // on the network
  std::vector<std::string> trace_;
  MachineLog machines_;
  RolloutRules rollout_rules_{machines_, chance_.coverage};
  DrainRules drain_rules_{chance_.coverage};
  const bool leaves_nodes_alone_;  // more or less: people let rollouts do their work
  int names_ = 0;
  int rollouts_ = 0;
  OrgId acme_;
  const Actor admin_{.id = "operator", .role = Role::kAdmin};
};

}  // namespace tallyman
