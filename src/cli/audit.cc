// The words that prove the books, set them right, and show who changed what.
#include <fmt/core.h>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/audit.pb.h"

namespace tallyman::cli {
namespace {

// Where machines differ from the books; with what mends it, if asked.
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
    std::vector<Cell> row = {{EnumWord(finding.kind())},
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

struct AuditOptions {
  v1::RunAuditRequest audit;
  std::string limit;  // read by the audit, of which any error has the same exit status
  v1::RepairDriftRequest repair;
  bool repairs = false;
  bool yes = false;
};

void PrintAudit(Context& context, const v1::RunAuditResponse& response) {
  const std::string compared =
      fmt::format("{}, {} and {} were compared", Counted(response.host_count(), "host"),
                  Counted(response.node_count(), "node"),
                  Counted(response.ledger_entry_count(), "ledger entry", "ledger entries"));
  if (response.balanced()) {
    context.Line(fmt::format("Balanced: {}.", compared), Colour::kGreen);
    return PrintMachines(context, response);
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
}

ExitStatus RunAudit(Context& context, AuditOptions& options) {
  v1::RunAuditRequest& request = options.audit;
  if (!options.limit.empty()) {
    ASSIGN_OR_RETURN(const int64_t limit, ParsePositive("--limit", options.limit, INT32_MAX));
    request.set_max_drifts(static_cast<int32_t>(limit));
  }
  v1::RunAuditResponse response;
  {
    const Progress progress(context, "auditing");
    RETURN_IF_ERROR(context.Call(request, response));
  }
  context.Answer(response, [&] { PrintAudit(context, response); });
  return response.balanced() ? kExitDone : kExitDrift;
}

Table CorrectionTable(const v1::RepairDriftResponse& response) {
  Table table({{"WHAT"},
               {"HOST", Align::kLeft, true},
               {"NODE", Align::kLeft, true},
               {"DIMENSION"},
               {"STORED", Align::kRight},
               {"TRUE", Align::kRight},
               {"CORRECTION", Align::kRight},
               {"LEDGER ENTRY", Align::kRight}},
              true);
  for (const v1::Correction& correction : response.corrections()) {
    std::vector<Cell> row = DriftRow(correction.drift());
    row.push_back({correction.ledger_seq() == 0 ? "" : std::to_string(correction.ledger_seq())});
    table.AddRow(std::move(row));
  }
  return table;
}

void PrintRepair(Context& context, const v1::RepairDriftResponse& response) {
  if (!response.machine().empty()) {
    context.Detail(MachineTable(response.machine(), true));
    context.Detail("");
  }
  if (response.corrections().empty()) {
    if (response.machine().empty())
      return context.Line("Balanced: there is nothing to repair.", Colour::kGreen);
    return context.Line(
        "The books balance; the table above says how to mend what differs on machines.",
        Colour::kYellow);
  }
  context.Detail(CorrectionTable(response));
  context.Detail("");
  PrintOutcome(context, response.applied(),
               fmt::format("Corrected {} on {}.", Counted(response.corrections_size(), "number"),
                           Counted(response.host_count(), "host")),
               response.plan_token());
  if (!response.applied()) context.Detail("Repair with \"tallyman audit --repair --yes\".");
}

ExitStatus RepairDrift(Context& context, AuditOptions& options) {
  v1::RepairDriftRequest& request = options.repair;
  if (!options.yes) request.set_dry_run(true);
  ASSIGN_OR_RETURN(const auto response,
                   Change<v1::RepairDriftResponse>(context, request, "repairing"));
  context.Answer(response, [&] { PrintRepair(context, response); });
  const bool drift_left =
      (!response.applied() && !response.corrections().empty()) || !response.machine().empty();
  return drift_left ? kExitDrift : kExitDone;
}

ExitStatus Audit(Context& context, AuditOptions& options) {
  const bool changes =
      options.yes || options.repair.dry_run() || !options.repair.plan_token().empty();
  if (changes && !options.repairs) {
    return Fail(
        InvalidArgument("INVALID_ARGUMENTS", "--yes, --dry-run and --plan-token need --repair"));
  }
  // Scripts distinguish three outcomes: balanced, drift, and unknown.
  context.SetErrorStatus(RowOf(Code::kInternal).exit_status);
  return options.repairs ? RepairDrift(context, options) : RunAudit(context, options);
}

void DefineTrail(Word audit) {
  const ListCommand<v1::ListRequestsRequest, v1::ListRequestsResponse, v1::RequestEntry> trail = {
      .name = "trail",
      .description = "List every request that changed something, newest first",
      .examples =
          "  tallyman audit trail --limit 20\n"
          "  tallyman audit trail --by ci --filter \"created_at>=2026-03-01T00:00:00Z\"",
      .item = "request",
      .filters = {{"--by", "ACTOR", "actor", "Only of this actor"},
                  {"--by-token", "ID", "token_id", "Only by the token with this id"},
                  {"--method", "METHOD", "method", "Such as NodeService/UpgradeNodes"},
                  {"--request", "ID", "request_id",
                   "The request id of an event or a ledger entry"}},
      .fields = "created_at, actor, method, address, org, request_id, token_id",
      .columns = {{"TIME"},
                  {"ACTOR", Align::kLeft, true},
                  {"ORG", Align::kLeft, true},
                  {"METHOD", Align::kLeft, true},
                  {"FROM", Align::kLeft, true},
                  {"REQUEST"}},
      .quiet_column = 5,
      .items = &v1::ListRequestsResponse::requests,
      .row = [](Context&, const v1::RequestEntry& entry) -> std::vector<Cell> {
        return {{FormatTimestamp(entry.time())},
                {entry.actor()},
                {entry.org()},
                {entry.method()},
                {entry.address().empty() ? "in process" : entry.address()},
                {entry.request_id()}};
      },
      .when_empty = "There are no requests."};
  auto [verb, list] = trail.Define(audit);
  // The newest requests are what people look for.
  list.request.set_order_by("created_at desc");
}

}  // namespace

void DefineAudit(Word root) {
  auto [verb, options] = root.Verb<AuditOptions>(
      "audit", "Compare everything that must agree; exit status 0: balanced, 3: drift, 1: error",
      "  tallyman audit\n"
      "  tallyman audit --host h1\n"
      "  tallyman audit --repair          shows what a repair would do\n"
      "  tallyman audit --repair --yes    repairs",
      Audit);
  const auto add_host = [&both = options](const auto&, const auto& host) -> Status {
    both.audit.add_hosts(host);
    both.repair.add_hosts(host);
    return {};
  };
  verb.Value("--host", "HOST", add_host, "Only this host (repeat for several)", true);
  verb.Flag("--repair", &options.repairs, "Show the corrections that would be made");
  verb.Flag("-y,--yes", &options.yes, "With --repair: make the corrections");
  verb.Text("--limit", "N", &options.limit, "List at most N drifts (default: 1000)");
  AddChange(verb, options.repair);
  DefineTrail(verb);
}

}  // namespace tallyman::cli
