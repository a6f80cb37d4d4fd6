// Hands on what nodes print, from their hosts to whoever asked, while they ask. Nothing is kept: a
// part that came from a host is in memory until its reader has it (docs/adr/0022).
//
// A reader opens a stream, which makes a request. The request goes to the host by whatever stream
// of wake-ups the host has open at this server, now or within a few seconds, and the host answers
// with parts. There is one reader for each request and one host, which alone may answer it.
//
// All is bounded: requests by org and in all, bytes by request and in all, the time until a host
// answers, its silence, and the time that a reader does not read.
//
// Thread-safe. Streams and listeners may outlive the relay, but not the clock.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/stream.h"
#include "base/clock.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman {

struct LogRelayOptions {
  size_t requests_max = 256;
  size_t org_requests_max = 32;
  // What waits for its reader.
  size_t bytes_max = size_t{1024} * 1024;
  size_t all_bytes_max = size_t{64} * 1024 * 1024;
  std::chrono::seconds answer_wait{10};
  std::chrono::seconds silence_max{60};
  std::chrono::seconds unread_max{600};
};

class LogRelay {
 public:
  explicit LogRelay(Clock& clock, LogRelayOptions options = {});
  ~LogRelay();

  struct Wanted {
    OrgId org_id;  // of the node
    HostId host_id;
    std::string host;              // its name
    std::optional<Time> heard_at;  // when the host was heard from
    v1::LogRequest request;        // with an id that no other has
  };
  // RESOURCE_EXHAUSTED TOO_MANY_LOG_STREAMS. The stream ends well when the host says that it is
  // all, and else with UNAVAILABLE HOST_NOT_CONNECTED, HOST_NOT_ANSWERING, HOST_SILENT,
  // LOG_UNREADABLE (the host's own words) or SERVER_STOPPING, or ABORTED STREAM_TOO_SLOW.
  Result<std::unique_ptr<MessageStream>> Open(Wanted wanted, OnReady on_ready);

  // The requests for one host, as one of its streams hears of them. Destroying it ends it; then
  // `on_ready` is not called any more.
  class Listener {
   public:
    virtual ~Listener() = default;
    // Those that it was not given yet; of an earlier listener those that were not answered.
    virtual std::vector<v1::LogRequest> Take() = 0;
  };
  std::unique_ptr<Listener> Listen(const HostId& host, OnReady on_ready);

  // A part that the host sends. INVALID_ARGUMENT LOG_PART_TOO_LARGE.
  Result<v1::SendLogResponse> Send(const HostId& host, const v1::SendLogRequest& part);

  // Ends all streams, and those that are opened later.
  void Stop();

 private:
  struct Request;
  struct Shared;
  class Stream;
  class HostListener;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace tallyman
