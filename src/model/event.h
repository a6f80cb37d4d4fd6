// An event: something that happened. Append-only; a node's log is its events, and outlives it.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/enum_text.h"
#include "model/ids.h"

namespace tallyman {

enum class EventKind {
  kNodeCreated,
  kUpgradeStarted,
  kUpgradeSucceeded,
  kUpgradeFailed,
  kNodeUpdated,
  kNodeMoved,
  kNodeStarting,
  kNodeStopping,
  kNodeRestarting,
  kNodeDeleting,
  kNodeDeleted,
  kNodeRunning,
  kHostCreated,
  kHostUpdated,
  kBooksCorrected,
  kOrgCreated,
  kRegionCreated,
  kProtocolCreated,
  kImageCreated,
  kTokenCreated,
  kTokenRevoked,
  // What a host reports: ReportedIncident, in its order.
  kNodeCrashed,
  kNodeOutOfMemory,
  kNodeNotRestarted,
  kNodeUnhealthy,
  kNodeHealthy,
  kNodeDiskError,
  kHostProblem,
  // A command other than an upgrade was reverted or has failed.
  kCommandFailed,
  // What a server notices of a host.
  kHostSilent,
  kHostHeard,
  kHostCordoned,
  kHostUncordoned,
  kHostRetired,
  kOrgQuotaSet,
  // Somebody withdrew a command that no host had taken.
  kCommandCancelled,
  kRolloutCreated,
  kRolloutWavePassed,
  kRolloutPaused,
  kRolloutResumed,
  kRolloutAborted,
  kRolloutEnded,
  kRolloutNodeFailed,
  kRolloutNodeSkipped,
  // All nodes of a host were asked to stop; those that were are asked to start again.
  kHostDrainStarted,
  kHostResumed,
  kPolicySet,
  kPolicyDeleted,
  kPolicyProposed,
};

template <>
struct EnumText<EventKind> {
  static constexpr std::array<std::string_view, 49> kWords = {
      "node_created",       "upgrade_started",     "upgrade_succeeded",   "upgrade_failed",
      "node_updated",       "node_moved",          "node_starting",       "node_stopping",
      "node_restarting",    "node_deleting",       "node_deleted",        "node_running",
      "host_created",       "host_updated",        "books_corrected",     "org_created",
      "region_created",     "protocol_created",    "image_created",       "token_created",
      "token_revoked",      "node_crashed",        "node_out_of_memory",  "node_not_restarted",
      "node_unhealthy",     "node_healthy",        "node_disk_error",     "host_problem",
      "command_failed",     "host_silent",         "host_heard",          "host_cordoned",
      "host_uncordoned",    "host_retired",        "org_quota_set",       "command_cancelled",
      "rollout_created",    "rollout_wave_passed", "rollout_paused",      "rollout_resumed",
      "rollout_aborted",    "rollout_ended",       "rollout_node_failed", "rollout_node_skipped",
      "host_drain_started", "host_resumed",        "policy_set",          "policy_deleted",
      "policy_proposed"};
};

struct Event {
  int64_t cursor = 0;  // assigned by the database, rises with commit order
  EventKind kind = EventKind::kNodeCreated;
  std::optional<OrgId> org_id;
  std::optional<HostId> host_id;
  std::optional<NodeId> node_id;
  std::string actor_id;
  std::string request_id;
  std::string detail;  // a JSON object
  Time created_at;
};

}  // namespace tallyman
