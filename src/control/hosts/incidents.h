// What hosts tell beyond the state of their nodes: whether it can be taken, and as which events it
// is kept. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "control/hosts/reports.h"
#include "model/event.h"
#include "model/request.h"

namespace tallyman::control {

// INVALID_ARGUMENT INVALID_REPORT of a field of a report.
Error OutOfBounds(std::string field, const std::string& what);

// INVALID_REPORT names the field.
Status CheckIncidents(const std::vector<Incident>& incidents);
Status CheckTold(const NodeReport& node);

// Cuts texts to what is kept of them, and rounds what would otherwise be news with every report.
void BoundTold(ReportRequest& request);

// The event that tells of an incident; `org_id` is that of its node.
Event EventOf(const Incident& incident, const planner::Cause& cause, const HostId& host,
              std::optional<OrgId> org_id);

}  // namespace tallyman::control
