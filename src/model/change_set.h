// What a decision writes, as values. A store writes a change set whole or not at all.
#pragma once

#include <vector>

#include "model/drain.h"
#include "model/event.h"
#include "model/ledger.h"
#include "model/report.h"
#include "model/rollout.h"
#include "model/snapshot.h"
#include "model/token.h"
#include "model/upgrade_policy.h"

namespace tallyman {

// Optimistic concurrency: a row is written only where the stored version is `version_before`; a
// missing row, or one at another version, fails the whole transaction.
struct NodeUpdate {
  Node after;
  int64_t version_before = 0;
};

struct HostUpdate {
  Host after;
  int64_t version_before = 0;
};

struct CommandUpdate {
  CommandId id;
  CommandState state = CommandState::kOpen;
  std::optional<Time> ended_at;
  // Empty: unchanged.
  std::optional<int64_t> attempt = {};
  std::optional<Time> taken_at = {};
  std::optional<Time> not_before = {};
  std::optional<Time> not_after = {};
  std::optional<std::string> outcome = {};
  std::optional<ConfigId> from_config_id = {};
};

// Changes only a token that is neither revoked nor used (unless with this nonce); any other fails
// the whole transaction with ABORTED TOKEN_CHANGED, so that a join token admits one machine even
// when several race for it.
struct TokenUpdate {
  TokenId id;
  std::optional<Time> revoked_at = {};
  std::optional<Time> used_at = {};
  std::optional<std::string> nonce_digest = {};
  std::optional<HostId> host_id = {};  // empty: unchanged
};

struct QuotaUpdate {
  OrgId org_id;
  Quota quota;
};

struct RolloutUpdate {
  Rollout after;
  int64_t version_before = 0;
};

// Of a policy at another version it fails the whole transaction with ABORTED POLICY_CHANGED.
struct PolicyEnd {
  PolicyId id;
  int64_t version = 0;
};

struct ClaimEnd {
  HostId host_id;
  std::string owner;
  ClaimKind kind = ClaimKind::kCordon;
};

struct ChangeSet {
  std::vector<Org> new_orgs;
  std::vector<Region> new_regions;
  std::vector<Protocol> new_protocols;
  std::vector<ProtocolVersion> new_versions;
  std::vector<Image> new_images;
  std::vector<Host> new_hosts;
  std::vector<NodeConfig> new_configs;
  std::vector<Node> new_nodes;
  std::vector<NodeUpdate> node_updates;
  std::vector<HostUpdate> host_updates;  // at most one per host
  std::vector<LedgerEntry> ledger;
  std::vector<CommandUpdate> command_updates;
  std::vector<Command> new_commands;
  std::vector<Event> events;
  std::vector<RequestRecord> requests;
  std::vector<TokenUpdate> token_updates;
  std::vector<Token> new_tokens;
  std::vector<HostReport> host_reports;      // at most one per host
  std::vector<StatusReport> status_reports;  // likewise
  std::vector<NodeIncidents> node_incidents;
  std::vector<ClaimEnd> ended_claims;  // those that are not there stay so
  std::vector<HostClaim> new_claims;
  std::vector<DrainNode> drain_nodes;  // one that is there gets the new command
  std::vector<QuotaUpdate> quota_updates;
  std::vector<Rollout> new_rollouts;
  std::vector<RolloutUpdate> rollout_updates;  // at most one per rollout
  std::vector<RolloutNode> new_rollout_nodes;
  std::vector<RolloutNode> rollout_node_updates;  // as they are afterwards
  // A policy that is replaced is ended, and is a new one of the same id.
  std::vector<PolicyEnd> ended_policies;
  std::vector<UpgradePolicy> new_policies;
  std::vector<HostId> joined_hosts;  // whose reports and incidents are counted from 1 again

  // What is in `more`, behind what is in this.
  void Append(ChangeSet more);
};

}  // namespace tallyman
