// A control plane on a real database, agents with their journals and simulated machines, and
// between them a network that loses, duplicates, delays and reorders messages; servers and agents
// crash anywhere, disks and upgrades fail, machines lose power and what was not synced, registries
// are unreachable, clocks are set, nodes crash, become unhealthy or cannot be read. Everything
// happens in one order, chosen by a seed.
//
// After each step the promises are checked: of books and machines together (checks.cc), and of each
// host by itself (host_rules.h). Then the faults stop. Some of what is away may stay away: every
// command has to end all the same. In the end books, ledger, journals and machines have to agree,
// and whatever ended on a host was told. What was reached on the way is counted (coverage.h).
#pragma once

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
#include "store/sqlite/sqlite_store.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tests/simulation/simulated_host.h"
#include "tests/support/temp_dir.h"

namespace tallyman {

// A store whose writes may come to nothing.
class UnsteadyStore final : public store::Store {
 public:
  UnsteadyStore(store::Store& store, Chance& chance) : store_(store), chance_(chance) {}
  Status Read(const std::function<Status(store::ReadTx&)>& body) override {
    return store_.Read(body);
  }
  Status Write(const std::function<Status(store::WriteTx&)>& body) override;
  Status Together(const std::function<Result<bool>(store::Store& within)>& body) override {
    return store_.Together(body);
  }
  Result<std::optional<Time>> Now() override { return store_.Now(); }

 private:
  store::Store& store_;
  Chance& chance_;
};

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
  struct Letter {
    HostId host;
    std::string method;
    std::unique_ptr<google::protobuf::Message> request;
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
                  const v1::ReportResponse& response, bool late);

  void StartServer();
  void BuildFleet();
  void Step();
  void BadNight(SimulatedHost& host);
  void SetClock(SimulatedHost& host);
  void LetFail(agent::SimulatedRuntime& machine, const agent::ObservedNode& node);
  void EndJobs(SimulatedHost& host);
  void Operate();
  void CreateNode();
  void Ask(const char* method, const google::protobuf::Message& request);
  void ExpireOverdue();
  void ForgetHistory();
  void StopFaults();
  // Faults have stopped: everybody does what there is to do. Empty: all of it comes to an end.
  std::string Settle(bool with_unknown);
  std::string SettleWhileSomethingIsAway();
  std::string FindMotion(bool with_unknown);
  // Everybody does what there is to do now.
  void WorkAll();
  std::vector<v1::Node> Nodes();

  // Checks: empty where all is well (checks.cc).
  std::string CheckNow();
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
  std::unique_ptr<store::sqlite::SqliteStore> store_;
  std::unique_ptr<UnsteadyStore> unsteady_;
  std::unique_ptr<control::Control> control_;
  std::unique_ptr<api::Dispatcher> dispatcher_;
  std::vector<std::unique_ptr<SimulatedHost>> hosts_;
  std::deque<Letter> late_;
  std::map<HostId, int64_t> ledger_seen_;
  std::map<HostId, int64_t> sent_;       // the number of the last report
  std::map<HostId, int64_t> incidents_;  // served, up to this number
  std::set<HostRules::Attempt> told_;
  std::string wrong_;  // on the network
  std::vector<std::string> trace_;
  int names_ = 0;
  const Actor admin_{.id = "operator", .role = Role::kAdmin};
};

}  // namespace tallyman
