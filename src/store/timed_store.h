// A store that measures how long its transactions take. As thread-safe as the wrapped store; owns
// neither it nor the metrics.
#pragma once

#include "base/metrics.h"
#include "store/store.h"

namespace tallyman::store {

class TimedStore final : public Store {
 public:
  TimedStore(Store& store, Metrics& metrics) : store_(store), metrics_(metrics) {}

  Status Read(const std::function<Status(ReadTx&)>& body) override;
  Status Write(const std::function<Status(WriteTx&)>& body) override;
  Status Together(const std::function<Result<bool>(Store& within)>& body) override;
  Result<std::optional<Time>> Now() override { return store_.Now(); }

 private:
  Store& store_;
  Metrics& metrics_;
};

}  // namespace tallyman::store
