#include "tests/simulation/drain_rules.h"

#include <fmt/core.h>

#include <algorithm>

namespace tallyman {

using namespace tallyman::store;

void DrainRules::Drained(const std::string& host, const std::string& owner,
                         const v1::DrainHostsResponse& answer) {
  Stops& stops = drains_[host][owner];
  for (const v1::NodeChange& node : answer.changes().nodes())
    stops[node.node_id()] = node.command_id();
  if (answer.changes().nodes_size() > 0) coverage_.Saw(Situation::kHostDrained);
}

bool DrainRules::IsDrained(const std::string& host) const {
  const auto found = drains_.find(host);
  return found != drains_.end() && !found->second.empty();
}

std::vector<std::pair<std::string, std::string>> DrainRules::Open() const {
  std::vector<std::pair<std::string, std::string>> open;
  for (const auto& [host, drains] : drains_)
    for (const auto& [owner, stops] : drains) open.emplace_back(host, owner);
  return open;
}

Status DrainRules::Resuming(ReadTx& tx, const std::string& host, const std::string& owner) {
  expected_.clear();
  const auto& drains = drains_[host];
  const auto own = drains.find(owner);
  if (own == drains.end()) return {};
  for (const auto& [node_id, command_id] : own->second) {
    ASSIGN_OR_RETURN(const auto node, tx.FindNode(node_id));
    if (!node || !node->node.IsLive() || node->node.IsBeingDeleted()) continue;
    ListQuery query;
    query.order_by = "id";
    query.limit = 10'000;
    query.conditions = {{"node_id", Comparison::kEqual, node_id}};
    ASSIGN_OR_RETURN(const auto rows, tx.ListCommands(query));
    const Command* last = nullptr;
    for (const CommandRow& row : rows) {
      const Command& command = row.command;
      const bool tells = command.kind == CommandKind::kStart ||
                         command.kind == CommandKind::kStop ||
                         command.kind == CommandKind::kRestart;
      if (!tells || command.state == CommandState::kCancelled) continue;
      if (last == nullptr || last->seq < command.seq) last = &command;
    }
    if (last == nullptr || last->id.ToString() != command_id) continue;
    const bool rests = IsPending(last->state) || last->state == CommandState::kSettled ||
                       node->node.node_state == NodeState::kStopped;
    if (rests) expected_.insert({node_id, command_id});
  }
  return {};
}

void DrainRules::Resumed(const std::string& host, const std::string& owner,
                         const v1::ResumeHostsResponse& answer) {
  auto& drains = drains_[host];
  drains.erase(owner);
  if (!drains.empty()) {
    // They belong to the other drain now.
    drains.begin()->second.insert(expected_.begin(), expected_.end());
    expected_.clear();
  }
  std::set<std::string> started;
  for (const v1::NodeChange& node : answer.changes().nodes()) {
    started.insert(node.node_id());
    coverage_.Saw(node.withdrawn_command_ids_size() > 0 ? Situation::kStopWithdrawn
                                                        : Situation::kHostResumed);
  }
  std::set<std::string> expected;
  for (const auto& [node, command] : expected_) expected.insert(node);
  if (started != expected)
    Break(
        fmt::format("the end of {}'s drain of {} starts {} nodes, and it stopped {} that nobody "
                    "has touched since",
                    owner, host, started.size(), expected.size()));
}

Status DrainRules::See(ReadTx& tx) {
  ListQuery query;
  query.order_by = "name";
  ASSIGN_OR_RETURN(const auto hosts, tx.ListHosts(query));
  for (const HostRow& row : hosts) {
    ASSIGN_OR_RETURN(const auto claims, tx.ClaimsOf(row.host.id));
    if (row.host.cordoned != !claims.empty())
      Break("whether " + row.host.name + " is cordoned is not what its claims say");
    std::set<std::string> owners;
    std::set<std::string> expected;
    for (const HostClaim& claim : claims) owners.insert(claim.owner);
    if (const auto drains = drains_.find(row.host.name); drains != drains_.end())
      for (const auto& [owner, stops] : drains->second) expected.insert(owner);
    if (owners != expected)
      Break("the claims of " + row.host.name + " are not those of its drains");
  }
  return {};
}

}  // namespace tallyman
