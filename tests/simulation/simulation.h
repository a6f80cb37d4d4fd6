// A control plane on a real database, agents with their journals and simulated machines, and
// between them a network that loses, duplicates, delays and reorders messages; servers and agents
// crash anywhere, disks and upgrades fail, machines lose power and what was not synced, registries
// are unreachable, clocks are set, nodes crash, become unhealthy or cannot be read. Everything
// happens in one order, chosen by a seed.
//
// After each step the promises are checked (checks.cc); once the faults stop, every transition has
// to end, and books, ledger and machines have to agree.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/dispatcher.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/simulation/simulated_host.h"
#include "tests/support/temp_dir.h"

namespace tallyman {

// A store whose writes may be lost, or succeed without an answer.
class UnsteadyStore final : public Store {
 public:
  UnsteadyStore(Store& store, Chance& chance) : store_(store), chance_(chance) {}
  Status Read(const std::function<Status(ReadTx&)>& body) override { return store_.Read(body); }
  Status Write(const std::function<Status(WriteTx&)>& body) override;

 private:
  Store& store_;
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

 private:
  struct Letter {
    HostId host;
    std::string method;
    std::unique_ptr<google::protobuf::Message> request;
  };
  struct Wish;

  // The way of an agent's call (Network).
  Status Carry(const HostId& host, std::string_view method,
               const google::protobuf::Message& request,
               google::protobuf::Message& response) override;
  Status Serve(const Actor& actor, std::string_view method,
               const google::protobuf::Message& request, google::protobuf::Message* response);
  void DeliverLate();

  void StartServer();
  void BuildFleet();
  void Step();
  void BadNight(SimulatedHost& host);
  void Operate();
  void ExpireOverdue();
  // Faults have stopped: everybody works until nothing is left to do.
  void Settle();
  bool IsQuiet();
  std::vector<std::string> NodeNames();

  // Checks: empty where all is well (checks.cc).
  std::string CheckNow();
  std::string CheckSettled();
  std::string CheckMachine(ReadTx& tx, const SimulatedHost& host);
  std::string CheckNode(const Node& node, const NodeSnapshot& snapshot);

  void Note(std::string line) { trace_.push_back(std::move(line)); }
  std::string Report(const std::string& what) const;

  TempDir dir_{TempDir::Fast()};
  Chance chance_;
  ManualClock clock_{FromMicros(1'800'000'000'000'000)};
  SeededRandom random_;
  MemoryLog log_;
  Metrics metrics_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<UnsteadyStore> unsteady_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::vector<std::unique_ptr<SimulatedHost>> hosts_;
  std::deque<Letter> late_;
  std::map<HostId, int64_t> ledger_seen_;
  std::vector<std::string> trace_;
  int names_ = 0;
  const Actor admin_{.id = "operator", .org_id = {}, .role = Role::kAdmin};
};

}  // namespace tallyman
