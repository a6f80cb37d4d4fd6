#include "api/convert.h"

namespace tallyman::api {

v1::DriftKind ToMessage(DriftKind kind) {
  switch (kind) {
    case DriftKind::kNodeFields:
      return v1::DRIFT_KIND_NODE_FIELDS;
    case DriftKind::kNodeHold:
      return v1::DRIFT_KIND_NODE_HOLD;
    case DriftKind::kHostBooks:
      return v1::DRIFT_KIND_HOST_BOOKS;
    case DriftKind::kHostHold:
      return v1::DRIFT_KIND_HOST_HOLD;
    case DriftKind::kLedger:
      return v1::DRIFT_KIND_LEDGER;
    case DriftKind::kCordon:
      break;
  }
  return v1::DRIFT_KIND_CORDON;
}

v1::LedgerKind ToMessage(LedgerKind kind) {
  switch (kind) {
    case LedgerKind::kCreate:
      return v1::LEDGER_KIND_CREATE;
    case LedgerKind::kUpgrade:
      return v1::LEDGER_KIND_UPGRADE;
    case LedgerKind::kUpdate:
      return v1::LEDGER_KIND_UPDATE;
    case LedgerKind::kRelease:
      return v1::LEDGER_KIND_RELEASE;
    case LedgerKind::kRevert:
      return v1::LEDGER_KIND_REVERT;
    case LedgerKind::kDriftCorrection:
      break;
  }
  return v1::LEDGER_KIND_DRIFT_CORRECTION;
}

v1::CommandKind ToMessage(CommandKind kind) {
  switch (kind) {
    case CommandKind::kCreate:
      return v1::COMMAND_KIND_CREATE;
    case CommandKind::kUpgrade:
      return v1::COMMAND_KIND_UPGRADE;
    case CommandKind::kUpdate:
      return v1::COMMAND_KIND_UPDATE;
    case CommandKind::kDelete:
      return v1::COMMAND_KIND_DELETE;
    case CommandKind::kStart:
      return v1::COMMAND_KIND_START;
    case CommandKind::kStop:
      return v1::COMMAND_KIND_STOP;
    case CommandKind::kRestart:
      break;
  }
  return v1::COMMAND_KIND_RESTART;
}

v1::CommandState ToMessage(CommandState state) {
  switch (state) {
    case CommandState::kOpen:
      return v1::COMMAND_STATE_OPEN;
    case CommandState::kTaken:
      return v1::COMMAND_STATE_TAKEN;
    case CommandState::kSettled:
      return v1::COMMAND_STATE_SETTLED;
    case CommandState::kReverted:
      return v1::COMMAND_STATE_REVERTED;
    case CommandState::kFailed:
      return v1::COMMAND_STATE_FAILED;
    case CommandState::kUnknown:
      return v1::COMMAND_STATE_UNKNOWN;
    case CommandState::kSuperseded:
      return v1::COMMAND_STATE_SUPERSEDED;
    case CommandState::kCancelled:
      break;
  }
  return v1::COMMAND_STATE_CANCELLED;
}

v1::NodeState ToMessage(NodeState state) {
  switch (state) {
    case NodeState::kStarting:
      return v1::NODE_STATE_STARTING;
    case NodeState::kRunning:
      return v1::NODE_STATE_RUNNING;
    case NodeState::kStopped:
      return v1::NODE_STATE_STOPPED;
    case NodeState::kUpgrading:
      return v1::NODE_STATE_UPGRADING;
    case NodeState::kDeleting:
      return v1::NODE_STATE_DELETING;
    case NodeState::kDeleted:
      return v1::NODE_STATE_DELETED;
    case NodeState::kFailed:
      break;
  }
  return v1::NODE_STATE_FAILED;
}

v1::NextState ToMessage(std::optional<NextState> state) {
  if (!state) return v1::NEXT_STATE_UNSPECIFIED;
  switch (*state) {
    case NextState::kStarting:
      return v1::NEXT_STATE_STARTING;
    case NextState::kStopping:
      return v1::NEXT_STATE_STOPPING;
    case NextState::kRestarting:
      return v1::NEXT_STATE_RESTARTING;
    case NextState::kUpgrading:
      return v1::NEXT_STATE_UPGRADING;
    case NextState::kDeleting:
      break;
  }
  return v1::NEXT_STATE_DELETING;
}

v1::CapacityPolicy ToMessage(std::optional<CapacityPolicy> policy) {
  if (!policy) return v1::CAPACITY_POLICY_DEFAULT;
  return *policy == CapacityPolicy::kWarn ? v1::CAPACITY_POLICY_WARN : v1::CAPACITY_POLICY_ENFORCE;
}

v1::Liveness ToMessage(Liveness liveness) {
  return static_cast<v1::Liveness>(static_cast<int>(liveness) + 1);
}
static_assert(v1::LIVENESS_NEVER_HEARD == 1 && v1::LIVENESS_LIVE == 2 && v1::LIVENESS_SILENT == 3);
v1::ClaimKind ToMessage(ClaimKind kind) {
  return static_cast<v1::ClaimKind>(static_cast<int>(kind) + 1);
}
static_assert(v1::CLAIM_KIND_CORDON == 1 && v1::CLAIM_KIND_RETIRED == 2 &&
              v1::CLAIM_KIND_DRAIN == 3);
v1::RunState ToMessage(ReportedRun run) { return static_cast<v1::RunState>(run); }
static_assert(v1::RUN_STATE_UNSPECIFIED == 0 && v1::RUN_STATE_RUNNING == 1 &&
              v1::RUN_STATE_STOPPED == 2 && v1::RUN_STATE_FAILED == 3);
v1::Health ToMessage(ReportedHealth health) { return static_cast<v1::Health>(health); }
static_assert(v1::HEALTH_UNSPECIFIED == 0 && v1::HEALTH_HEALTHY == 1 && v1::HEALTH_UNHEALTHY == 2);

v1::RolloutState ToMessage(RolloutState state) {
  return static_cast<v1::RolloutState>(static_cast<int>(state) + 1);
}
static_assert(v1::ROLLOUT_STATE_RUNNING == 1 && v1::ROLLOUT_STATE_PAUSED == 2 &&
              v1::ROLLOUT_STATE_ABORTING == 3 && v1::ROLLOUT_STATE_DONE == 4 &&
              v1::ROLLOUT_STATE_ABORTED == 5);
v1::RolloutNodeState ToMessage(RolloutNodeState state) {
  return static_cast<v1::RolloutNodeState>(static_cast<int>(state) + 1);
}
static_assert(v1::ROLLOUT_NODE_STATE_WAITING == 1 && v1::ROLLOUT_NODE_STATE_RELEASED == 2 &&
              v1::ROLLOUT_NODE_STATE_HEALTHY == 3 && v1::ROLLOUT_NODE_STATE_FAILED == 4 &&
              v1::ROLLOUT_NODE_STATE_SKIPPED == 5 && v1::ROLLOUT_NODE_STATE_WITHDRAWN == 6);

std::optional<CapacityPolicy> FromMessage(v1::CapacityPolicy policy) {
  if (policy == v1::CAPACITY_POLICY_WARN) return CapacityPolicy::kWarn;
  if (policy == v1::CAPACITY_POLICY_ENFORCE) return CapacityPolicy::kEnforce;
  return std::nullopt;
}

}  // namespace tallyman::api
