// The one reader that feeds all streams of events.
//
// A thread, started by the first stream, reads the events after the newest one that it knows: at
// once after Nudge(), and a few times a second for events of other processes. It keeps the latest
// events in a ring from which all streams read, so each stream is a cursor and a filter. The same
// thread serves a stream that begins further back with pages from the database, in turn with
// others, until it has reached the ring. A stream whose slow reader lets the ring's end overtake it
// ends with ABORTED STREAM_TOO_SLOW and the fact "cursor", from which a new stream resumes.
//
//   state       becomes            when
//   catching    following          a page was read that ends within the ring
//   following   ended              the ring's end has passed its cursor
//
// Thread-safe. Owns its thread; does not own the Control, which must outlive it. Streams may
// outlive the feed: they end with UNAVAILABLE SERVER_STOPPING.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "api/stream.h"
#include "control/reads/watch_events.h"

namespace tallyman::api {

struct EventFeedOptions {
  size_t ring_max = 4096;
  int64_t page_max = 256;  // the most rows that a catching-up stream holds
  std::chrono::milliseconds poll{250};
};

class EventFeed {
 public:
  explicit EventFeed(control::Control& control, EventFeedOptions options = {});
  ~EventFeed();

  // Says that there may be new events.
  void Nudge();

  // A stream of WatchEventsResponse; its first message comes at once and has only the cursor.
  std::unique_ptr<MessageStream> Open(control::EventWatch watch, OnReady on_ready);

  // Ends all streams, including later ones, with UNAVAILABLE SERVER_STOPPING and their cursor.
  void Stop();
  // The same, and the thread no longer reads when it returns. One thread calls it.
  void StopReading();

 private:
  struct Shared;
  class Stream;
  struct Watcher;
  void Run();
  Result<bool> ReadOn();
  void ServeBehind();

  control::Control& control_;
  const EventFeedOptions options_;
  const std::shared_ptr<Shared> shared_;
  std::mutex thread_mutex_;
  std::thread thread_;
};

}  // namespace tallyman::api
