#include "planner/machine.h"

#include <fmt/core.h>

#include <algorithm>

namespace tallyman::planner {
namespace {

MachineFinding About(const MachineAudit& audit, MachineKind kind, const BookedNode& node) {
  MachineFinding finding;
  finding.kind = kind;
  finding.host_id = audit.host.host_id;
  finding.host_name = audit.host_name;
  finding.node_id = node.id;
  finding.node_name = node.name;
  finding.org_id = node.org_id;
  return finding;
}

void CompareNode(const MachineAudit& audit, const BookedNode& node, const NodeReport* report,
                 std::vector<MachineFinding>& findings) {
  const bool failed = node.node_state == NodeState::kFailed;
  auto add = [&](MachineKind kind, std::string booked, std::string found, std::string mend) {
    MachineFinding& finding = findings.emplace_back(About(audit, kind, node));
    finding.booked = std::move(booked);
    finding.found = std::move(found);
    finding.mend = std::move(mend);
  };
  // A retry repairs a failed node if its machine still knows it; a restart recreates one that
  // works.
  const std::string retry = fmt::format("tallyman node upgrade {} --retry", node.name);
  const std::string restart = fmt::format("tallyman node restart {}", node.name);
  if (report == nullptr || !report->config_id) {
    const bool remains = report != nullptr && report->remains;
    return add(MachineKind::kGhost, node.image_uri,
               remains ? "nothing runs, its data remain" : "nothing",
               failed && remains ? retry : fmt::format("tallyman node delete {}", node.name));
  }
  if (*report->config_id != node.config_id) {
    // The books follow every config they know, so they never knew this one.
    add(MachineKind::kConfig, node.config_id.ToString(), report->config_id->ToString(),
        failed ? retry : fmt::format("inspect {} on {} by hand", node.name, audit.host_name));
    return;  // its image and limits belong to that config
  }
  if (!report->image_uri.empty() && report->image_uri != node.image_uri)
    add(MachineKind::kImage, node.image_uri, report->image_uri, failed ? retry : restart);
  if (report->run_state != ReportedRun::kRunning) return;
  for (Dimension dimension : kDimensions) {
    const int64_t booked = node.resources.get(dimension);
    const int64_t found = report->limits.get(dimension);
    if (booked == found) continue;
    add(MachineKind::kLimit, std::to_string(booked),
        found == 0 ? "no limit" : std::to_string(found), failed ? retry : restart);
    findings.back().dimension = ToText(dimension);
  }
}

Time StatusAt(const MachineAudit& audit) { return audit.host.status_at.value_or(Time()); }

bool IsUnsettled(const MachineAudit& audit, const BookedNode& node, const NodeReport* report) {
  return node.in_motion || node.updated_at > StatusAt(audit) ||
         (report != nullptr && report->pending);
}

}  // namespace

MachineComparison CompareMachine(const MachineAudit& audit) {
  MachineComparison result;
  auto seen = audit.seen.begin();
  auto take_orphans = [&](const NodeId* before) {
    for (; seen != audit.seen.end() && (before == nullptr || seen->report.node_id < *before);
         ++seen) {
      const NodeReport& report = seen->report;
      const bool is_there = report.config_id || report.remains || !report.container_id.empty();
      // A node released since the report was rightly there when it was made.
      const bool changed_since = seen->updated_at && *seen->updated_at > StatusAt(audit);
      if (report.pending || !is_there || changed_since) continue;
      MachineFinding& finding = result.findings.emplace_back();
      finding.kind = MachineKind::kOrphan;
      finding.host_id = audit.host.host_id;
      finding.host_name = audit.host_name;
      finding.node_id = report.node_id;
      finding.node_name = seen->name;
      finding.booked = "nothing";
      finding.found = report.config_id ? report.image_uri : "its data";
      finding.mend =
          fmt::format("inspect node {} on {} by hand", report.node_id.ToString(), audit.host_name);
    }
  };
  for (const BookedNode& node : audit.booked) {
    take_orphans(&node.id);
    const NodeReport* report = nullptr;
    if (seen != audit.seen.end() && seen->report.node_id == node.id) report = &(seen++)->report;
    if (IsUnsettled(audit, node, report)) {
      ++result.unsettled;
      continue;
    }
    ++result.compared;
    CompareNode(audit, node, report, result.findings);
  }
  take_orphans(nullptr);
  return result;
}

}  // namespace tallyman::planner
