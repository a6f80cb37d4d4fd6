// The one reader that feeds all streams of events.
//
// A thread, started by the first stream, reads new events behind the newest one that it knows: at
// once after Nudge(), and a few times a second for what other processes write. It keeps the latest
// in a ring that all streams read from, so each stream is a cursor and a filter. A stream that
// begins further back is served pages from the database by the same thread, in turn with others,
// until it has reached the ring. One that is overtaken by the ring's end afterwards, because its
// reader is slow, is ended with ABORTED STREAM_TOO_SLOW and the fact "cursor", where a new stream
// goes on.
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

namespace tallyman {

struct EventFeedOptions {
  size_t ring_max = 4096;
  int64_t page_max = 256;  // rows that a stream which catches up holds at most
  std::chrono::milliseconds poll{250};
};

class EventFeed {
 public:
  explicit EventFeed(Control& control, EventFeedOptions options = {});
  ~EventFeed();

  // There may be new events.
  void Nudge();

  // A stream of WatchEventsResponse, whose first message comes at once and has the cursor only.
  std::unique_ptr<MessageStream> Open(EventWatch watch, OnReady on_ready);

  // Ends all streams, and those to come, with UNAVAILABLE SERVER_STOPPING and their cursor.
  void Stop();
  // The same, and no longer reads when it returns. Called by one thread.
  void StopReading();

 private:
  struct Shared;
  class Stream;
  struct Watcher;
  void Run();
  Result<bool> ReadOn();
  void ServeBehind();

  Control& control_;
  const EventFeedOptions options_;
  const std::shared_ptr<Shared> shared_;
  std::mutex thread_mutex_;
  std::thread thread_;
};

}  // namespace tallyman
