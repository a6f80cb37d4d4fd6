// Signals that ask a program to stop, received by a thread instead of a handler.
#pragma once

#include <chrono>
#include <csignal>
#include <initializer_list>
#include <stop_token>
#include <thread>

#include "base/log.h"

namespace tallyman::app {

// Blocks the signals in this thread and in those it creates afterwards, and ignores SIGPIPE:
// writing to a closed peer is an error, not the end of the program.
sigset_t TakeSignals(std::initializer_list<int> signals);

// Requests a stop when one of `signals`, which must be blocked, arrives. If the program has not
// ended when the patience is over, the process exits with status 0. For programs that can be killed
// at any time.
class StopOnSignal {
 public:
  // Owns neither; both must outlive it.
  StopOnSignal(const sigset_t& signals, std::chrono::milliseconds patience, Log& log);

  std::stop_token token() const { return source_.get_token(); }

 private:
  void Wait(const std::stop_token& over);

  const sigset_t signals_;
  const std::chrono::milliseconds patience_;
  Log& log_;
  std::stop_source source_;
  std::jthread thread_;  // declared last: it uses the others
};

}  // namespace tallyman::app
