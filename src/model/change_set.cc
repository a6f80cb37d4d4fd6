#include "model/change_set.h"

#include <iterator>
#include <tuple>
#include <utility>

namespace tallyman {
namespace {

// All of them: with a list more this does not compile until it stands here as well.
auto ListsOf(ChangeSet& set) {
  auto& [new_orgs, new_regions, new_protocols, new_versions, new_images, new_hosts, new_configs,
         new_nodes, node_updates, host_updates, ledger, command_updates, new_commands, events,
         requests, token_updates, new_tokens, host_reports, status_reports, node_incidents,
         ended_claims, new_claims, drain_nodes, quota_updates, new_rollouts, rollout_updates,
         new_rollout_nodes, rollout_node_updates, ended_policies, new_policies, joined_hosts] = set;
  return std::tie(new_orgs, new_regions, new_protocols, new_versions, new_images, new_hosts,
                  new_configs, new_nodes, node_updates, host_updates, ledger, command_updates,
                  new_commands, events, requests, token_updates, new_tokens, host_reports,
                  status_reports, node_incidents, ended_claims, new_claims, drain_nodes,
                  quota_updates, new_rollouts, rollout_updates, new_rollout_nodes,
                  rollout_node_updates, ended_policies, new_policies, joined_hosts);
}

template <class T>
void Join(std::vector<T>& to, std::vector<T>& more) {
  if (to.empty()) {
    to = std::move(more);
  } else {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
}

}  // namespace

void ChangeSet::Append(ChangeSet more) {
  auto to = ListsOf(*this);
  auto from = ListsOf(more);
  [&]<size_t... i>(std::index_sequence<i...>) {
    (Join(std::get<i>(to), std::get<i>(from)), ...);
  }(std::make_index_sequence<std::tuple_size_v<decltype(to)>>());
}

}  // namespace tallyman
