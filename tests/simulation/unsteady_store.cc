#include "tests/simulation/unsteady_store.h"

#include <utility>

namespace tallyman {

using store::ReadTx;
using store::WriteTx;

void UnsteadyStore::LetWritesWaitFor(int reads) {
  const std::lock_guard lock(mutex_);
  reader_ = std::this_thread::get_id();
  reads_awaited_ = reads;
}

Status UnsteadyStore::Read(const std::function<Status(ReadTx&)>& body) {
  Status status = store_->Read(body);
  const std::lock_guard lock(mutex_);
  if (reads_awaited_ == 0 || std::this_thread::get_id() != reader_) return status;
  if (--reads_awaited_ == 0) has_read_.notify_all();
  return status;
}

Status UnsteadyStore::Write(const std::function<Status(WriteTx&)>& body) {
  {
    std::unique_lock lock(mutex_);
    has_read_.wait(lock, [&] { return reads_awaited_ == 0; });
  }
  if (auto act = std::exchange(disturbance_, nullptr)) act();
  if (chance_.Strikes(60, Situation::kWriteCameToNothing)) {
    // The server dies before the commit.
    return store_->Write([&](WriteTx& tx) -> Status {
      RETURN_IF_ERROR(body(tx));
      return Fail(Error(Code::kUnavailable, "DATABASE_IO", "made to fail"));
    });
  }
  return store_->Write(body);
}

}  // namespace tallyman
