// Relays the logs of nodes from their hosts to readers. Nothing is stored: a part from a host stays
// in memory only until its reader has it (docs/adr/0022).
//
// A reader opens a stream, which creates a request. The request reaches the host through the stream
// of wake-ups that the host has open at this server, now or within a few seconds, and the host
// answers with parts. Each request has one reader and one host; only that host may answer it.
//
// Everything is bounded: requests by org and in total, bytes by request and in total, the time
// until a host answers, its silence, and the time during which a reader does not read
// (backpressure).
//
// Thread-safe. Streams and listeners may outlive the relay, but not the clock.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/stream.h"
#include "base/clock.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::api {

struct LogRelayOptions {
  size_t requests_max = 256;
  size_t org_requests_max = 32;
  // Bytes that wait for their reader.
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
    std::optional<Time> heard_at;  // when the host last reported
    v1::LogRequest request;        // with a unique id
  };
  // RESOURCE_EXHAUSTED TOO_MANY_LOG_STREAMS. The stream ends without an error when the host says
  // that it is complete, otherwise with UNAVAILABLE HOST_NOT_CONNECTED, HOST_NOT_ANSWERING,
  // HOST_SILENT, LOG_UNREADABLE (the host's own words) or SERVER_STOPPING, or ABORTED
  // STREAM_TOO_SLOW.
  Result<std::unique_ptr<MessageStream>> Open(Wanted wanted, OnReady on_ready);

  // The requests for one host, delivered to one of its streams. After its destruction `on_ready` is
  // not called any more.
  class Listener {
   public:
    virtual ~Listener() = default;
    // The requests not delivered to it yet, including unanswered ones of an earlier listener.
    virtual std::vector<v1::LogRequest> Take() = 0;
  };
  std::unique_ptr<Listener> Listen(const HostId& host, OnReady on_ready);

  // Accepts a part from the host. INVALID_ARGUMENT LOG_PART_TOO_LARGE.
  Result<v1::SendLogResponse> Send(const HostId& host, const v1::SendLogRequest& part);

  // Ends all streams, including later ones.
  void Stop();

 private:
  struct Request;
  struct Shared;
  class Stream;
  class HostListener;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace tallyman::api
