// How long one request that upgrades many nodes keeps other writers waiting.
//
//   large_bench NODES...
//
// For each number, on a fresh copy of a prepared fleet: 8 clients upgrade one node each, one after
// another, and in the middle one request upgrades that many nodes, on the same hosts. Prints a line
// of JSON for each: how long the request took, and the latency of the writes that were under way
// while it ran.
//
//   BENCH_FLEET  the prepared fleet, copied to BENCH_WORK for each run; none: BENCH_WORK is there
//                already
//   BENCH_WORK   the database that is upgraded: a file of SQLite, or postgres://...
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "bench/rig.h"

namespace tallyman {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kClients = 8;
constexpr uint64_t kSeed = 42;
constexpr std::chrono::milliseconds kBefore{500};

struct Write {
  SteadyClock::time_point begin;
  SteadyClock::time_point end;
};

double Milliseconds(SteadyClock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// The nodes in one random order: the first are those of the large request.
std::vector<std::string> ShuffledNodes(const Rig& rig) {
  std::vector<std::string> nodes = MustBeOk(rig.NodeIds());
  SeededRandom random(kSeed);
  for (size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random.Next() % i]);
  return nodes;
}

void Measure(size_t count) {
  const std::string work = Setting("BENCH_WORK", "/tmp/tallyman-bench-work.db");
  if (const std::string fleet = Setting("BENCH_FLEET", ""); !fleet.empty()) CopyFleet(fleet, work);
  // Beyond what the program takes, too: to see why.
  const auto rig = MustBeOk(Rig::Open(work, {.nodes_max = INT64_MAX}));
  const std::string images[] = {MustBeOk(rig->ImageIdOf("2.0.0")),
                                MustBeOk(rig->ImageIdOf("3.0.0"))};
  std::vector<std::string> nodes = ShuffledNodes(*rig);
  if (nodes.size() <= count) MustBeOk(Fail(Internal("BENCH_FLEET", "the fleet is too small")));
  const std::vector<std::string> large(nodes.begin(),
                                       nodes.begin() + static_cast<std::ptrdiff_t>(count));
  nodes.erase(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(count));

  std::atomic<bool> done = false;
  std::atomic<size_t> next = 0;
  std::vector<std::vector<Write>> writes(kClients);
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      while (!done) {
        const size_t i = next++;
        const auto begin = SteadyClock::now();
        MustBeOk(rig->UpgradeAndWait({nodes[i % nodes.size()]}, images[i / nodes.size() % 2]));
        writes[static_cast<size_t>(client)].push_back({begin, SteadyClock::now()});
      }
    });
  }
  std::this_thread::sleep_for(kBefore);
  const auto begin = SteadyClock::now();
  MustBeOk(rig->UpgradeAndWait(large, images[0]));
  const auto end = SteadyClock::now();
  done = true;
  for (std::thread& client : clients) client.join();

  std::vector<double> waits;
  for (const auto& of_client : writes) {
    for (const Write& write : of_client)
      if (write.begin < end && write.end > begin)
        waits.push_back(Milliseconds(write.end - write.begin));
  }
  std::ranges::sort(waits);
  std::printf(
      "{\"nodes\": %zu, \"request_ms\": %.0f, \"writes\": %zu, \"p50_ms\": %.1f, \"p99_ms\": %.0f, "
      "\"max_ms\": %.0f}\n",
      count, Milliseconds(end - begin), waits.size(), waits[waits.size() / 2],
      waits[waits.size() * 99 / 100], waits.back());
  std::fflush(stdout);
  if (!MustBeOk(rig->Audit()).balanced())
    MustBeOk(Fail(Internal("BENCH_BALANCE", "the books do not balance")));
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: large_bench NODES...\n");
    return 2;
  }
  for (int i = 1; i < argc; ++i) tallyman::Measure(std::stoull(argv[i]));
  return 0;
}
