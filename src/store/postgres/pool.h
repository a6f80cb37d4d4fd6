// A bounded connection pool.
//
// A lease takes a live idle connection, opens one if there are fewer than the bound, or waits its
// turn. The queue is bounded, too: a request fails at once when the queue is full, and fails after
// it has waited too long. One lost connection makes the pool discard all idle ones: after a
// failover they lead to the wrong server. Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "store/postgres/connection.h"

namespace tallyman::store::postgres {

struct PgPoolOptions {
  int64_t connections_max = 4;
  int64_t waiting_max = 64;
  int64_t wait_timeout_ms = 5'000;
};

class PgPool {
 public:
  // `stats` must outlive the pool, and the pool all its leases.
  PgPool(PgConnectOptions connect, PgPoolOptions options, PgStats& stats)
      : connect_(std::move(connect)), options_(options), stats_(stats) {}

  class Lease {
   public:
    explicit Lease(PgPool& pool) : pool_(&pool) {}
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (pool_ != nullptr) pool_->Return(std::move(connection_));
    }
    PgConnection& operator*() const { return *connection_; }
    PgConnection* operator->() const { return connection_.get(); }

   private:
    friend class PgPool;
    PgPool* pool_;
    std::unique_ptr<PgConnection> connection_;
  };

  // RESOURCE_EXHAUSTED DATABASE_QUEUE_FULL at once, UNAVAILABLE DATABASE_QUEUE_TIMEOUT after the
  // bound, or the error of opening a connection.
  Result<Lease> Take();

 private:
  void Return(std::unique_ptr<PgConnection> connection);

  const PgConnectOptions connect_;
  const PgPoolOptions options_;
  PgStats& stats_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<PgConnection>> idle_;
  int64_t leased_ = 0;
  int64_t waiting_ = 0;
};

}  // namespace tallyman::store::postgres
