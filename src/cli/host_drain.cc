// The maintenance of hosts: host drain, host resume.
#include <fmt/core.h>

#include <algorithm>

#include "cli/format.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "cli/waiting.h"
#include "tallyman/v1/host.pb.h"

namespace tallyman::cli {
namespace {

template <class Request>
struct HostDrain {
  Request request;
  Waiting waiting;
};

int64_t SumOf(const google::protobuf::RepeatedPtrField<v1::DrainedHost>& hosts,
              int64_t (v1::DrainedHost::*count)() const) {
  int64_t sum = 0;
  for (const v1::DrainedHost& host : hosts) sum += (host.*count)();
  return sum;
}

// What the nodes that changed are charged; "" where that is beyond 64 bits.
std::string FormatCharges(const v1::Changes& changes) {
  v1::Resources total;
  for (const DimensionView& dimension : kDimensionViews) {
    int64_t sum = 0;
    for (const v1::NodeChange& node : changes.nodes()) {
      if (__builtin_add_overflow(sum, (node.after().*dimension.get)(), &sum)) return {};
    }
    (total.*dimension.set)(sum);
  }
  return FormatResources(total);
}

void PrintDrainedHosts(Context& context, const std::string& commanded,
                       const google::protobuf::RepeatedPtrField<v1::DrainedHost>& hosts) {
  const bool withdraws = SumOf(hosts, &v1::DrainedHost::withdrawn_count) > 0;
  const bool deletes = SumOf(hosts, &v1::DrainedHost::deleting_count) > 0;
  std::vector<Column> columns = {{"HOST", Align::kLeft, true}, {commanded, Align::kRight}};
  if (withdraws) columns.push_back({"NEVER STOPPED", Align::kRight});
  columns.push_back({"LEAVES", Align::kRight});
  if (deletes) columns.push_back({"BEING DELETED", Align::kRight});
  Table table(std::move(columns));
  for (const v1::DrainedHost& host : hosts) {
    std::vector<Cell> row = {{host.host()}, {std::to_string(host.commanded_count())}};
    if (withdraws) row.push_back({std::to_string(host.withdrawn_count())});
    row.push_back({std::to_string(host.left_count())});
    if (deletes) row.push_back({std::to_string(host.deleting_count())});
    table.AddRow(std::move(row));
  }
  context.Detail("");
  context.Detail(table);
}

void PrintDrain(Context& context, const v1::DrainHostsResponse& response) {
  const auto& hosts = response.hosts();
  if (!response.changes().nodes().empty()) PrintCharges(context, response.changes());
  PrintDrainedHosts(context, "STOPS", hosts);
  context.Detail("");
  const int64_t stops = SumOf(hosts, &v1::DrainedHost::commanded_count);
  if (stops > 0) {
    context.Detail(fmt::format("{} stay charged: {}", Counted(stops, "node"),
                               FormatCharges(response.changes())));
  }
  PrintOutcome(context, response.changes().applied(),
               fmt::format("Draining {}: {} asked to stop, {} left as they are.",
                           Counted(hosts.size(), "host"), Counted(stops, "node"),
                           SumOf(hosts, &v1::DrainedHost::left_count)),
               response.changes().plan_token());
}

ExitStatus DrainHosts(Context& context, HostDrain<v1::DrainHostsRequest>& options) {
  ASSIGN_OR_RETURN(const auto response,
                   Change<v1::DrainHostsResponse>(context, options.request, "draining"));
  context.Answer(response, [&] { PrintDrain(context, response); });
  if (!response.changes().applied()) return kExitDone;
  std::vector<std::string> hosts;
  for (const v1::DrainedHost& host : response.hosts()) hosts.push_back(host.host());
  RETURN_IF_ERROR(WaitUntilDrained(context, hosts, options.waiting));
  return kExitDone;
}

std::string StaysSo(const v1::DrainedHost& host) {
  if (!host.drained_by().empty()) {
    return fmt::format("Host {} stays drained by {}: its nodes start with the last drain.",
                       host.host(),
                       host.drained_by_size() == 1 ? host.drained_by(0)
                                                   : Counted(host.drained_by_size(), "other"));
  }
  if (!host.changed()) return fmt::format("Host {} was not drained.", host.host());
  return host.cordoned() ? fmt::format("Host {} stays cordoned.", host.host()) : "";
}

void PrintResume(Context& context, const v1::ResumeHostsResponse& response) {
  const auto& hosts = response.hosts();
  if (!response.changes().nodes().empty()) PrintCharges(context, response.changes());
  PrintDrainedHosts(context, "STARTS", hosts);
  context.Detail("");
  for (const v1::DrainedHost& host : hosts) {
    if (const std::string line = StaysSo(host); !line.empty()) context.Line(line);
  }
  PrintOutcome(context, response.changes().applied(),
               fmt::format("Resumed {}: {} asked to start.", Counted(hosts.size(), "host"),
                           Counted(SumOf(hosts, &v1::DrainedHost::commanded_count), "node")),
               response.changes().plan_token());
}

ExitStatus ResumeHosts(Context& context, HostDrain<v1::ResumeHostsRequest>& options) {
  ASSIGN_OR_RETURN(const auto response,
                   Change<v1::ResumeHostsResponse>(context, options.request, "resuming"));
  context.Answer(response, [&] { PrintResume(context, response); });
  RETURN_IF_ERROR(WaitForHosts(context, response.changes(), options.waiting));
  return kExitDone;
}

template <class Request>
void AddDrainOptions(Word verb, HostDrain<Request>& options) {
  verb.Arguments("HOST", options.request.mutable_hosts(), "Names or ids").Required();
  verb.Text("--owner", "NAME", options.request.mutable_owner(),
            "Whose drain it is (default: yours)");
}

}  // namespace

void DefineHostDrain(Word host) {
  auto [drain, drained] = host.Verb<HostDrain<v1::DrainHostsRequest>>(
      "drain",
      "Empty hosts for maintenance: their nodes are stopped and stay charged, and new ones are "
      "kept "
      "off",
      "  tallyman host drain h1 h2 --reason \"disk is to be replaced\" --dry-run\n"
      "  tallyman host drain h1 --wait 10m",
      DrainHosts);
  AddDrainOptions(drain, drained);
  drain.Text("--reason", "TEXT", drained.request.mutable_reason(), "Why, for whoever wonders");
  AddChange(drain, drained.request);
  AddWait(drain, &drained.waiting);

  auto [resume, resumed] = host.Verb<HostDrain<v1::ResumeHostsRequest>>(
      "resume", "End your drain of hosts, and start the nodes that it stopped",
      "  tallyman host resume h1 h2", ResumeHosts);
  AddDrainOptions(resume, resumed);
  resume.Flag("--even-if-silent", resumed.request, &v1::ResumeHostsRequest::set_even_if_silent,
              "Also hosts that are silent: their nodes start when their agents return");
  AddChange(resume, resumed.request);
  AddWait(resume, &resumed.waiting);
}

}  // namespace tallyman::cli
