#include "store/postgres/pool.h"

#include <fmt/core.h>

#include "store/refusals.h"

namespace tallyman::store::postgres {
namespace {

Error QueueFull(const std::string& database) {
  return Error(Code::kResourceExhausted, kDatabaseQueueFull,
               fmt::format("too many requests wait for a connection to database {} already: try "
                           "again in a second",
                           database))
      .About(fmt::format("database {}", database));
}

Error QueueTimeout(const std::string& database, int64_t timeout_ms) {
  return Error(Code::kUnavailable, kDatabaseQueueTimeout,
               fmt::format("no connection to database {} became free within {} ms: try again",
                           database, timeout_ms))
      .About(fmt::format("database {}", database));
}

}  // namespace

Result<PgPool::Lease> PgPool::Take() {
  std::unique_lock lock(mutex_);
  const auto is_free = [&] { return leased_ < options_.connections_max; };
  if (!is_free()) {
    if (waiting_ >= options_.waiting_max) return Fail(QueueFull(connect_.shown));
    ++waiting_;
    const bool free =
        changed_.wait_for(lock, std::chrono::milliseconds(options_.wait_timeout_ms), is_free);
    --waiting_;
    if (!free) return Fail(QueueTimeout(connect_.shown, options_.wait_timeout_ms));
  }
  ++leased_;
  std::unique_ptr<PgConnection> connection;
  if (!idle_.empty()) {
    connection = std::move(idle_.back());
    idle_.pop_back();
  }
  lock.unlock();
  Lease lease(*this);
  if (connection != nullptr && connection->IsAlive()) {
    lease.connection_ = std::move(connection);
    return lease;
  }
  ASSIGN_OR_RETURN(lease.connection_, PgConnection::Open(connect_, stats_));
  return lease;
}

void PgPool::Return(std::unique_ptr<PgConnection> connection) {
  std::vector<std::unique_ptr<PgConnection>> gone;  // closed outside of the lock
  {
    std::lock_guard lock(mutex_);
    --leased_;
    if (connection != nullptr && connection->broken()) {
      gone.swap(idle_);
    } else if (connection != nullptr && !connection->in_transaction()) {
      idle_.push_back(std::move(connection));
    }
  }
  changed_.notify_one();
}

}  // namespace tallyman::store::postgres
