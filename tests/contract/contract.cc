#include "tests/contract/contract.h"

#include <sstream>

namespace tallyman {

using namespace tallyman::store;

LockSet LockOf(const NodeId& node) {
  LockSet wanted;
  wanted.nodes = {node};
  return wanted;
}

LockSet LockOf(const HostId& host) {
  LockSet wanted;
  wanted.hosts = {host};
  return wanted;
}

void ExpectRefused(const Status& status, Code code, std::string_view reason) {
  ASSERT_FALSE(status.has_value()) << "expected " << reason;
  EXPECT_EQ(status.error().reason, reason) << status.error().message;
  EXPECT_EQ(status.error().code, code) << status.error().message;
}

std::string StoreContract::Everything() {
  std::ostringstream out;
  Status status = store().Read([&](ReadTx& tx) -> Status {
    ListQuery all;
    all.limit = 100'000;
    all.with_deleted = true;
    ASSIGN_OR_RETURN(auto hosts, tx.ListHosts(all));
    for (const HostRow& row : hosts) {
      const Host& host = row.host;
      out << host.name << ' ' << host.version << ' ' << host.books.node_count << ' '
          << host.books.allocated.cpu_cores << ' ' << host.books.allocated.memory_bytes << ' '
          << host.books.allocated.disk_bytes << ' ' << host.held.cpu_cores << '\n';
      ASSIGN_OR_RETURN(auto ledger, tx.HostLedger(host.id, 0, 100'000));
      out << ledger.size() << " entries\n";
    }
    ASSIGN_OR_RETURN(auto nodes, tx.ListNodes(all));
    for (const NodeRow& row : nodes) out << row.node.name << ' ' << row.node.version << '\n';
    ASSIGN_OR_RETURN(auto commands, tx.ListCommands(all));
    for (const CommandRow& row : commands)
      out << row.cursor.key << ToText(row.command.state) << '\n';
    ASSIGN_OR_RETURN(auto events, tx.ListEvents(all));
    out << events.size() << " events\n";
    ASSIGN_OR_RETURN(auto images, tx.ListImages(all));
    ASSIGN_OR_RETURN(auto orgs, tx.ListOrgs(all));
    ASSIGN_OR_RETURN(auto regions, tx.ListRegions(all));
    ASSIGN_OR_RETURN(auto tokens, tx.ListTokens(all));
    for (const TokenRow& row : tokens)
      out << row.token.name << row.token.revoked_at.has_value() << row.token.used_at.has_value();
    ASSIGN_OR_RETURN(auto requests, tx.ListRequests(all));
    out << requests.size() << " requests\n";
    out << images.size() << orgs.size() << regions.size() << '\n';
    return {};
  });
  EXPECT_TRUE(status.has_value()) << status.error().message;
  return out.str();
}

}  // namespace tallyman
