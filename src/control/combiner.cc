#include "control/combiner.h"

#include <algorithm>

namespace tallyman {
namespace {

Error ShuttingDown() {
  return {Code::kUnavailable, "SHUTTING_DOWN",
          "the server is shutting down: send the request again"};
}

// Why a request that still waits is not to be begun, if so.
std::optional<Error> Withdrawn(const Call& call, Time now) {
  if (call.cancelled && call.cancelled->load()) {
    return Error(Code::kCanceled, "CANCELLED", "the caller withdrew the request before it began");
  }
  if (call.deadline && now >= *call.deadline) {
    return Error(
        Code::kDeadlineExceeded, "DEADLINE_EXCEEDED",
        "the deadline passed before the request began: nothing was changed, send it again");
  }
  return std::nullopt;
}

// How many requests that cannot run yet are passed over in search of one that can: what waits for
// one busy host may be many, and whoever submits has every idle writer look again.
constexpr int kPassedOverMax = 64;

}  // namespace

struct Combiner::Taken {
  std::unordered_set<NodeId> nodes;
  std::vector<RequestKey> keys;
  std::unordered_set<HostId> reporters;
  // Of requests that wait for a host. (A lot may touch a host that it has taken many times.)
  std::unordered_set<HostId> hosts_passed_over;
};

Combiner::Combiner(LotRunner runner, Clock& clock, CombinerOptions options)
    : runner_(runner), clock_(clock), options_(options) {
  for (int i = 0; i < options_.writers; ++i) threads_.emplace_back([this] { Work(); });
}

Combiner::~Combiner() {
  std::deque<Waiting> left;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    left.swap(queue_);
  }
  work_.notify_all();
  for (Waiting& waiting : left) waiting.done(Fail(ShuttingDown()));
  for (std::thread& thread : threads_) thread.join();
}

void Combiner::Submit(Mutation mutation, Done done) {
  std::vector<HostId> hosts;
  if (options_.writers > 1 && !mutation.locks.nodes.empty()) {
    hosts = hosts_.Of(mutation.locks.nodes);
    mutation.decide = [this, nodes = mutation.locks.nodes, decide = std::move(mutation.decide)](
                          const Snapshot& snapshot, ReadTx& tx) {
      hosts_.Learn(nodes, snapshot);
      return decide(snapshot, tx);
    };
  }
  bool stopping = false;
  {
    std::unique_lock lock(mutex_);
    stopping = stopping_;
    if (!stopping && static_cast<int64_t>(queue_.size()) < options_.queue_max) {
      queue_.push_back({std::move(mutation), std::move(done), std::move(hosts)});
      lock.unlock();
      work_.notify_one();
      return;
    }
  }
  if (stopping) return done(Fail(ShuttingDown()));
  done(Fail(Error(Code::kResourceExhausted, "TOO_MANY_REQUESTS",
                  "too many changes are queued: try again in a second")));
}

bool Combiner::Conflicts(const Mutation& mutation, const Taken& taken) const {
  const LockSet& locks = mutation.locks;
  for (const NodeId& node : locks.nodes) {
    if (taken.nodes.contains(node) || running_nodes_.contains(node)) return true;
  }
  for (const HostId& host : locks.report_hosts) {
    if (taken.reporters.contains(host) || running_reporters_.contains(host)) return true;
  }
  for (const RequestKey& key : locks.requests) {
    if (std::ranges::find(taken.keys, key) != taken.keys.end() ||
        std::ranges::find(running_keys_, key) != running_keys_.end()) {
      return true;
    }
  }
  return false;
}

bool Combiner::HostIsBusy(const Waiting& waiting, const Taken& taken) const {
  return std::ranges::any_of(waiting.hosts, [&](const HostId& host) {
    return running_hosts_.contains(host) || taken.hosts_passed_over.contains(host);
  });
}

// REQUIRES: mutex_ is held. Empty when all that waits must wait for a lot that runs.
std::vector<Combiner::Waiting> Combiner::TakeLot() {
  std::vector<Waiting> lot;
  // Nothing may overtake a request for the same node.
  Taken taken;
  int64_t rows = 0;
  int passed_over = 0;
  for (auto it = queue_.begin(); it != queue_.end();) {
    const Mutation& mutation = it->mutation;
    const bool host_is_busy = HostIsBusy(*it, taken);
    const bool conflicts = host_is_busy || Conflicts(mutation, taken);
    taken.nodes.insert(mutation.locks.nodes.begin(), mutation.locks.nodes.end());
    taken.reporters.insert(mutation.locks.report_hosts.begin(), mutation.locks.report_hosts.end());
    taken.keys.insert(taken.keys.end(), mutation.locks.requests.begin(),
                      mutation.locks.requests.end());
    if (conflicts) {
      if (host_is_busy) taken.hosts_passed_over.insert(it->hosts.begin(), it->hosts.end());
      if (++passed_over == kPassedOverMax) break;
      ++it;
      continue;
    }
    bool full = !lot.empty() && (mutation.solo || lot.back().mutation.solo ||
                                 rows + mutation.rows > options_.lot_rows_max);
    if (full) break;
    rows += mutation.rows;
    lot.push_back(std::move(*it));
    it = queue_.erase(it);
    if (static_cast<int64_t>(lot.size()) >= options_.lot_requests_max) break;
  }
  return lot;
}

void Combiner::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::vector<Waiting> lot;
    work_.wait(lock, [&] {
      if (stopping_) return true;
      if (!queue_.empty()) lot = TakeLot();
      return !lot.empty();
    });
    if (lot.empty()) return;
    std::vector<NodeId> nodes;
    std::vector<HostId> hosts, reporters;
    size_t keys_before = running_keys_.size();
    for (const Waiting& waiting : lot) {
      nodes.insert(nodes.end(), waiting.mutation.locks.nodes.begin(),
                   waiting.mutation.locks.nodes.end());
      hosts.insert(hosts.end(), waiting.hosts.begin(), waiting.hosts.end());
      reporters.insert(reporters.end(), waiting.mutation.locks.report_hosts.begin(),
                       waiting.mutation.locks.report_hosts.end());
      running_keys_.insert(running_keys_.end(), waiting.mutation.locks.requests.begin(),
                           waiting.mutation.locks.requests.end());
    }
    std::vector<RequestKey> keys(running_keys_.begin() + static_cast<std::ptrdiff_t>(keys_before),
                                 running_keys_.end());
    running_nodes_.insert(nodes.begin(), nodes.end());
    running_hosts_.insert(hosts.begin(), hosts.end());
    running_reporters_.insert(reporters.begin(), reporters.end());
    lock.unlock();
    RunLot(std::move(lot));
    lock.lock();
    for (const NodeId& node : nodes) running_nodes_.erase(running_nodes_.find(node));
    for (const HostId& host : hosts) running_hosts_.erase(running_hosts_.find(host));
    for (const HostId& host : reporters) running_reporters_.erase(running_reporters_.find(host));
    for (const RequestKey& key : keys) running_keys_.erase(std::ranges::find(running_keys_, key));
    if (options_.writers > 1) work_.notify_all();
  }
}

// By value: the lot and its callbacks are gone before the caller takes its lock again.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
void Combiner::RunLot(std::vector<Waiting> lot) {
  Time now = clock_.Now();
  std::vector<const Mutation*> mutations;
  std::vector<const Done*> dones;
  for (const Waiting& waiting : lot) {
    if (auto error = Withdrawn(waiting.mutation.call, now)) {
      waiting.done(Fail(std::move(*error)));
      continue;
    }
    mutations.push_back(&waiting.mutation);
    dones.push_back(&waiting.done);
  }
  if (mutations.empty()) return;
  auto answers = runner_.Run(mutations);
  for (size_t i = 0; i < dones.size(); ++i) (*dones[i])(std::move(answers[i]));
}

}  // namespace tallyman
