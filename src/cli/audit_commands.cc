// Commands that prove the books, and set them right.
#include <fmt/core.h>

#include "cli/document.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/audit.pb.h"

namespace tallyman {
namespace {

// What is not on machines as the books say; with what mends it where somebody wants to mend.
Table MachineTable(const google::protobuf::RepeatedPtrField<v1::MachineFinding>& findings,
                   bool with_mend) {
  std::vector<Column> columns = {{"MACHINE"},
                                 {"HOST", Align::kLeft, true},
                                 {"NODE", Align::kLeft, true},
                                 {"DIMENSION"},
                                 {"BOOKS"},
                                 {"FOUND"}};
  if (with_mend) columns.push_back({"MEND WITH"});
  Table table(columns);
  for (const v1::MachineFinding& finding : findings) {
    std::vector<Cell> row = {{EnumWord(v1::MachineKind_Name(finding.kind()), "MACHINE_KIND_")},
                             {finding.host()},
                             {finding.node().empty() ? finding.node_id() : finding.node()},
                             {finding.dimension()},
                             {finding.booked()},
                             {finding.found(), Colour::kRed}};
    if (with_mend) row.push_back({finding.mend()});
    table.AddRow(std::move(row));
  }
  return table;
}

void PrintMachines(Context& context, const v1::RunAuditResponse& response) {
  if (response.machine_size() > 0) {
    context.Detail("");
    context.Detail(MachineTable(response.machine(), false));
    if (response.total_machine() > response.machine_size()) {
      context.Detail(fmt::format("{} more are not listed; raise --limit to see them.",
                                 response.total_machine() - response.machine_size()),
                     Colour::kDim);
    }
  }
  if (response.reported_host_count() == 0)
    return context.Detail("Machines: none has reported yet.", Colour::kDim);
  std::string left_out;
  if (response.unsettled_node_count() > 0)
    left_out += fmt::format(", {} in motion", response.unsettled_node_count());
  if (response.unreported_node_count() > 0)
    left_out +=
        fmt::format(", {} on hosts that have not reported", response.unreported_node_count());
  context.Detail(
      fmt::format("Machines: {} of {} compared{}.", Counted(response.compared_node_count(), "node"),
                  Counted(response.reported_host_count(), "host"), left_out),
      Colour::kDim);
}

CommandResult RunAudit(Context& context, const AuditOptions& options) {
  v1::RunAuditRequest request;
  for (const std::string& host : options.hosts) request.add_hosts(host);
  if (!options.limit.empty()) {
    ASSIGN_OR_RETURN(const int64_t limit, ParseCount("--limit", options.limit));
    if (limit < 1 || limit > INT32_MAX) {
      return Fail(InvalidArgument("INVALID_NUMBER",
                                  fmt::format("--limit is {}: write 1 to {}", limit, INT32_MAX)));
    }
    request.set_max_drifts(static_cast<int32_t>(limit));
  }
  v1::RunAuditResponse response;
  {
    const Progress progress(context, "auditing");
    RETURN_IF_ERROR(context.Call("tallyman.v1.AuditService/RunAudit", request, response));
  }
  const int status = response.balanced() ? kExitDone : kExitDrift;
  if (!context.is_table()) {
    context.PrintDocument(response);
    return status;
  }
  const std::string compared =
      fmt::format("{}, {} and {} were compared", Counted(response.host_count(), "host"),
                  Counted(response.node_count(), "node"),
                  Counted(response.ledger_entry_count(), "ledger entry", "ledger entries"));
  if (response.balanced()) {
    context.Line(fmt::format("Balanced: {}.", compared), Colour::kGreen);
    PrintMachines(context, response);
    return status;
  }
  if (response.total_drifts() > 0) context.Detail(DriftTable(response.drifts()));
  if (response.total_drifts() > response.drifts_size()) {
    context.Detail(fmt::format("{} more are not listed; raise --limit to see them.",
                               response.total_drifts() - response.drifts_size()),
                   Colour::kDim);
  }
  PrintMachines(context, response);
  context.Detail("");
  const int64_t wrong = response.total_drifts() + response.total_machine();
  context.Line(fmt::format("{}: {}.",
                           wrong == 1 ? "1 number is not what it must be"
                                      : fmt::format("{} numbers are not what they must be", wrong),
                           compared),
               Colour::kRed);
  context.Detail("See what a repair would do with \"tallyman audit --repair\".");
  return status;
}

Table CorrectionTable(const v1::RepairDriftResponse& response) {
  Table table({{"WHAT"},
               {"HOST", Align::kLeft, true},
               {"NODE", Align::kLeft, true},
               {"DIMENSION"},
               {"STORED", Align::kRight},
               {"TRUE", Align::kRight},
               {"CORRECTION", Align::kRight},
               {"LEDGER ENTRY", Align::kRight}});
  for (const v1::Correction& correction : response.corrections()) {
    const v1::Drift& drift = correction.drift();
    table.AddRow({{EnumWord(v1::DriftKind_Name(drift.kind()), "DRIFT_KIND_")},
                  {drift.host()},
                  {drift.node()},
                  {drift.dimension()},
                  {std::to_string(drift.stored()), Colour::kRed},
                  {std::to_string(drift.true_value())},
                  {FormatSignedCount(drift.difference())},
                  {correction.ledger_seq() == 0 ? "" : std::to_string(correction.ledger_seq())}});
  }
  return table;
}

CommandResult RepairDrift(Context& context, const AuditOptions& options) {
  v1::RepairDriftRequest request;
  SetChange(context, options.change, request);
  for (const std::string& host : options.hosts) request.add_hosts(host);
  const bool confirmed = options.change.yes && !options.change.dry_run;
  request.set_dry_run(!confirmed);
  v1::RepairDriftResponse response;
  {
    const Progress progress(context, "repairing");
    RETURN_IF_ERROR(context.Call("tallyman.v1.AuditService/RepairDrift", request, response));
  }
  const bool drift_left =
      (!response.applied() && !response.corrections().empty()) || !response.machine().empty();
  const int status = drift_left ? kExitDrift : kExitDone;
  if (!context.is_table()) {
    context.PrintDocument(response);
    return status;
  }
  if (!response.machine().empty()) {
    context.Detail(MachineTable(response.machine(), true));
    context.Detail("");
  }
  if (response.corrections().empty()) {
    if (response.machine().empty()) {
      context.Line("Balanced: there is nothing to repair.", Colour::kGreen);
    } else {
      context.Line("The books are balanced; what is wrong on machines is mended as said above.",
                   Colour::kYellow);
    }
    return status;
  }
  context.Detail(CorrectionTable(response));
  PrintWarnings(context, response.warnings());
  context.Detail("");
  PrintOutcome(context, response.applied(),
               fmt::format("Corrected {} on {}.", Counted(response.corrections_size(), "number"),
                           Counted(response.host_count(), "host")),
               response.plan_token());
  if (!response.applied()) context.Detail("Repair with \"tallyman audit --repair --yes\".");
  return status;
}

}  // namespace

CommandResult Audit(Context& context, const AuditOptions& options) {
  const bool changes =
      options.change.yes || options.change.dry_run || !options.change.plan_token.empty();
  if (changes && !options.repair) {
    return Fail(
        InvalidArgument("INVALID_ARGUMENTS", "--yes, --dry-run and --plan-token go with --repair"));
  }
  // Scripts ask three things only: balanced, drift, or neither could be told.
  context.SetErrorStatus(RowOf(Code::kInternal).exit_status);
  return options.repair ? RepairDrift(context, options) : RunAudit(context, options);
}

}  // namespace tallyman
