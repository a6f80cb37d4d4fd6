// The logs of nodes, from their hosts to readers: both sides of the relay.
#include <fmt/core.h>

#include "api/convert.h"
#include "api/event_feed.h"
#include "api/log_relay.h"
#include "api/method.h"
#include "api/stream.h"
#include "control/hosts/reports.h"
#include "control/read.h"
#include "control/reads/queries.h"

namespace tallyman::api {
namespace {

constexpr int64_t kTailMax = 1'000'000'000;

Result<std::unique_ptr<MessageStream>> DoStreamNodeLogs(LogRelay& relay, control::Control& control,
                                                        const control::Call& call,
                                                        const v1::StreamNodeLogsRequest& request,
                                                        OnReady on_ready) {
  // Also finds out whether the caller may read logs.
  ASSIGN_OR_RETURN(const control::NodeLogs logs,
                   control::Read(control, call, control::FindNodeLogs, request.node()));
  if (request.tail() < 0 || request.tail() > kTailMax) {
    return Fail(InvalidField("INVALID_TAIL", "tail",
                             fmt::format("is {}: give 0 to {} lines", request.tail(), kTailMax)));
  }
  LogRelay::Wanted wanted{.org_id = logs.node.node.org_id,
                          .host_id = logs.node.node.host_id,
                          .host = logs.node.host,
                          .heard_at = logs.heard_at};
  wanted.request.set_id(control.ids().New<CommandId>().ToString());
  wanted.request.set_node_id(logs.node.node.id.ToString());
  wanted.request.set_tail(request.tail());
  wanted.request.set_follow(request.follow());
  if (request.has_since()) {
    ASSIGN_OR_RETURN(const Time since, FromMessage("since", request.since()));
    *wanted.request.mutable_since() = ToMessage(since);
  }
  return relay.Open(std::move(wanted), std::move(on_ready));
}

// Reads its token from the database and changes nothing there.
Result<v1::SendLogResponse> DoSendLog(LogRelay& relay, control::Control& control,
                                      const control::Call& call,
                                      const v1::SendLogRequest& request) {
  ASSIGN_OR_RETURN(const control::Authorized by, control::Authorize(control, call));
  ASSIGN_OR_RETURN(const HostId host, control::HostOf(by.actor()));
  return relay.Send(host, request);
}

}  // namespace

std::vector<Method> LogMethods(std::shared_ptr<LogRelay> relay) {
  auto send_log = [relay = std::move(relay)](control::Control& control, const control::Call& call,
                                             const v1::SendLogRequest& request) {
    return DoSendLog(*relay, control, call, request);
  };
  return {ReadMethod<v1::SendLogRequest, v1::SendLogResponse>("tallyman.v1.AgentService/SendLog",
                                                              std::move(send_log))};
}

std::vector<StreamMethod> LogStreamMethods(std::shared_ptr<LogRelay> relay) {
  auto stream_logs = [relay = std::move(relay)](
                         control::Control& control, EventFeed&, const control::Call& call,
                         const v1::StreamNodeLogsRequest& request, OnReady on_ready) {
    return DoStreamNodeLogs(*relay, control, call, request, std::move(on_ready));
  };
  return {WatchMethod<v1::StreamNodeLogsRequest, v1::StreamNodeLogsResponse>(
      "tallyman.v1.NodeService/StreamNodeLogs", std::move(stream_logs))};
}

}  // namespace tallyman::api
