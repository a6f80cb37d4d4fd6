// Lines in the log for peers that got no further than their connection, their head or their body:
// one for each reason and second, with how many there were since the last one.
#pragma once

#include <array>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "base/log.h"
#include "http/call_observer.h"

namespace tallyman::app {

// Thread-safe. Owns neither the log nor the clock.
class RefusalLog final : public http::CallObserver {
 public:
  RefusalLog(Log& log, Clock& clock) : log_(log), clock_(clock) {}
  void Ended(const http::CallRecord&) override {}
  void InFlight(int) override {}
  void OpenStreams(int) override {}
  void ClientGone() override {}
  void PeerRefused(http::PeerFault fault, std::string_view address) override;

 private:
  struct Row {
    std::optional<Time> written_at;
    int64_t count = 0;  // since then
  };

  Log& log_;
  Clock& clock_;
  std::mutex mutex_;
  std::array<Row, EnumText<http::PeerFault>::kWords.size()> rows_;
};

}  // namespace tallyman::app
