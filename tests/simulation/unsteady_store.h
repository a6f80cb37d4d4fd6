// The store of one server of a simulation: writes may come to nothing, and something else may
// happen in the middle of what the server does.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "store/store.h"
#include "tests/simulation/simulated_host.h"

namespace tallyman {

class UnsteadyStore final : public store::Store {
 public:
  UnsteadyStore(std::unique_ptr<store::Store> store, Chance& chance)
      : store_(std::move(store)), chance_(chance) {}
  Status Read(const std::function<Status(store::ReadTx&)>& body) override;
  Status Write(const std::function<Status(store::WriteTx&)>& body) override;
  Status Together(const std::function<Result<bool>(store::Store& within)>& body) override {
    return store_->Together(body);
  }
  Result<std::optional<Time>> Now() override { return store_->Now(); }

  // Happens before the next write: after what the server has read without locks. Nothing: no more.
  void Disturb(std::function<void()> act) { disturbance_ = std::move(act); }
  // Writes wait until this thread has read so often: what it reads does not depend on when the
  // writer comes to its turn. 0: they do not wait.
  void LetWritesWaitFor(int reads);

 private:
  std::unique_ptr<store::Store> store_;
  Chance& chance_;
  std::function<void()> disturbance_;
  std::mutex mutex_;
  std::condition_variable has_read_;
  std::thread::id reader_;
  int reads_awaited_ = 0;
};

}  // namespace tallyman
