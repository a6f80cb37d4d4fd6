// Clients that upgrade nodes to and fro during faults, and the proof afterwards.
//
// A client repeats a request with its id (idempotency key) until it is answered, as clients should.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/server.h"

namespace tallyman {

// How often a disturbance comes: TALLYMAN_FAULTS, else the default.
int FaultsAsked(int by_default);

class Load {
 public:
  // Each client uses one of the servers. REQUIRES: nodes n-1 to n-`nodes`, images chain/full@1.0.0
  // and 2.0.0.
  Load(std::vector<Server*> servers, int clients, int nodes, uint64_t seed)
      : servers_(std::move(servers)), clients_(clients), nodes_(nodes), seed_(seed) {}

  // Disturbs this many times, each time after some more requests were acknowledged, and continues
  // for a while after the last.
  void Run(int disturbances, const std::function<void(int)>& disturb);
  // Fails the test unless everything that was acknowledged is there, once, and all books balance.
  void Prove(Server& server) const;

  int64_t acknowledged() const { return count_; }
  int64_t resent() const { return resent_; }

 private:
  struct Acknowledged {
    std::string node, image, id, answer;
  };
  void BeClient(int number);
  // False: refused, which only the wish for the image that a node has already may be.
  bool Send(Server& server, Acknowledged& request);

  const std::vector<Server*> servers_;
  const int clients_;
  const int nodes_;
  const uint64_t seed_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> count_{0};
  std::atomic<int64_t> resent_{0};
  mutable std::mutex mutex_;
  std::vector<Acknowledged> acknowledged_;
};

}  // namespace tallyman
