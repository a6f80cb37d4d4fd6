// Upgrades nodes to and fro until it is killed, and says on its output which requests were
// acknowledged.
//
//   crash_writer DATABASE NODES THREADS SEED
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/system.h"
#include "control/nodes/nodes.h"
#include "store/sqlite/sqlite_store.h"

namespace tallyman {
namespace {

using namespace tallyman::control;

void Upgrade(Control& control, const std::string& node, const std::string& image,
             const std::string& request_id) {
  Call call;
  call.actor = {.id = "crash", .role = Role::kAdmin};
  call.method = "NodeService/UpgradeNodes";
  call.request_id = request_id;
  UpgradeNodesRequest request{.nodes = {node}, .image = image};
  std::promise<bool> promise;
  Run(
      control, call, UpgradeNodes, request, [](const Changes&) { return std::string("done"); },
      [&](Result<std::string> answer) { promise.set_value(answer.has_value()); });
  if (!promise.get_future().get()) return;
  // One write call: a line is whole or not there.
  std::string line = request_id + "\n";
  if (write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(1);
}

int Main(const char* path, int nodes, int threads, uint64_t seed) {
  auto store = store::sqlite::SqliteStore::Open(path, {});
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message.c_str());
    return 1;
  }
  SystemClock clock;
  SeededRandom random(seed);
  MemoryLog log;
  Metrics metrics;
  Control control(**store, clock, random, log, metrics);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      for (int64_t round = 0;; ++round) {
        std::string node =
            "n-" +
            std::to_string(1 + static_cast<int64_t>(random.Next() % static_cast<uint64_t>(nodes)));
        std::string image = random.Next() % 2 == 0 ? "chain/full@1.0.0" : "chain/full@2.0.0";
        Upgrade(control, node, image,
                "r" + std::to_string(seed) + "-" + std::to_string(t) + "-" + std::to_string(round));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  return 0;
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  return tallyman::Main(argv[1], std::atoi(argv[2]), std::atoi(argv[3]),
                        std::strtoull(argv[4], nullptr, 10));
}
