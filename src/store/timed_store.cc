#include "store/timed_store.h"

#include <chrono>

namespace tallyman::store {
namespace {

// Observes its lifetime, in seconds.
class Stopwatch {
 public:
  explicit Stopwatch(Distribution& distribution) : distribution_(distribution) {}
  ~Stopwatch() {
    distribution_.Observe(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count());
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  Distribution& distribution_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

}  // namespace

Status TimedStore::Read(const std::function<Status(ReadTx&)>& body) {
  Stopwatch stopwatch(metrics_.read_seconds);
  return store_.Read(body);
}

Status TimedStore::Write(const std::function<Status(WriteTx&)>& body) {
  Stopwatch stopwatch(metrics_.write_seconds);
  return store_.Write(body);
}

Status TimedStore::Together(const std::function<Result<bool>(Store& within)>& body) {
  Stopwatch stopwatch(metrics_.write_seconds);
  return store_.Together(body);
}

}  // namespace tallyman::store
