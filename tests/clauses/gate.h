// Stops writes at a known place, and makes one write fail.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

#include "support/any_room.h"

namespace tallyman {

// While shut, it stops every write before it begins, so that requests queue up; on request it
// refuses one, as a full disk would.
class Gate {
 public:
  // True: refuse this write.
  bool Pass() {
    std::unique_lock lock(mutex_);
    const bool refused = std::exchange(refuse_next_, false);
    reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !shut_; });
    return refused;
  }
  void Shut() {
    std::lock_guard lock(mutex_);
    shut_ = true;
    reached_ = false;
  }
  void WaitUntilReached() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reached_; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    shut_ = false;
    changed_.notify_all();
  }
  // The next one that comes to the gate.
  void RefuseNext() {
    std::lock_guard lock(mutex_);
    refuse_next_ = true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool shut_ = false;
  bool reached_ = false;
  bool refuse_next_ = false;
};

class GatedStore final : public store::Store {
 public:
  GatedStore(store::Store& store, Gate& gate) : store_(store), gate_(gate) {}

  Status Read(const std::function<Status(store::ReadTx&)>& body) override {
    return store_.Read(body);
  }
  Status Together(const std::function<Result<bool>(store::Store& within)>& body) override {
    return store_.Together(body);
  }
  Result<std::optional<Time>> Now() override { return store_.Now(); }
  Status Write(const std::function<Status(store::WriteTx&)>& body) override {
    const bool refused = gate_.Pass();
    return store_.Write([&](store::WriteTx& tx) -> Status {
      RETURN_IF_ERROR(body(tx));
      if (!refused) return {};
      return Fail(Error(Code::kUnavailable, "DATABASE_FULL", "there is no room on the disk"));
    });
  }

 private:
  store::Store& store_;
  Gate& gate_;
};

inline StoreWrapper Through(Gate& gate) {
  return [&gate](store::Store& store) { return std::make_unique<GatedStore>(store, gate); };
}

}  // namespace tallyman
