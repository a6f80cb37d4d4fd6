// The streaming methods.
#include "api/event_feed.h"
#include "api/log_relay.h"
#include "api/stream.h"
#include "control/hosts/reports.h"
#include "control/read.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/event.pb.h"

namespace tallyman::api {
namespace {

Result<std::unique_ptr<MessageStream>> DoWatchEvents(control::Control& control, EventFeed& feed,
                                                     const control::Call& call,
                                                     const v1::WatchEventsRequest& request,
                                                     OnReady on_ready) {
  ASSIGN_OR_RETURN(
      control::EventWatch watch,
      control::Read(control, call, control::PrepareWatch,
                    control::WatchRequest{.filter = request.filter(), .after = request.after()}));
  return feed.Open(std::move(watch), std::move(on_ready));
}

// Events that accompany a command for the host, without those that the host itself reported.
constexpr const char* kWaking =
    "kind!=upgrade_succeeded kind!=upgrade_failed kind!=node_running kind!=node_deleted "
    "kind!=node_moved kind!=host_updated kind!=books_corrected kind!=token_created "
    "kind!=token_revoked kind!=node_crashed kind!=node_out_of_memory kind!=node_not_restarted "
    "kind!=node_unhealthy kind!=node_healthy kind!=node_disk_error kind!=host_problem "
    "kind!=command_failed";

// Sends events about a host's commands as wake-ups, where one stands for any number of events; and
// the log requests for the host.
class WakeUps final : public MessageStream {
 public:
  WakeUps(std::unique_ptr<MessageStream> events, std::unique_ptr<LogRelay::Listener> logs)
      : events_(std::move(events)), logs_(std::move(logs)) {}

  Result<StreamMessages> Next(size_t count_max) override {
    StreamMessages wakes;
    ASSIGN_OR_RETURN(const StreamMessages events, events_->Next(count_max));
    if (!events.empty()) wakes.push_back(MessageFor(*events.back(), true, {}));
    std::vector<v1::LogRequest> asked = logs_->Take();
    if (!asked.empty()) wakes.push_back(MessageFor(*events_->Heartbeat(), false, std::move(asked)));
    return wakes;
  }
  std::shared_ptr<const StreamMessage> Heartbeat() override {
    auto beat = events_->Heartbeat();
    return beat == nullptr ? nullptr : MessageFor(*beat, false, {});
  }

 private:
  static std::shared_ptr<const StreamMessage> MessageFor(const StreamMessage& event, bool wake,
                                                         std::vector<v1::LogRequest> asked) {
    auto message = std::make_unique<v1::WatchCommandsResponse>();
    message->set_cursor(static_cast<const v1::WatchEventsResponse&>(event.message()).cursor());
    message->set_wake(wake);
    for (v1::LogRequest& request : asked) *message->add_log_requests() = std::move(request);
    return std::make_shared<const StreamMessage>(std::move(message));
  }

  std::unique_ptr<MessageStream> events_;
  std::unique_ptr<LogRelay::Listener> logs_;
};

Result<std::unique_ptr<MessageStream>> DoWatchCommands(LogRelay& relay, control::Control& control,
                                                       EventFeed& feed, const control::Call& call,
                                                       const v1::WatchCommandsRequest& request,
                                                       OnReady on_ready) {
  ASSIGN_OR_RETURN(
      control::EventWatch watch,
      control::Read(control, call, control::PrepareWatch,
                    control::WatchRequest{.filter = kWaking, .after = request.cursor()}));
  ASSIGN_OR_RETURN(const HostId host, control::HostOf(call.actor));
  auto logs = relay.Listen(host, on_ready);
  return std::make_unique<WakeUps>(feed.Open(std::move(watch), std::move(on_ready)),
                                   std::move(logs));
}

}  // namespace

std::vector<StreamMethod> WatchMethods(std::shared_ptr<LogRelay> relay) {
  auto watch_commands = [relay = std::move(relay)](
                            control::Control& control, EventFeed& feed, const control::Call& call,
                            const v1::WatchCommandsRequest& request, OnReady on_ready) {
    return DoWatchCommands(*relay, control, feed, call, request, std::move(on_ready));
  };
  return {WatchMethod<v1::WatchCommandsRequest, v1::WatchCommandsResponse>(
              "tallyman.v1.AgentService/WatchCommands", std::move(watch_commands)),
          WatchMethod<v1::WatchEventsRequest, v1::WatchEventsResponse>(
              "tallyman.v1.EventService/WatchEvents", DoWatchEvents)};
}

}  // namespace tallyman::api
