// A store whose write transactions can be stopped at the one place where races are decided: the
// rows are locked and read, the decision is made, and nothing is written yet; where several are one
// transaction, all of it is written, and not committed.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "store/store.h"

namespace tallyman {

// Owns the store behind it. Thread-safe.
class PausingStore final : public store::Store {
 public:
  explicit PausingStore(std::unique_ptr<store::Store> store) : store_(std::move(store)) {}

  Status Read(const std::function<Status(store::ReadTx&)>& body) override {
    return store_->Read(body);
  }
  Status Write(const std::function<Status(store::WriteTx&)>& body) override {
    return store_->Write([&](store::WriteTx& tx) -> Status {
      RETURN_IF_ERROR(body(tx));
      Pause();
      return {};
    });
  }

  Status Together(const std::function<Result<bool>(store::Store& within)>& body) override {
    return store_->Together([&](store::Store& within) -> Result<bool> {
      ASSIGN_OR_RETURN(const bool keep, body(within));
      if (keep) Pause();
      return keep;
    });
  }
  Result<std::optional<Time>> Now() override { return store_->Now(); }

  // From now on every write stops there, until Open().
  void Shut() {
    std::lock_guard lock(mutex_);
    shut_ = true;
  }
  void Open() {
    std::lock_guard lock(mutex_);
    shut_ = false;
    changed_.notify_all();
  }
  // How many writes have come there so far; one that is run again comes again.
  int64_t decided() const {
    std::lock_guard lock(mutex_);
    return decided_;
  }
  store::Store& behind() { return *store_; }

 private:
  void Pause() {
    std::unique_lock lock(mutex_);
    ++decided_;
    changed_.wait(lock, [&] { return !shut_; });
  }

  std::unique_ptr<store::Store> store_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool shut_ = false;
  int64_t decided_ = 0;
};

}  // namespace tallyman
