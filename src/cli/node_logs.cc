// What a node printed.
#include <fmt/core.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/document.h"
#include "cli/format.h"
#include "cli/requests.h"
#include "cli/target.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman {
namespace {

Result<Time> ReadSince(Context& context, const std::string& text) {
  if (auto time = ParseTime(text)) return *time;
  auto seconds = ParseLifetime("--since", text);
  if (seconds) return context.environment().clock.Now() - std::chrono::seconds(*seconds);
  return Fail(InvalidArgument("INVALID_SINCE",
                              fmt::format("--since is {}: write how long ago, such as 10m or 2h, "
                                          "or a time such as 2026-03-01T12:00:00Z",
                                          Quote(text)))
                  .With("field", "since"));
}

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
    context.environment().err << "(lines are missing here: the host keeps no more)\n";
  } else {
    context.environment().out << boost::json::serialize(
                                     boost::json::object{{"lost_lines", std::to_string(lost)}})
                              << '\n';
  }
}

void PrintLine(Context& context, const NodeLogOptions& options, const v1::LogLine& line) {
  std::ostream& out = context.environment().out;
  if (context.globals().output == OutputFormat::kJson) {
    out << boost::json::serialize(ToDocument(line)) << '\n';
  } else if (context.globals().output == OutputFormat::kYaml) {
    out << "---\n";
    context.PrintDocument(line);
  } else {
    if (options.timestamps) out << FormatTimestamp(line.at()) << "  ";
    out << TextFor(context, line.text()) << '\n';
  }
}

}  // namespace

CommandResult ShowNodeLogs(Context& context, const NodeLogOptions& options) {
  v1::StreamNodeLogsRequest request;
  request.set_node(options.node);
  request.set_follow(options.follow);
  if (!options.tail.empty()) {
    ASSIGN_OR_RETURN(const int64_t tail, ParseCount("--tail", options.tail));
    if (tail == 0) {
      return Fail(
          InvalidArgument("INVALID_NUMBER", "--tail is 0: write 1 or more").With("field", "tail"));
    }
    request.set_tail(tail);
  }
  if (!options.since.empty()) {
    ASSIGN_OR_RETURN(const Time since, ReadSince(context, options.since));
    const int64_t micros = ToMicros(since);
    request.mutable_since()->set_seconds(micros / 1'000'000);
    request.mutable_since()->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  }
  RETURN_IF_ERROR(CheckTarget(context));
  RETURN_IF_ERROR(context.Stream("tallyman.v1.NodeService/StreamNodeLogs", request,
                                 [&](const google::protobuf::Message& message) {
                                   const auto& part =
                                       static_cast<const v1::StreamNodeLogsResponse&>(message);
                                   PrintLost(context, part.lost_lines());
                                   for (const v1::LogLine& line : part.lines())
                                     PrintLine(context, options, line);
                                   context.environment().out.flush();
                                   return context.environment().out.good();
                                 }));
  return kExitDone;
}

}  // namespace tallyman
