// Long work inside this process that cannot be split into short polls (reading a whole image,
// unpacking a layer to count it): it runs on its own thread, and a job waits for it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <thread>

#include "agent/oci/job.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// Destroying the job asks `work` to stop and waits for it, so `work` must check its stop token
// often.
template <class T>
Job<T> RunAside(std::function<Result<T>(const std::stop_token&)> work) {
  std::optional<Result<T>> result;
  std::atomic<bool> done{false};
  std::jthread thread([&](const std::stop_token& stop) {
    result = work(stop);
    done = true;
  });
  co_await Await([&] { return done.load(); });
  thread.join();
  co_return std::move(*result);
}

// The error of such work when it was asked to stop.
inline Error WorkStopped() {
  return Error(Code::kCanceled, "WORK_STOPPED",
               "it was stopped because nobody waits for its result");
}

}  // namespace tallyman::agent::oci
