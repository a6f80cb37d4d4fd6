// The methods that answer with a stream.
#include "api/event_feed.h"
#include "api/stream.h"
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

}  // namespace

std::vector<StreamMethod> WatchMethods() {
  return {
      WatchMethod<v1::WatchEventsResponse>("tallyman.v1.EventService/WatchEvents", DoWatchEvents)};
}

}  // namespace tallyman
