// The words about what a node printed.
#include <fmt/core.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "base/time.h"
#include "cli/document.h"
#include "cli/format.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/target.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {
namespace {

struct NodeLogs {
  v1::StreamNodeLogsRequest request;
  std::string since;  // how long ago, or a time
  bool timestamps = false;
};

Status CheckTarget(Context& context) {
  ASSIGN_OR_RETURN(const ConnectOptions target, FindTarget(context));
  if (target.server) return {};
  return Fail(InvalidArgument("NEEDS_SERVER",
                              "logs stay on their hosts, and a server asks for them: give the "
                              "server that the hosts work for with --server URL, not a database"));
}

// Tabs are kept; what could steer a terminal is not, where it is one that is written to.
std::string TextFor(Context& context, const std::string& text) {
  if (!context.environment().out_is_terminal) return text;
  std::string shown;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t tab = std::min(text.find('\t', begin), text.size());
    shown += Printable(std::string_view(text).substr(begin, tab - begin));
    if (tab < text.size()) shown += '\t';
    begin = tab + 1;
  }
  return shown;
}

void PrintLost(Context& context, int64_t lost) {
  if (lost == 0) return;
  if (context.is_table()) {
    context.environment().err << "(lines are missing here: the host no longer keeps them)\n";
  } else {
    context.environment().out << boost::json::serialize(
                                     boost::json::object{{"lost_lines", std::to_string(lost)}})
                              << '\n';
  }
}

void PrintLine(Context& context, const NodeLogs& logs, const v1::LogLine& line) {
  std::ostream& out = context.environment().out;
  if (context.globals().output == OutputFormat::kJson) {
    out << boost::json::serialize(ToDocument(line)) << '\n';
  } else if (context.globals().output == OutputFormat::kYaml) {
    out << "---\n";
    context.PrintDocument(line);
  } else {
    if (logs.timestamps) out << FormatTimestamp(line.at()) << "  ";
    out << TextFor(context, line.text()) << '\n';
  }
}

ExitStatus ShowNodeLogs(Context& context, NodeLogs& logs) {
  if (!logs.since.empty()) {
    ASSIGN_OR_RETURN(const Time since, ReadSince(context, logs.since));
    *logs.request.mutable_since() = ToTimestamp(since);
  }
  RETURN_IF_ERROR(CheckTarget(context));
  const auto print = [&](const google::protobuf::Message& message) {
    const auto& part = static_cast<const v1::StreamNodeLogsResponse&>(message);
    PrintLost(context, part.lost_lines());
    for (const v1::LogLine& line : part.lines()) PrintLine(context, logs, line);
    context.environment().out.flush();
    return context.environment().out.good();
  };
  RETURN_IF_ERROR(context.Stream(logs.request, print));
  return kExitDone;
}

}  // namespace

void DefineNodeLogs(Word node) {
  auto [verb, logs] = node.Verb<NodeLogs>(
      "logs", "Show what a node printed, as far as its host keeps it",
      "  tallyman node logs eth-1 --tail 100\n"
      "  tallyman node logs eth-1 --since 10m --follow\n"
      "  tallyman node logs eth-1 --since 2026-03-01T12:00:00Z -o json\n"
      "The server (--server, or a context with one) asks the host, which has to be connected;\n"
      "the control plane stores no logs.",
      ShowNodeLogs);
  v1::StreamNodeLogsRequest& request = logs.request;
  verb.Argument("NODE", request.mutable_node(), "Name or id");
  verb.Number("--tail", request, &v1::StreamNodeLogsRequest::set_tail,
              "Begin with the last N lines (default: all that is kept)");
  verb.Text("--since", "TIME", &logs.since,
            "Only what was printed since: 90s, 10m, 2h, 3d ago, or 2026-03-01T12:00:00Z");
  verb.Flag("-f,--follow", request, &v1::StreamNodeLogsRequest::set_follow,
            "Continue with what it prints from now on");
  verb.Flag("--timestamps", &logs.timestamps, "Show when each line was printed, in UTC");
}

}  // namespace tallyman::cli
