#include "control/hosts/incidents.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json_text.h"
#include "base/text.h"
#include "base/time.h"

namespace tallyman::control {
namespace {

constexpr size_t kIncidentsMax = 1000;
constexpr int64_t kNumberMax = int64_t{1} << 62;
constexpr int64_t kCountMax = 1'000'000;
constexpr size_t kMessageBytesMax = 1000;
constexpr size_t kOutputBytesMax = 2000;
constexpr size_t kDigestBytesMax = 200;
constexpr size_t kUriBytesMax = 1024;
constexpr size_t kWordBytesMax = 200;
// Of a node whose disk has no limit.
constexpr int64_t kDiskStep = int64_t{16} * 1024 * 1024;

Status CheckIncident(const Incident& incident, const std::string& field) {
  if (incident.number < 1 || incident.number > kNumberMax) {
    return Fail(OutOfBounds(field + ".number",
                            fmt::format("is {}: incidents count from 1", incident.number)));
  }
  if (incident.count < 1 || incident.count > kCountMax) {
    return Fail(OutOfBounds(field + ".count",
                            fmt::format("is {}: give 1 to {}", incident.count, kCountMax)));
  }
  const bool of_host = incident.kind == ReportedIncident::kHostProblem;
  if (of_host == !incident.node_id) return {};
  return Fail(
      OutOfBounds(field + ".node_id", of_host ? "is set, but the incident is about the host itself"
                                              : "is empty, but the incident is about a node"));
}

void Cut(std::string& text, size_t bytes_max) { text.resize(CutUtf8(text, bytes_max).size()); }

void Bound(std::optional<ReportedEnd>& end) {
  if (end) Cut(end->output, kOutputBytesMax);
}

// Up to the next hundredth of the disk.
int64_t RoundDiskUsed(const NodeReport& node) {
  const int64_t step = std::max<int64_t>(node.limits.disk_bytes / 100, kDiskStep);
  const int64_t beyond = node.disk_used_bytes % step;
  if (beyond == 0 || node.disk_used_bytes > INT64_MAX - step) return node.disk_used_bytes;
  return node.disk_used_bytes - beyond + step;
}

void AddFact(std::string& detail, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  detail += detail.empty() ? '{' : ',';
  AppendJsonKey(detail, key);
  AppendJsonString(detail, value);
}

EventKind KindOf(ReportedIncident kind) {
  return static_cast<EventKind>(static_cast<size_t>(EventKind::kNodeCrashed) +
                                static_cast<size_t>(kind));
}
static_assert(ToText(EventKind::kNodeCrashed) == ToText(ReportedIncident::kNodeCrashed) &&
              ToText(EventKind::kHostProblem) == ToText(ReportedIncident::kHostProblem));

}  // namespace

Error OutOfBounds(std::string field, const std::string& what) {
  return InvalidArgument("INVALID_REPORT", fmt::format("{} {}", field, what))
      .With("field", std::move(field));
}

Status CheckIncidents(const std::vector<Incident>& incidents) {
  if (incidents.size() > kIncidentsMax) {
    return Fail(OutOfBounds("incidents", fmt::format("has more than {} items", kIncidentsMax)));
  }
  for (size_t i = 0; i < incidents.size(); ++i) {
    const std::string field = fmt::format("incidents[{}]", i);
    RETURN_IF_ERROR(CheckIncident(incidents[i], field));
    if (i == 0 || incidents[i - 1].number < incidents[i].number) continue;
    return Fail(
        OutOfBounds(field + ".number", fmt::format("is {}, not greater than the {} before it: give "
                                                   "incidents in the order of their numbers",
                                                   incidents[i].number, incidents[i - 1].number)));
  }
  return {};
}

Status CheckTold(const NodeReport& node) {
  if (node.restarts < 0)
    return Fail(OutOfBounds("status.nodes.restarts", fmt::format("is {}", node.restarts)));
  if (node.disk_used_bytes >= 0) return {};
  return Fail(
      OutOfBounds("status.nodes.disk_used_bytes", fmt::format("is {}", node.disk_used_bytes)));
}

void BoundTold(ReportRequest& request) {
  for (ReportRequest::Outcome& outcome : request.outcomes)
    Cut(outcome.outcome.message, kMessageBytesMax);
  for (Incident& incident : request.incidents) {
    Cut(incident.message, kMessageBytesMax);
    Bound(incident.end);
  }
  if (!request.status) return;
  Cut(request.status->problem, kMessageBytesMax);
  Cut(request.status->agent_version, kWordBytesMax);
  for (NodeReport& node : request.status->nodes) {
    Cut(node.health_message, kMessageBytesMax);
    Cut(node.problem, kMessageBytesMax);
    Cut(node.image_digest, kDigestBytesMax);
    Cut(node.image_uri, kUriBytesMax);
    Cut(node.container_id, kWordBytesMax);
    Bound(node.last_end);
    node.disk_used_bytes = RoundDiskUsed(node);
  }
}

Event EventOf(const Incident& incident, const planner::Cause& cause, const HostId& host,
              std::optional<OrgId> org_id) {
  Event event;
  event.kind = KindOf(incident.kind);
  event.org_id = org_id;
  event.host_id = host;
  event.node_id = incident.node_id;
  event.actor_id = cause.actor_id;
  event.request_id = cause.request_id;
  event.created_at = cause.now;
  if (incident.at) AddFact(event.detail, "at", FormatTime(*incident.at));
  AddFact(event.detail, "count", std::to_string(incident.count));
  AddFact(event.detail, "message", incident.message);
  if (incident.end) {
    const ReportedEnd& end = *incident.end;
    AddFact(event.detail, "exit_code", std::to_string(end.exit_code));
    if (end.signal != 0) AddFact(event.detail, "signal", std::to_string(end.signal));
    if (end.out_of_memory) AddFact(event.detail, "out_of_memory", "true");
    AddFact(event.detail, "output", end.output);
  }
  event.detail += '}';
  return event;
}

}  // namespace tallyman::control
