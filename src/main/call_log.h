// One line in the log for each call.
#pragma once

#include "base/log.h"
#include "http/call_observer.h"

namespace tallyman::app {

// Thread-safe. Does not own the log.
class CallLog final : public http::CallObserver {
 public:
  explicit CallLog(Log& log) : log_(log) {}
  void Ended(const http::CallRecord& call) override;
  void InFlight(int) override {}
  void OpenStreams(int) override {}
  void ClientGone() override {}
  void PeerRefused(http::PeerFault, std::string_view) override {}

 private:
  Log& log_;
};

}  // namespace tallyman::app
