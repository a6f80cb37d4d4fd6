// Makes a fleet to measure on.
//
//   make_fleet DATABASE HOSTS NODES [varied]
//
// DATABASE: the path of a file that is not there yet, or postgres://... of an empty database.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "bench/fleet.h"
#include "bench/rig.h"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: make_fleet DATABASE HOSTS NODES [varied]\n");
    return 2;
  }
  const std::string path = argv[1];
  tallyman::FleetShape shape{.hosts = std::atoll(argv[2]),
                             .nodes = std::atoll(argv[3]),
                             .varied = argc > 4 && std::string_view(argv[4]) == "varied"};
  auto start = std::chrono::steady_clock::now();
  if (tallyman::IsPostgres(path)) {
    tallyman::MustBeOk(tallyman::MakeFleet(path, shape));
  } else {
    // Under another name until it is whole, so that a run that was stopped leaves no half fleet.
    const std::string draft = path + ".draft";
    for (const char* beside : {"", "-wal", "-shm"}) std::filesystem::remove(draft + beside);
    tallyman::MustBeOk(tallyman::MakeFleet(draft, shape));
    std::filesystem::rename(draft, path);
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("fleet of %lld hosts and %lld nodes: %.1f s\n", static_cast<long long>(shape.hosts),
              static_cast<long long>(shape.nodes), took.count());
  return 0;
}
