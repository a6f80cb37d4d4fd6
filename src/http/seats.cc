#include "http/seats.h"

#include <utility>

#include "http/network.h"

namespace tallyman::http {

std::expected<Seat, PeerFault> Seats::Take(const std::shared_ptr<Seats>& seats,
                                           const std::string& address) {
  std::string network = NetworkOf(address);
  std::lock_guard lock(seats->mutex_);
  if (seats->taken_ >= seats->seats_max_) return std::unexpected(PeerFault::kTooManyConnections);
  size_t& strangers = seats->strangers_[network];
  if (strangers >= seats->strangers_max_) return std::unexpected(PeerFault::kTooManyStrangers);
  Seat seat(seats, std::move(network));
  ++strangers;
  ++seats->taken_;
  return seat;
}

size_t Seats::taken() const {
  std::lock_guard lock(mutex_);
  return taken_;
}

// With the lock.
void Seats::Forget(std::string& network) {
  if (network.empty()) return;
  const auto found = strangers_.find(network);
  if (--found->second == 0) strangers_.erase(found);
  network.clear();
}

void Seat::Recognized() {
  std::lock_guard lock(seats_->mutex_);
  seats_->Forget(network_);
}

void Seat::Leave() {
  std::lock_guard lock(seats_->mutex_);
  seats_->Forget(network_);
  if (std::exchange(is_taken_, false)) --seats_->taken_;
}

}  // namespace tallyman::http
