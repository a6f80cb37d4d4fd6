// AuditService.
#include <fmt/core.h>

#include "api/convert.h"
#include "api/list_message.h"
#include "api/method.h"
#include "control/audit/audit.h"
#include "control/read.h"
#include "control/reads/queries.h"
#include "tallyman/v1/audit.pb.h"

namespace tallyman::api {
namespace {

constexpr int64_t kDriftsDefault = 1000;

v1::MachineKind MessageOf(MachineKind kind) {
  switch (kind) {
    case MachineKind::kImage:
      return v1::MACHINE_KIND_IMAGE;
    case MachineKind::kConfig:
      return v1::MACHINE_KIND_CONFIG;
    case MachineKind::kLimit:
      return v1::MACHINE_KIND_LIMIT;
    case MachineKind::kGhost:
      return v1::MACHINE_KIND_GHOST;
    case MachineKind::kOrphan:
      break;
  }
  return v1::MACHINE_KIND_ORPHAN;
}

v1::MachineFinding MessageOf(const MachineFinding& finding) {
  v1::MachineFinding out;
  out.set_kind(MessageOf(finding.kind));
  out.set_host(finding.host_name);
  out.set_host_id(finding.host_id.ToString());
  out.set_node(finding.node_name);
  out.set_node_id(TextOf(finding.node_id));
  out.set_dimension(finding.dimension);
  out.set_booked(finding.booked);
  out.set_found(finding.found);
  out.set_mend(finding.mend);
  return out;
}
static_assert(v1::MACHINE_KIND_IMAGE == 1 && static_cast<int>(MachineKind::kImage) == 0);
static_assert(v1::MACHINE_KIND_ORPHAN == 5 && static_cast<int>(MachineKind::kOrphan) == 4);

Result<v1::RunAuditResponse> DoRunAudit(control::Control& control, const control::Call& call,
                                        const v1::RunAuditRequest& request) {
  if (request.max_drifts() < 0) {
    return Fail(InvalidField(
        "INVALID_COUNT", "max_drifts",
        fmt::format("is {}: use 1 or more, or 0 for {}", request.max_drifts(), kDriftsDefault)));
  }
  control::AuditRequest wanted{
      .hosts = Texts(request.hosts()),
      .drifts_max = request.max_drifts() == 0 ? kDriftsDefault : request.max_drifts()};
  ASSIGN_OR_RETURN(control::AuditAnswer audit,
                   control::Read(control, call, control::RunAudit, wanted));
  v1::RunAuditResponse response;
  response.set_balanced(audit.balanced());
  response.set_host_count(audit.hosts);
  response.set_node_count(audit.nodes);
  response.set_ledger_entry_count(audit.ledger_entries);
  for (const Drift& drift : audit.drifts) *response.add_drifts() = ToMessage(drift);
  response.set_total_drifts(audit.drifts_total);
  for (const MachineFinding& finding : audit.machine.findings)
    *response.add_machine() = MessageOf(finding);
  response.set_total_machine(audit.machine.findings_total);
  response.set_reported_host_count(audit.machine.hosts);
  response.set_compared_node_count(audit.machine.compared);
  response.set_unsettled_node_count(audit.machine.unsettled);
  response.set_unreported_node_count(audit.machine.unreported);
  return response;
}

std::string EncodeRepair(const control::RepairAnswer& repair) {
  v1::RepairDriftResponse response;
  for (const control::Correction& correction : repair.corrections) {
    v1::Correction& out = *response.add_corrections();
    *out.mutable_drift() = ToMessage(correction.drift);
    out.set_ledger_seq(correction.ledger_seq);
  }
  response.set_host_count(repair.hosts);
  for (const MachineFinding& finding : repair.machine) *response.add_machine() = MessageOf(finding);
  for (const planner::Warning& warning : repair.warnings)
    *response.add_warnings() = ToMessage(warning);
  response.set_plan_token(repair.plan_token);
  response.set_applied(repair.applied);
  return Serialize(response);
}

Status DoRepairDrift(control::Control& control, control::Call call,
                     const v1::RepairDriftRequest& request, control::Done done) {
  control::RepairRequest wanted{.hosts = Texts(request.hosts()), .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::RepairDrift, wanted, EncodeRepair,
               std::move(done));
  return {};
}

Result<v1::ListRequestsResponse> DoListRequests(control::Control& control,
                                                const control::Call& call,
                                                const v1::ListRequestsRequest& request) {
  ASSIGN_OR_RETURN(control::Page<store::RequestRow> page,
                   control::Read(control, call, control::ListRequests, ListOf(request)));
  v1::ListRequestsResponse response;
  for (const store::RequestRow& row : page.rows) {
    const RequestRecord& record = row.record;
    v1::RequestEntry& out = *response.add_requests();
    *out.mutable_time() = ToMessage(record.created_at);
    out.set_actor(record.key.actor_id);
    out.set_org(row.org);
    out.set_org_id(TextOf(record.key.org_id));
    out.set_method(record.method);
    out.set_address(record.address);
    out.set_request_id(record.key.request_id);
    out.set_body_digest(record.body_digest);
    if (record.token_id) out.set_token_id(record.token_id->ToString());
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

}  // namespace

std::vector<Method> AuditMethods() {
  return {
      ReadMethod("tallyman.v1.AuditService/ListRequests", DoListRequests),
      ReadMethod("tallyman.v1.AuditService/RunAudit", DoRunAudit),
      WriteMethod<v1::RepairDriftResponse>("tallyman.v1.AuditService/RepairDrift", DoRepairDrift),
  };
}

}  // namespace tallyman::api
