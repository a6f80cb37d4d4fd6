// How many durable one-node upgrades a second: 64 callers with and without combining, any number of
// clients for some seconds, one client alone, and one request for the whole fleet.
//
// Every run works on a fresh copy of a prepared fleet, takes its nodes in one random order (the
// same that reference_loop takes), upgrades them to the large image in the first round, back in the
// second, and so on; afterwards the books must balance.
//
//   BENCH_FLEET     the prepared fleet, copied to BENCH_WORK for each run; none: BENCH_WORK is
//                   there already
//   BENCH_WORK      the database that is upgraded: a file of SQLite, or postgres://...
//   BENCH_UPGRADES  upgrades of a run of 64 callers; a client alone makes a tenth of them
//   BENCH_CLIENTS, BENCH_SECONDS  of the runs that are bound by time
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "bench/rig.h"

namespace tallyman {
namespace {

constexpr int kCallers = 64;
constexpr uint64_t kSeed = 42;

// One run: the rig, and what is upgraded next.
struct Run {
  std::unique_ptr<Rig> rig;
  std::vector<std::string> nodes;
  std::string images[2];
  std::atomic<int64_t> next{0};
  double cpu_before = 0;

  const std::string& NodeAt(int64_t i) const {
    return nodes[static_cast<size_t>(i) % nodes.size()];
  }
  // All nodes go to one image before the first goes back.
  const std::string& ImageAt(int64_t i) const {
    return images[static_cast<size_t>(i) / nodes.size() % 2];
  }
};

std::unique_ptr<Run> run;

int64_t Upgrades() { return std::stoll(Setting("BENCH_UPGRADES", "20000")); }

// Of the whole process: on a machine that others use it says more than the time that passed.
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void Begin(bool combine) {
  const std::string work = Setting("BENCH_WORK", "/tmp/tallyman-bench-work.db");
  if (const std::string fleet = Setting("BENCH_FLEET", ""); !fleet.empty()) CopyFleet(fleet, work);
  run = std::make_unique<Run>();
  run->rig = MustBeOk(Rig::Open(work, {.combine = combine, .nodes_max = INT64_MAX}));
  run->nodes = MustBeOk(run->rig->NodeIds());
  run->images[0] = MustBeOk(run->rig->ImageIdOf("2.0.0"));
  run->images[1] = MustBeOk(run->rig->ImageIdOf("1.0.0"));
  SeededRandom random(kSeed);
  for (size_t i = run->nodes.size(); i > 1; --i) {
    std::swap(run->nodes[i - 1], run->nodes[random.Next() % i]);
  }
  run->cpu_before = CpuSeconds();
}

void End(const benchmark::State&) {
  control::AuditAnswer audit = MustBeOk(run->rig->Audit());
  if (!audit.balanced()) MustBeOk(Fail(Internal("BENCH_BALANCE", "the books do not balance")));
  run.reset();
}

void Report(benchmark::State& state, int64_t upgrades) {
  const Metrics& metrics = run->rig->metrics;
  state.counters["upgrades_per_second"] =
      benchmark::Counter(static_cast<double>(upgrades), benchmark::Counter::kIsRate);
  if (state.thread_index() != 0) return;
  state.counters["per_commit"] =
      static_cast<double>(metrics.lot_requests.load()) / static_cast<double>(metrics.lots.load());
  // Close enough from the first of many threads: the others end with it.
  auto all = static_cast<double>(upgrades * state.threads());
  state.counters["cpu_us"] = (CpuSeconds() - run->cpu_before) * 1e6 / all;
}

// Threads that wait, each for its own upgrade.
void Callers(benchmark::State& state) {
  for (auto _ : state) {
    int64_t i = run->next++;
    MustBeOk(run->rig->UpgradeAndWait({run->NodeAt(i)}, run->ImageAt(i)));
  }
  Report(state, state.iterations());
}

// Callers without a thread each: the answer to one upgrade sends the next, as a server's
// connections do.
struct Chain {
  int64_t end;
  std::atomic<int64_t> left;
  std::promise<void> finished;

  void Send() {
    int64_t i = run->next++;
    if (i >= end) return;
    run->rig->Upgrade({run->NodeAt(i)}, run->ImageAt(i), [this](Result<api::Reply> reply) {
      MustBeOk(std::move(reply));
      Send();
      if (--left == 0) finished.set_value();
    });
  }
};

void Callbacks(benchmark::State& state) {
  for (auto _ : state) {
    Chain chain{.end = Upgrades(), .left = Upgrades()};
    auto finished = chain.finished.get_future();
    for (int i = 0; i < kCallers; ++i) chain.Send();
    finished.wait();
  }
  Report(state, Upgrades());
}

// Threads that wait, each for upgrades of nodes of its own, so that a node's upgrades keep their
// order however few the nodes are.
void Clients(benchmark::State& state) {
  const auto clients = static_cast<size_t>(std::stoll(Setting("BENCH_CLIENTS", "32")));
  const std::chrono::duration<double> seconds(std::stod(Setting("BENCH_SECONDS", "2")));
  std::atomic<int64_t> upgrades = 0;
  for (auto _ : state) {
    const auto end = std::chrono::steady_clock::now() + seconds;
    std::vector<std::jthread> threads;
    for (size_t client = 0; client < std::min(clients, run->nodes.size()); ++client) {
      threads.emplace_back([&, client] {
        const size_t own = (run->nodes.size() - client + clients - 1) / clients;
        for (size_t i = 0; std::chrono::steady_clock::now() < end; ++i) {
          const std::string& node = run->nodes[client + i % own * clients];
          MustBeOk(run->rig->UpgradeAndWait({node}, run->images[i / own % 2]));
          ++upgrades;
        }
      });
    }
  }
  Report(state, upgrades);
}

// More than one request may change otherwise, so that the figure goes on as it was.
void OneRequest(benchmark::State& state) {
  int64_t round = 0;
  auto nodes = static_cast<int64_t>(run->nodes.size());
  for (auto _ : state)
    MustBeOk(run->rig->UpgradeAndWait(run->nodes, run->ImageAt(round++ * nodes)));
  Report(state, nodes * state.iterations());
}

void Combining(const benchmark::State&) { Begin(true); }
void NotCombining(const benchmark::State&) { Begin(false); }

void Register() {
  auto add = [](const char* name, void (*body)(benchmark::State&),
                void (*begin)(const benchmark::State&)) {
    return benchmark::RegisterBenchmark(name, body)
        ->Setup(begin)
        ->Teardown(End)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  };
  const int64_t each = std::max<int64_t>(1, Upgrades() / kCallers);
  add("callers/combined", Callers, Combining)->Threads(kCallers)->Iterations(each);
  // One upgrade per commit is slow: a quarter is enough.
  add("callers/single", Callers, NotCombining)
      ->Threads(kCallers)
      ->Iterations(std::max<int64_t>(1, each / 4));
  add("callbacks/combined", Callbacks, Combining)->Iterations(1);
  add("clients/combined", Clients, Combining)->Iterations(1);
  add("clients/single", Clients, NotCombining)->Iterations(1);
  add("one_client", Callers, Combining)->Iterations(std::max<int64_t>(1, Upgrades() / 10));
  add("one_request", OneRequest, Combining)->Iterations(2);
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  tallyman::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (benchmark::RunSpecifiedBenchmarks() == 0) return 1;
  benchmark::Shutdown();
  return 0;
}
