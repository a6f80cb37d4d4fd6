#include "control/liveness.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/sorted_unique.h"
#include "base/time.h"
#include "control/new_event.h"

namespace tallyman::control {
namespace {

Event LivenessEvent(const Host& host, const planner::Cause& cause, EventKind kind,
                    std::string detail) {
  Event event = NewEvent(cause, kind, std::move(detail));
  event.host_id = host.id;
  return event;
}

planner::Warning SilentWarning(const Host& host) {
  return {
      .reason = "HOST_SILENT",
      .message = fmt::format("host {} has not reported since {}: new nodes there start when its "
                             "agent returns",
                             host.name, FormatTime(*host.silent_since)),
      .host_id = host.id,
      .host_name = host.name};
}

planner::Warning NeverHeardWarning(const Host& first, size_t hosts) {
  const std::string others = hosts == 1 ? "" : fmt::format(" and {} more", hosts - 1);
  return {
      .reason = "HOST_NEVER_HEARD",
      .message = fmt::format("host {}{} never reported: new nodes there start when an agent joins",
                             first.name, others),
      .host_id = first.id,
      .host_name = first.name};
}

}  // namespace

void MarkHeard(Host& host, const planner::Cause& cause, ChangeSet& rows) {
  if (host.silent_since) {
    rows.events.push_back(
        LivenessEvent(host, cause, EventKind::kHostHeard,
                      Detail({{"silent_since", FormatTime(*host.silent_since)}})));
  }
  host.heard = true;
  host.silent_since.reset();
}

void MarkSilent(Host& host, Time heard_at, const planner::Cause& cause, ChangeSet& rows) {
  host.silent_since = heard_at;
  rows.events.push_back(LivenessEvent(host, cause, EventKind::kHostSilent,
                                      Detail({{"heard_at", FormatTime(heard_at)}})));
}

Status CheckNotRetired(const Host& host) {
  if (!host.retired_at) return {};
  return Fail(FailedPrecondition("HOST_RETIRED", fmt::format("host {} was retired at {}", host.name,
                                                             FormatTime(*host.retired_at)))
                  .About("host " + host.name));
}

Result<std::vector<planner::Warning>> WarnOfUnheard(std::span<const HostId> placed,
                                                    const store::Snapshot& snapshot,
                                                    store::ReadTx& tx) {
  std::vector<const Host*> hosts;
  for (const HostId& id : SortedUnique(std::vector(placed.begin(), placed.end())))
    hosts.push_back(&snapshot.hosts.at(id).host);
  std::ranges::sort(hosts, {}, &Host::name);
  std::vector<planner::Warning> warnings;
  std::vector<const Host*> never_heard;
  for (const Host* host : hosts) {
    if (host->silent_since) warnings.push_back(SilentWarning(*host));
    if (!host->heard) never_heard.push_back(host);
  }
  if (never_heard.empty()) return warnings;
  ASSIGN_OR_RETURN(const bool has_agents, tx.WasAnyHostHeard());
  if (has_agents) warnings.push_back(NeverHeardWarning(*never_heard.front(), never_heard.size()));
  return warnings;
}

}  // namespace tallyman::control
