#include "control/lots/combiner.h"

#include <algorithm>

#include "base/retry_later.h"

namespace tallyman::control {
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

void Combiner::Claims::Add(const store::LockSet& locks) {
  nodes.insert(locks.nodes.begin(), locks.nodes.end());
  reporters.insert(locks.report_hosts.begin(), locks.report_hosts.end());
  keys.insert(locks.requests.begin(), locks.requests.end());
}

void Combiner::Claims::Add(const Claims& other) {
  nodes.insert(other.nodes.begin(), other.nodes.end());
  reporters.insert(other.reporters.begin(), other.reporters.end());
  keys.insert(other.keys.begin(), other.keys.end());
  hosts.insert(other.hosts.begin(), other.hosts.end());
}

void Combiner::Claims::Remove(const Claims& other) {
  for (const NodeId& node : other.nodes) nodes.erase(nodes.find(node));
  for (const HostId& host : other.reporters) reporters.erase(reporters.find(host));
  for (const RequestKey& key : other.keys) keys.erase(keys.find(key));
  for (const HostId& host : other.hosts) hosts.erase(hosts.find(host));
}

bool Combiner::Claims::Meet(const store::LockSet& locks) const {
  auto are_in = [](const auto& claimed, const auto& wanted) {
    return std::ranges::any_of(wanted, [&](const auto& one) { return claimed.contains(one); });
  };
  return are_in(nodes, locks.nodes) || are_in(reporters, locks.report_hosts) ||
         are_in(keys, locks.requests);
}

bool Combiner::Claims::MeetHosts(const std::vector<HostId>& wanted) const {
  return std::ranges::any_of(wanted, [&](const HostId& host) { return hosts.contains(host); });
}

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
                          const store::Snapshot& snapshot, store::ReadTx& tx) {
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
  done(Fail(RetryLater(Error(Code::kResourceExhausted, "TOO_MANY_REQUESTS",
                             "too many changes are queued: try again in a second"),
                       std::chrono::seconds(1))));
}

// REQUIRES: mutex_ is held. Empty when all that waits must wait for a lot that runs.
std::vector<Combiner::Waiting> Combiner::TakeLot() {
  std::vector<Waiting> lot;
  // Of all requests that were looked at: nothing may overtake a request for the same node. Their
  // hosts are those of requests that wait for one; a lot may touch its own hosts many times.
  Claims seen;
  int64_t rows = 0;
  int passed_over = 0;
  for (auto it = queue_.begin(); it != queue_.end();) {
    const Mutation& mutation = it->mutation;
    const bool host_is_busy = running_.MeetHosts(it->hosts) || seen.MeetHosts(it->hosts);
    const bool conflicts =
        host_is_busy || running_.Meet(mutation.locks) || seen.Meet(mutation.locks);
    seen.Add(mutation.locks);
    if (conflicts) {
      if (host_is_busy) seen.hosts.insert(it->hosts.begin(), it->hosts.end());
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
    Claims claims;
    for (const Waiting& waiting : lot) {
      claims.Add(waiting.mutation.locks);
      claims.hosts.insert(waiting.hosts.begin(), waiting.hosts.end());
    }
    running_.Add(claims);
    lock.unlock();
    RunLot(std::move(lot));
    lock.lock();
    running_.Remove(claims);
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

}  // namespace tallyman::control
