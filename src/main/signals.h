// Signals that ask a program to end, taken by a thread instead of a handler.
#pragma once

#include <chrono>
#include <csignal>
#include <initializer_list>
#include <stop_token>
#include <thread>

#include "base/log.h"

namespace tallyman {

// Blocks them in this thread and all that it makes afterwards; a peer that hangs up is an error of
// the write, not the end of the program.
sigset_t TakeSignals(std::initializer_list<int> signals);

// Asks for a stop when one of `signals`, which are taken, comes. What has not ended by itself when
// the patience is at its end is left as it is: the process exits, with status 0. For programs
// that can be killed at any time and only end nicely out of politeness.
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
  std::jthread thread_;  // the last: it uses the others
};

}  // namespace tallyman
