// The methods that answer with a stream.
#include "api/event_feed.h"
#include "api/stream.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/event.pb.h"

namespace tallyman {
namespace {

Result<std::unique_ptr<MessageStream>> DoWatchEvents(Control& control, EventFeed& feed,
                                                     const Call& call,
                                                     const v1::WatchEventsRequest& request,
                                                     OnReady on_ready) {
  ASSIGN_OR_RETURN(EventWatch watch,
                   PrepareWatch(control, call, request.filter(), request.after()));
  return feed.Open(std::move(watch), std::move(on_ready));
}

// What a command for the host goes with, but not what the host itself has reported.
constexpr const char* kWaking =
    "kind!=upgrade_succeeded kind!=upgrade_failed kind!=node_running kind!=node_deleted "
    "kind!=node_moved kind!=host_updated kind!=books_corrected kind!=token_created "
    "kind!=token_revoked";

// Events about a host's commands as wake-ups: however many there are, one is enough.
class WakeUps final : public MessageStream {
 public:
  explicit WakeUps(std::unique_ptr<MessageStream> events) : events_(std::move(events)) {}

  Result<StreamMessages> Next(size_t count_max) override {
    StreamMessages wakes;
    ASSIGN_OR_RETURN(const StreamMessages events, events_->Next(count_max));
    if (!events.empty()) wakes.push_back(MessageFor(*events.back(), true));
    return wakes;
  }
  std::shared_ptr<const StreamMessage> Heartbeat() override {
    auto beat = events_->Heartbeat();
    return beat == nullptr ? nullptr : MessageFor(*beat, false);
  }

 private:
  static std::shared_ptr<const StreamMessage> MessageFor(const StreamMessage& event, bool wake) {
    auto message = std::make_unique<v1::WatchCommandsResponse>();
    message->set_cursor(static_cast<const v1::WatchEventsResponse&>(event.message()).cursor());
    message->set_wake(wake);
    return std::make_shared<const StreamMessage>(std::move(message));
  }

  std::unique_ptr<MessageStream> events_;
};

Result<std::unique_ptr<MessageStream>> DoWatchCommands(Control& control, EventFeed& feed,
                                                       const Call& call,
                                                       const v1::WatchCommandsRequest& request,
                                                       OnReady on_ready) {
  ASSIGN_OR_RETURN(EventWatch watch, PrepareWatch(control, call, kWaking, request.cursor()));
  return std::make_unique<WakeUps>(feed.Open(std::move(watch), std::move(on_ready)));
}

}  // namespace

std::vector<StreamMethod> WatchMethods() {
  return {
      WatchMethod<v1::WatchCommandsResponse>("tallyman.v1.AgentService/WatchCommands",
                                             DoWatchCommands),
      WatchMethod<v1::WatchEventsResponse>("tallyman.v1.EventService/WatchEvents", DoWatchEvents)};
}

}  // namespace tallyman
