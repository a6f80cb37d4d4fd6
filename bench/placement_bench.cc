// What it costs to place one node, among few hosts and among many.
//
// The hosts are of three sizes and carry 0 to 6 nodes of three sizes. `plan` is the whole request
// as a dry run: names resolved, hosts chosen, config and plan made, but nothing written; `create`
// makes the node as well, durably.
//
//   BENCH_FEW, BENCH_MANY  the prepared fleets: files, which are copied to BENCH_WORK, or databases
//                          of PostgreSQL, which are worked on as they are
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "bench/fleet.h"
#include "bench/rig.h"

namespace tallyman {
namespace {

using namespace tallyman::control;

std::unique_ptr<Rig> rig;
int64_t created = 0;
// A database that is not copied has the nodes of earlier runs.
const std::string kRunName = "placed-" + std::to_string(getpid()) + "-";

void Begin(const char* fleet) {
  std::string database = Setting(fleet, "");
  if (!IsPostgres(database)) {
    const std::string work = Setting("BENCH_WORK", "/tmp/tallyman-bench-work.db");
    CopyFleet(database, work);
    database = work;
  }
  rig = MustBeOk(Rig::Open(database, {}));
}

CreateNodesRequest RequestFor(PlacementStrategy strategy, bool dry_run) {
  CreateNodesRequest request;
  request.image = kLargeImage;
  request.org = kBenchOrg;
  // A name that is given: choosing a free number is another matter.
  request.name = kRunName + std::to_string(++created);
  request.region = kBenchRegion;
  request.strategy = strategy;
  request.plan.dry_run = dry_run;
  return request;
}

void Place(benchmark::State& state, PlacementStrategy strategy, bool dry_run) {
  for (auto _ : state) {
    auto changes = rig->Run<CreateNodesRequest, Changes>(CreateNodes, "NodeService/CreateNodes",
                                                         RequestFor(strategy, dry_run));
    benchmark::DoNotOptimize(MustBeOk(std::move(changes)));
  }
}

void Register(const std::string& name, PlacementStrategy strategy, bool dry_run) {
  auto body = [=](benchmark::State& state) { Place(state, strategy, dry_run); };
  auto add = [&](const std::string& where, void (*begin)(const benchmark::State&)) {
    benchmark::RegisterBenchmark((name + "/" + where).c_str(), body)
        ->Setup(begin)
        ->Teardown([](const benchmark::State&) { rig.reset(); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond)
        ->Iterations(std::stoll(Setting("BENCH_PLACEMENTS", "2000")));
  };
  add("few", [](const benchmark::State&) { Begin("BENCH_FEW"); });
  add("many", [](const benchmark::State&) { Begin("BENCH_MANY"); });
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  using tallyman::PlacementStrategy;
  tallyman::Register("plan/spread", PlacementStrategy::kSpread, true);
  tallyman::Register("plan/pack", PlacementStrategy::kPack, true);
  tallyman::Register("create/spread", PlacementStrategy::kSpread, false);
  tallyman::Register("create/pack", PlacementStrategy::kPack, false);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (benchmark::RunSpecifiedBenchmarks() == 0) return 1;
  benchmark::Shutdown();
  return 0;
}
