// The combiner: the only batching mechanism.
//
// A lot starts at once when none is running; it never waits to fill. It takes waiting requests
// first come first served, up to a bound of rows; a larger request is a lot of its own. Two
// requests that name the same node, report of the same host or carry the same request id never
// share a lot, and keep their order. Waiting costs no thread: whoever submits goes on, and `done`
// hears the answer.
//
// With several writers, lots run at once. A request whose host is in a lot that runs would only
// wait for that host's lock, and have the rest of its lot wait with it: it is passed over, and with
// it all requests for its hosts that came later, until that lot ends. Hosts are known from earlier
// lots; where one is not, the database's lock keeps the order.
//
// Thread-safe. The destructor answers what still waits with UNAVAILABLE and ends its threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

#include "control/lots/lot.h"
#include "control/lots/node_hosts.h"

namespace tallyman::control {

struct CombinerOptions {
  int64_t lot_rows_max = 1024;
  int64_t lot_requests_max = 256;  // 1: combining is off
  int64_t queue_max = 100'000;     // more are refused at once
  int writers = 1;
};

class Combiner {
 public:
  Combiner(LotRunner runner, Clock& clock, CombinerOptions options);
  ~Combiner();

  void Submit(Mutation mutation, Done done);

 private:
  struct Waiting {
    Mutation mutation;
    Done done;
    std::vector<HostId> hosts;  // those of its nodes that are known; empty with one writer
  };
  // What requests keep to themselves: no two lots that run at once may meet in it, nor two requests
  // of one lot. May hold the same more than once.
  struct Claims {
    std::unordered_multiset<NodeId> nodes;
    std::unordered_multiset<HostId> reporters;
    std::multiset<RequestKey> keys;
    std::unordered_multiset<HostId> hosts;

    void Add(const store::LockSet& locks);
    void Add(const Claims& other);
    void Remove(const Claims& other);
    bool Meet(const store::LockSet& locks) const;
    bool MeetHosts(const std::vector<HostId>& hosts) const;
  };
  void Work();
  std::vector<Waiting> TakeLot();
  void RunLot(std::vector<Waiting> lot);

  LotRunner runner_;
  Clock& clock_;
  CombinerOptions options_;
  NodeHosts hosts_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Waiting> queue_;
  Claims running_;  // of the lots that run now
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tallyman::control
