// Converts between generated messages and values, for several services. Pure.
//
// ToMessage() cannot fail. FromMessage() fails with INVALID_ARGUMENT and names the field by its
// path from the request, which the caller gives as `field`; an operation checks its own rules
// (names, amounts).
#pragma once

#include <google/protobuf/duration.pb.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "control/nodes/changes.h"
#include "control/nodes/nodes.h"
#include "model/command.h"
#include "model/event.h"
#include "model/ledger.h"
#include "model/rollout.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/common.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/ledger.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/rollout.pb.h"

namespace tallyman::api {

v1::Resources ToMessage(const Resources& resources);
v1::Books ToMessage(const Books& books);
v1::Drift ToMessage(const Drift& drift);
v1::Warning ToMessage(const planner::Warning& warning);
v1::FirewallRule ToMessage(const FirewallRule& rule);
v1::Changes ToMessage(const control::Changes& changes);
google::protobuf::Timestamp ToMessage(Time time);

v1::DriftKind ToMessage(DriftKind kind);
v1::LedgerKind ToMessage(LedgerKind kind);
v1::CommandKind ToMessage(CommandKind kind);
v1::CommandState ToMessage(CommandState state);
v1::NodeState ToMessage(NodeState state);
v1::NextState ToMessage(std::optional<NextState> state);
v1::CapacityPolicy ToMessage(std::optional<CapacityPolicy> policy);
v1::Liveness ToMessage(Liveness liveness);
v1::ClaimKind ToMessage(ClaimKind kind);
v1::RunState ToMessage(ReportedRun run);
v1::Health ToMessage(ReportedHealth health);
v1::RolloutState ToMessage(RolloutState state);
v1::RolloutNodeState ToMessage(RolloutNodeState state);

google::protobuf::Duration ToMessage(std::chrono::microseconds duration);

// In whole microseconds; nullopt for an invalid or too long duration.
std::optional<std::chrono::microseconds> FromMessage(const google::protobuf::Duration& duration);

// Into `to` where the request has it. INVALID_ARGUMENT with that reason for what is no duration.
Status TakeSpan(std::string_view reason, std::string_view field, bool has,
                const google::protobuf::Duration& from,
                std::optional<std::chrono::microseconds>& to);

control::NodeSelector FromMessage(const v1::NodeSelector& selector);

// "" for none.
template <class Tag>
std::string TextOf(const std::optional<Id<Tag>>& id) {
  return id ? id->ToString() : std::string();
}
// "" for nil, which means an id that is assigned later.
template <class Tag>
std::string TextOf(const Id<Tag>& id) {
  return id.is_nil() ? std::string() : id.ToString();
}

template <class Messages>
std::vector<std::string> Texts(const Messages& texts) {
  return {texts.begin(), texts.end()};
}

Error InvalidField(std::string reason, const std::string& field, std::string_view what);

Resources FromMessage(const v1::Resources& resources);
// INVALID_TIME outside of years 1 to 9999 or with nanos outside of a second. Cut to microseconds.
Result<Time> FromMessage(const std::string& field, const google::protobuf::Timestamp& timestamp);
// INVALID_FIREWALL_RULE for a missing direction or action and for a port beyond 65535.
Result<std::vector<FirewallRule>> FromMessage(
    const std::string& field, const google::protobuf::RepeatedPtrField<v1::FirewallRule>& rules);
// Empty: the server's. Unspecified means the default.
std::optional<CapacityPolicy> FromMessage(v1::CapacityPolicy policy);

template <class Request>
control::PlanOptions PlanOf(const Request& request) {
  return {.dry_run = request.dry_run(), .plan_token = request.plan_token()};
}

}  // namespace tallyman::api
