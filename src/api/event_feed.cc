#include "api/event_feed.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <list>
#include <optional>
#include <utility>

#include "api/event_text.h"
#include "base/reasons.h"

namespace tallyman::api {
namespace {

constexpr int64_t kReadMax = 1000;

struct FeedEvent {
  store::EventRow row;
  std::shared_ptr<const StreamMessage> message;
};

std::shared_ptr<const StreamMessage> MessageAt(int64_t cursor) {
  auto message = std::make_unique<v1::WatchEventsResponse>();
  message->set_cursor(std::to_string(cursor));
  return std::make_shared<const StreamMessage>(std::move(message));
}

std::vector<FeedEvent> EventsOf(std::vector<store::EventRow> rows) {
  std::vector<FeedEvent> events;
  events.reserve(rows.size());
  for (store::EventRow& row : rows) {
    auto message = std::make_unique<v1::WatchEventsResponse>();
    *message->mutable_event() = api::MessageOf(row);
    message->set_cursor(std::to_string(row.event.cursor));
    events.push_back({std::move(row), std::make_shared<const StreamMessage>(std::move(message))});
  }
  return events;
}

Error TooSlow(int64_t cursor) {
  return Error(Code::kAborted, kStreamTooSlow,
               fmt::format(
                   "the stream was read too slowly and fell too far behind: resume after cursor {}",
                   cursor))
      .With("cursor", std::to_string(cursor));
}

Error Stopping(int64_t cursor) {
  return Error(
             Code::kUnavailable, "SERVER_STOPPING",
             fmt::format("the server is stopping: resume after cursor {} when it is back", cursor))
      .With("cursor", std::to_string(cursor));
}

// What throws failed like what gives an error: the thread that feeds all streams goes on.
template <class Work>
auto Guarded(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& e) {
    return Fail(
        Internal("UNEXPECTED_EXCEPTION",
                 fmt::format("events could not be read in an unforeseen way: {}", e.what())));
  }
}

}  // namespace

// Guarded by the mutex of Shared, except `conditions`, which do not change.
struct EventFeed::Watcher {
  std::vector<store::Condition> conditions;
  int64_t cursor = 0;            // everything up to here was examined
  int64_t sent = 0;              // the cursor of the last message that was delivered
  std::deque<FeedEvent> page;    // read for this stream, not yet delivered
  bool greeted = false;          // the first message was delivered
  bool catching = true;          // its next event may not be in the ring
  bool queued = false;           // waits in `behind`
  bool armed = false;            // Next() returned nothing, so its caller waits for on_ready
  std::optional<Error> failure;  // the error of reading for it
  OnReady on_ready;              // empty: the stream is gone
  std::list<std::shared_ptr<Watcher>>::iterator place;

  int64_t ResumeAt() const { return page.empty() ? cursor : sent; }
  void Wake() {
    if (!std::exchange(armed, false) || !on_ready) return;
    on_ready();
  }
};

struct EventFeed::Shared {
  std::mutex mutex;
  std::condition_variable work;
  bool nudged = false;
  bool stopping = false;
  // The ring holds all events after ring_begin up to ring_end; only while `following`.
  bool following = false;
  int64_t ring_begin = 0;
  int64_t ring_end = 0;
  std::deque<FeedEvent> ring;
  std::list<std::shared_ptr<Watcher>> watchers;
  std::deque<std::shared_ptr<Watcher>> behind;

  void Queue(const std::shared_ptr<Watcher>& watcher) {
    if (std::exchange(watcher->queued, true)) return;
    behind.push_back(watcher);
    work.notify_one();
  }

  // Wakes a stream that follows the ring if there is something for it.
  void Tell(Watcher& watcher) {
    auto at = After(watcher.cursor);
    bool wanted = !watcher.page.empty() || std::any_of(at, ring.end(), [&](const FeedEvent& event) {
      return control::Matches(event.row, watcher.conditions);
    });
    if (wanted) {
      watcher.Wake();
    } else if (watcher.armed) {
      watcher.cursor = std::max(watcher.cursor, ring_end);
    }
  }

  // The first event in the ring after the cursor.
  std::deque<FeedEvent>::iterator After(int64_t cursor) {
    return std::ranges::upper_bound(ring, cursor, {},
                                    [](const FeedEvent& event) { return event.row.event.cursor; });
  }

  void Append(std::vector<FeedEvent> events, size_t ring_max) {
    for (FeedEvent& event : events) {
      const int64_t cursor = event.row.event.cursor;
      ring.push_back(std::move(event));
      ring_end = cursor;
    }
    for (const auto& watcher : watchers) {
      if (!watcher->catching && watcher->armed) Tell(*watcher);
    }
    while (ring.size() > ring_max) {
      ring_begin = ring.front().row.event.cursor;
      ring.pop_front();
    }
  }
};

class EventFeed::Stream final : public MessageStream {
 public:
  Stream(std::shared_ptr<Shared> shared, std::shared_ptr<Watcher> watcher)
      : shared_(std::move(shared)), watcher_(std::move(watcher)) {}
  ~Stream() override {
    std::lock_guard lock(shared_->mutex);
    watcher_->on_ready = nullptr;
    watcher_->page.clear();
    shared_->watchers.erase(watcher_->place);
  }

  Result<StreamMessages> Next(size_t count_max) override {
    std::lock_guard lock(shared_->mutex);
    Watcher& watcher = *watcher_;
    if (!std::exchange(watcher.greeted, true)) return StreamMessages{MessageAt(watcher.sent)};
    if (shared_->stopping) return Fail(Stopping(watcher.ResumeAt()));
    StreamMessages messages;
    while (!watcher.page.empty() && messages.size() < count_max) {
      watcher.sent = watcher.page.front().row.event.cursor;
      messages.push_back(std::move(watcher.page.front().message));
      watcher.page.pop_front();
    }
    if (!messages.empty()) return messages;
    if (watcher.failure) return Fail(*watcher.failure);
    if (!watcher.catching) RETURN_IF_ERROR(TakeFromRing(count_max, messages));
    if (!messages.empty()) return messages;
    watcher.armed = true;
    if (watcher.catching) shared_->Queue(watcher_);
    return messages;
  }

  std::shared_ptr<const StreamMessage> Heartbeat() override {
    std::lock_guard lock(shared_->mutex);
    return MessageAt(watcher_->ResumeAt());
  }

 private:
  Status TakeFromRing(size_t count_max, StreamMessages& messages) {
    Watcher& watcher = *watcher_;
    if (watcher.cursor < shared_->ring_begin) return Fail(TooSlow(watcher.cursor));
    auto at = shared_->After(watcher.cursor);
    for (; at != shared_->ring.end() && messages.size() < count_max; ++at) {
      watcher.cursor = at->row.event.cursor;
      if (!control::Matches(at->row, watcher.conditions)) continue;
      watcher.sent = watcher.cursor;
      messages.push_back(at->message);
    }
    return {};
  }

  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Watcher> watcher_;
};

EventFeed::EventFeed(control::Control& control, EventFeedOptions options)
    : control_(control), options_(options), shared_(std::make_shared<Shared>()) {}

EventFeed::~EventFeed() { StopReading(); }

void EventFeed::StopReading() {
  Stop();
  std::lock_guard lock(thread_mutex_);
  if (thread_.joinable()) thread_.join();
}

void EventFeed::Nudge() {
  std::lock_guard lock(shared_->mutex);
  if (shared_->watchers.empty()) return;
  shared_->nudged = true;
  shared_->work.notify_one();
}

void EventFeed::Stop() {
  std::lock_guard lock(shared_->mutex);
  shared_->stopping = true;
  shared_->work.notify_one();
  for (const auto& watcher : shared_->watchers) watcher->Wake();
}

std::unique_ptr<MessageStream> EventFeed::Open(control::EventWatch watch, OnReady on_ready) {
  {
    std::lock_guard lock(thread_mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }
  auto watcher = std::make_shared<Watcher>();
  watcher->conditions = std::move(watch.conditions);
  watcher->cursor = watch.cursor;
  watcher->sent = watch.cursor;
  watcher->on_ready = std::move(on_ready);
  std::lock_guard lock(shared_->mutex);
  watcher->catching = !shared_->following || watcher->cursor < shared_->ring_begin;
  watcher->place = shared_->watchers.insert(shared_->watchers.end(), watcher);
  shared_->work.notify_one();
  return std::make_unique<Stream>(shared_, std::move(watcher));
}

// Reads new events into the ring. False: there are more.
Result<bool> EventFeed::ReadOn() {
  std::unique_lock lock(shared_->mutex);
  bool begins = !shared_->following;
  int64_t from = shared_->ring_end;
  lock.unlock();
  if (begins) {
    ASSIGN_OR_RETURN(int64_t newest, control::NewestEvent(control_));
    lock.lock();
    shared_->ring.clear();
    shared_->ring_begin = shared_->ring_end = newest;
    shared_->following = true;
    return true;
  }
  ASSIGN_OR_RETURN(auto rows, control::EventsAfter(control_, {}, from, kReadMax));
  if (rows.empty()) return true;
  bool all = rows.size() < static_cast<size_t>(kReadMax);
  auto events = EventsOf(std::move(rows));
  lock.lock();
  shared_->Append(std::move(events), options_.ring_max);
  return all;
}

// Serves the stream that has waited longest for older events.
void EventFeed::ServeBehind() {
  std::unique_lock lock(shared_->mutex);
  if (shared_->behind.empty() || !shared_->following) return;
  std::shared_ptr<Watcher> watcher = std::move(shared_->behind.front());
  shared_->behind.pop_front();
  watcher->queued = false;
  if (!watcher->on_ready) return;
  watcher->catching = watcher->cursor < shared_->ring_begin;
  if (!watcher->catching) return shared_->Tell(*watcher);
  int64_t from = watcher->cursor;
  // The ring has all events after this one, the page those up to it.
  int64_t ring_end = shared_->ring_end;
  lock.unlock();
  auto events = Guarded([&]() -> Result<std::vector<FeedEvent>> {
    ASSIGN_OR_RETURN(auto rows,
                     control::EventsAfter(control_, watcher->conditions, from, options_.page_max));
    return EventsOf(std::move(rows));
  });
  lock.lock();
  if (!watcher->on_ready) return;
  if (!events) {
    watcher->failure = std::move(events).error();
    return watcher->Wake();
  }
  const bool all = events->size() < static_cast<size_t>(options_.page_max);
  if (!events->empty()) watcher->cursor = events->back().row.event.cursor;
  if (all) watcher->cursor = std::max(watcher->cursor, ring_end);
  watcher->catching = watcher->cursor < shared_->ring_begin;
  for (FeedEvent& event : *events) watcher->page.push_back(std::move(event));
  if (watcher->catching) return watcher->Wake();
  shared_->Tell(*watcher);
}

void EventFeed::Run() {
  bool failed = false;
  std::unique_lock lock(shared_->mutex);
  while (!shared_->stopping) {
    if (shared_->watchers.empty()) {
      // Nobody watches: resuming from here later might mean reading millions of events.
      shared_->following = false;
      shared_->ring.clear();
      shared_->work.wait(lock, [&] { return shared_->stopping || !shared_->watchers.empty(); });
      continue;
    }
    if (failed || (shared_->following && !shared_->nudged && shared_->behind.empty())) {
      shared_->work.wait_for(lock, options_.poll, [&] {
        return shared_->stopping || (!failed && (shared_->nudged || !shared_->behind.empty()));
      });
    }
    shared_->nudged = false;
    lock.unlock();
    auto read = Guarded([this] { return ReadOn(); });
    if (!read && !std::exchange(failed, true)) {
      control_.log().Write({LogLevel::kWarning, "events_unreadable", read.error().message, {}});
    }
    if (read) failed = false;
    ServeBehind();
    lock.lock();
    if (read && !*read) shared_->nudged = true;
  }
}

}  // namespace tallyman::api
