// Places for connections: so many in all, and of them only so many for strangers of one address, so
// that nobody's silent connections lock all others out. A connection is a stranger's until a token
// was shown on it that is good. Thread-safe.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "http/exchange.h"

namespace tallyman::http {

class Seats;

// The place of one connection, for as long as it lives.
class Seat {
 public:
  Seat(std::shared_ptr<Seats> seats, std::string network)
      : seats_(std::move(seats)), network_(std::move(network)) {}
  Seat(Seat&&) = default;
  Seat& operator=(Seat&&) = delete;
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  ~Seat() {
    if (seats_ != nullptr) Leave();
  }

  // No stranger's any more. Thread-safe.
  void Recognized();
  // Gives the place back before the end of its life. Thread-safe.
  void Leave();

 private:
  std::shared_ptr<Seats> seats_;  // null: moved from
  // Guarded by the mutex of the seats.
  std::string network_;  // "": no stranger's
  bool is_taken_ = true;
};

class Seats {
 public:
  Seats(size_t seats_max, size_t strangers_max)
      : seats_max_(seats_max), strangers_max_(strangers_max) {}

  // kTooManyConnections or kTooManyStrangers.
  static std::expected<Seat, PeerFault> Take(const std::shared_ptr<Seats>& seats,
                                             const std::string& address);
  size_t taken() const;

 private:
  friend class Seat;
  void Forget(std::string& network);

  const size_t seats_max_;
  const size_t strangers_max_;  // of one address
  mutable std::mutex mutex_;
  size_t taken_ = 0;
  std::unordered_map<std::string, size_t> strangers_;  // by network
};

}  // namespace tallyman::http
