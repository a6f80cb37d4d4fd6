// The fleet as a few numbers, in a store.
#include "base/time.h"
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

class OverviewContract : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    first_ = AddHost("rack-1");
    second_ = AddHost("rack-2", {2, 4'000, 10'000});
    AddHost("rack-3");
    for (const char* name : {"eth-0", "eth-1", "eth-2"}) nodes_.push_back(AddNode(name, first_));
    nodes_.push_back(AddNode("eth-3", second_));
  }
  FleetOverview Overview(std::optional<OrgId> org = {}, Time late_before = {}) {
    return Read(
        [&](ReadTx& tx) { return tx.ReadOverview({.org_id = org, .late_before = late_before}); });
  }
  Status SetCommand(const Node& node, CommandState state) {
    ChangeSet changes;
    changes.command_updates = {{CommandOf(node).id, state, std::nullopt}};
    return Apply(store(), changes);
  }
  Command CommandOf(const Node& node) {
    const auto rows = Read([&](ReadTx& tx) {
      return tx.ListCommands({.conditions = {{"node", Comparison::kEqual, node.name}}});
    });
    EXPECT_EQ(rows.size(), 1u);
    return rows.at(0).command;
  }
  void AddOrg(const std::string& name) {
    Fleet other(7);
    ChangeSet changes;
    changes.new_orgs = {other.org};
    changes.new_orgs[0].name = name;
    changes.new_orgs[0].id = other_;
    ASSERT_OK(Apply(store(), changes));
  }
  static int64_t In(const FleetOverview& overview, NodeState state) {
    return overview.nodes[static_cast<size_t>(state)];
  }

  HostId first_;
  HostId second_;
  OrgId other_ = *OrgId::Parse("01234567-89ab-7def-8123-456789abcdef");
  std::vector<Node> nodes_;
};

TEST_P(OverviewContract, CountsHostsByWhatIsKnownOfThem) {
  ChangeSet changes;
  changes.host_reports = {{.host_id = second_,
                           .sequence = 1,
                           .heard_at = FromMicros(5),
                           .status_at = FromMicros(5),
                           .capacity = Resources{1, 1, 1},
                           .problem = "the disk is full"}};
  ASSERT_OK(Apply(store(), changes));
  backend_->Corrupt("UPDATE hosts SET silent_since = created_at WHERE name = 'rack-1'");
  backend_->Corrupt("UPDATE hosts SET heard = (1 = 1), cordoned = (1 = 1) WHERE name = 'rack-2'");
  const HostCounts hosts = Overview().hosts;
  EXPECT_EQ(hosts.total, 3);
  EXPECT_EQ(hosts.silent, 1);
  EXPECT_EQ(hosts.never_heard, 1);
  EXPECT_EQ(hosts.live(), 1);
  EXPECT_EQ(hosts.cordoned, 1);
  EXPECT_EQ(hosts.with_problems, 1);
  EXPECT_EQ(hosts.over_capacity, 0);
  EXPECT_EQ(hosts.drifted, 0);
}

TEST_P(OverviewContract, CountsHostsThatCarryMoreThanTheyHave) {
  ChangeSet changes = fleet_.Upgrade(nodes_[3], fleet_.big);
  ASSERT_OK(Apply(store(), changes));
  EXPECT_EQ(Overview().hosts.over_capacity, 1);
}

TEST_P(OverviewContract, ComparesEachCounterWithTheNodes) {
  EXPECT_EQ(Overview().hosts.drifted, 0);
  for (const char* counter :
       {"node_count", "node_cpu_cores", "node_memory_bytes", "node_disk_bytes", "held_cpu_cores",
        "held_memory_bytes", "held_disk_bytes"}) {
    // Also where there is no node at all.
    for (const char* host : {"rack-1", "rack-3"}) {
      auto change = [&](const char* by) {
        backend_->Corrupt(std::string("UPDATE hosts SET ") + counter + " = " + counter + by +
                          " WHERE name = '" + host + "'");
      };
      change(" + 1");
      EXPECT_EQ(Overview().hosts.drifted, 1) << counter << " of " << host;
      change(" - 1");
    }
  }
  EXPECT_EQ(Overview().hosts.drifted, 0);
}

TEST_P(OverviewContract, CountsNodesByStateWithoutThoseThatAreDeleted) {
  backend_->Corrupt("UPDATE nodes SET node_state = 'failed' WHERE name = 'eth-2'");
  ASSERT_OK(Apply(store(), fleet_.Delete(nodes_[0])));
  const FleetOverview overview = Overview();
  EXPECT_EQ(In(overview, NodeState::kFailed), 1);
  EXPECT_EQ(In(overview, NodeState::kStarting), 2);
  EXPECT_EQ(In(overview, NodeState::kDeleted), 0);
}

TEST_P(OverviewContract, CountsCommandsThatHaveNotEnded) {
  const Time second = CommandOf(nodes_[1]).created_at;
  ASSERT_OK(SetCommand(nodes_[0], CommandState::kTaken));
  FleetOverview overview = Overview({}, second + std::chrono::microseconds(1));
  EXPECT_EQ(overview.commands.open, 3);
  EXPECT_EQ(overview.commands.taken, 1);
  EXPECT_EQ(overview.commands.unknown, 0);
  EXPECT_EQ(overview.commands.oldest_open_at, second);
  EXPECT_EQ(overview.commands.late, 1) << "of the open ones only";
  ASSERT_OK(SetCommand(nodes_[1], CommandState::kUnknown));
  ASSERT_OK(SetCommand(nodes_[2], CommandState::kSettled));
  ASSERT_OK(SetCommand(nodes_[3], CommandState::kFailed));
  overview = Overview();
  EXPECT_EQ(overview.commands.open, 0);
  EXPECT_EQ(overview.commands.unknown, 1);
  EXPECT_FALSE(overview.commands.oldest_open_at);
}

TEST_P(OverviewContract, OfAnOrgHasItsNodesTheirCommandsAndTheirHosts) {
  AddOrg("beta");
  backend_->Corrupt("UPDATE nodes SET org_id = " + backend_->Literal(other_.uuid) +
                    " WHERE name = 'eth-3'");
  const FleetOverview of_beta = Overview(other_);
  EXPECT_EQ(of_beta.hosts.total, 1);
  EXPECT_EQ(In(of_beta, NodeState::kStarting), 1);
  EXPECT_EQ(of_beta.commands.open, 1);
  const FleetOverview rest = Overview(fleet_.org.id);
  EXPECT_EQ(rest.hosts.total, 1);
  EXPECT_EQ(In(rest, NodeState::kStarting), 3);
  EXPECT_EQ(rest.commands.open, 3);
}

RUN_ON_ALL_BACKENDS(OverviewContract);

}  // namespace
}  // namespace tallyman
