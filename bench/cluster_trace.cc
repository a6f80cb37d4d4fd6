// A production cluster's tasks as a fleet, from files to a balanced audit, phase by phase.
//
//   cluster_trace [DATA_DIR [DATABASE]]
//
// DATA_DIR holds images.csv, hosts.csv and tasks.csv (else $TALLYMAN_DATA, else ../shared/data);
// where they are not there the program says so and does nothing. Every distinct shape of a task
// becomes an image (cores rounded up, at least 1; at least 1 MiB; 10 GB of disk), every task a node
// of it, as far as they fit; then every node is upgraded to an image with other needs. Exit status
// 1 when the books do not balance.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/text.h"
#include "bench/rig.h"
#include "control/inventory/inventory.h"

namespace tallyman {
namespace {

using namespace tallyman::control;

namespace fs = std::filesystem;

constexpr char kRegion[] = "cluster";
constexpr char kOrgName[] = "trace";

using Row = std::map<std::string, std::string>;

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

// The files are plain: no quotes, one line per row.
std::vector<Row> ReadRows(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> names = Cells(line);
  std::vector<Row> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = Cells(line);
    Row& row = rows.emplace_back();
    for (size_t i = 0; i < names.size() && i < cells.size(); ++i) row[names[i]] = cells[i];
  }
  return rows;
}

int64_t Number(const Row& row, const std::string& column) {
  auto found = row.find(column);
  auto number = found == row.end() ? std::nullopt : ParseInt64(found->second);
  if (!number) MustBeOk(Fail(InvalidArgument("BAD_DATA", "no number in column " + column)));
  return *number;
}

// One line per phase: what, how many, how long.
class Phases {
 public:
  void Done(const std::string& what) {
    Clock::time_point now = Clock::now();
    fmt::print("  {:<62} {:>7.2f} s\n", what, Seconds(now - last_));
    std::fflush(stdout);
    last_ = now;
  }
  double Total() const { return Seconds(Clock::now() - start_); }

 private:
  using Clock = std::chrono::steady_clock;
  static double Seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

struct Shape {
  Resources need;
  int64_t tasks = 0;
  int64_t placed = 0;
  std::string variant() const {
    return fmt::format("c{}-m{}", need.cpu_cores, need.memory_bytes / kMebi);
  }
};

// Largest first: what is hard to place is placed while there is room.
std::vector<Shape> ShapesOf(const std::vector<Row>& tasks) {
  std::map<std::pair<int64_t, int64_t>, int64_t> counts;
  for (const Row& task : tasks) {
    int64_t cores = std::max<int64_t>(1, (Number(task, "cpu_milli") + 999) / 1000);
    int64_t memory = std::max<int64_t>(1, Number(task, "memory_mib")) * kMebi;
    ++counts[{cores, memory}];
  }
  std::vector<Shape> shapes;
  for (auto it = counts.rbegin(); it != counts.rend(); ++it) {
    shapes.push_back({.need = {it->first.first, it->first.second, 10 * kGiga},
                      .tasks = it->second,
                      .placed = 0});
  }
  return shapes;
}

// More, less, and other mixes in turn.
Resources NextNeed(const Resources& need, size_t index) {
  switch (index % 3) {
    case 0:
      return {need.cpu_cores + 1, need.memory_bytes + need.memory_bytes / 4, 12 * kGiga};
    case 1:
      return {std::max<int64_t>(1, need.cpu_cores / 2), std::max(kMebi, need.memory_bytes / 2),
              8 * kGiga};
    default:
      return {need.cpu_cores, need.memory_bytes + kMebi, 9 * kGiga};
  }
}

ImageSpec SpecOf(const Shape& shape, std::string version, const Resources& need) {
  ImageSpec spec;
  spec.protocol = "trace";
  spec.variant = shape.variant();
  spec.semantic_version = std::move(version);
  spec.uri = "docker://registry.example/trace/" + spec.variant;
  spec.minimum = need;
  return spec;
}

class Trace {
 public:
  Trace(Rig& rig, fs::path data) : rig_(rig), data_(std::move(data)) {}

  bool Run() {
    LoadHosts();
    LoadPublishedImages();
    LoadTasks();
    Place();
    Upgrade();
    bool balanced = Audit();
    fmt::print("  {:<62} {:>7.2f} s\n", "in all (goal: within 60 s)", phases_.Total());
    return balanced;
  }

 private:
  void LoadHosts() {
    MustBeOk(rig_.Run<std::string, Org>(CreateOrg, "OrgService/CreateOrg", kOrgName));
    MustBeOk(rig_.Run<std::string, Region>(CreateRegion, "RegionService/CreateRegion", kRegion));
    CreateHostsRequest request;
    for (const Row& row : ReadRows(data_ / "hosts.csv")) {
      request.hosts.push_back(
          {row.at("sn"),
           kRegion,
           {Number(row, "cpu_milli") / 1000, Number(row, "memory_mib") * kMebi, 4000 * kGiga},
           {}});
    }
    MustBeOk(rig_.Run<CreateHostsRequest, CreatedHosts>(CreateHosts, "HostService/CreateHosts",
                                                        request));
    phases_.Done(fmt::format("{} hosts loaded", request.hosts.size()));
  }

  int64_t MakeImages(CreateImagesRequest request) {
    request.create_missing = true;
    auto made = MustBeOk(rig_.Run<CreateImagesRequest, CreatedImages>(
        CreateImages, "CatalogService/CreateImages", request));
    return std::ssize(made.items);
  }

  void LoadPublishedImages() {
    CreateImagesRequest request;
    for (const Row& row : ReadRows(data_ / "images.csv")) {
      ImageSpec& spec = request.images.emplace_back();
      spec.protocol = row.at("protocol_key");
      spec.variant = row.at("variant_key");
      spec.semantic_version = row.at("semantic_version");
      spec.uri = "docker://registry.example/" + row.at("image");
      spec.committed_at = Time(std::chrono::seconds(Number(row, "committed_at")));
      spec.minimum = {Number(row, "cpu_cores"), Number(row, "memory_mb") * 1'000'000,
                      Number(row, "disk_gb") * kGiga};
    }
    int64_t made = MakeImages(std::move(request));
    phases_.Done(fmt::format("{} published images loaded", made));
  }

  void LoadTasks() {
    shapes_ = ShapesOf(ReadRows(data_ / "tasks.csv"));
    CreateImagesRequest request;
    for (size_t i = 0; i < shapes_.size(); ++i) {
      request.images.push_back(SpecOf(shapes_[i], "1.0.0", shapes_[i].need));
      request.images.push_back(SpecOf(shapes_[i], "2.0.0", NextNeed(shapes_[i].need, i)));
      tasks_ += shapes_[i].tasks;
    }
    int64_t made = MakeImages(std::move(request));
    phases_.Done(
        fmt::format("{} tasks of {} shapes loaded, {} images made", tasks_, shapes_.size(), made));
  }

  Result<Changes> Create(const Shape& shape, int64_t count) {
    CreateNodesRequest request;
    request.image = fmt::format("trace/{}@1.0.0", shape.variant());
    request.org = kOrgName;
    request.count = count;
    request.region = kRegion;
    request.strategy = PlacementStrategy::kPack;
    return rig_.Run<CreateNodesRequest, Changes>(CreateNodes, "NodeService/CreateNodes", request);
  }

  // One request per shape; where not all fit, the refusal says how many would.
  void PlaceShape(Shape& shape) {
    Result<Changes> changes = Create(shape, shape.tasks);
    if (changes) {
      shape.placed = shape.tasks;
      return;
    }
    if (changes.error().reason != "NO_HOST_FITS") return MustBeOk(Fail(changes.error()));
    refusals_.push_back(changes.error().message);
    shape.placed = ParseInt64(changes.error().Fact("placed")).value_or(0);
    if (shape.placed > 0) MustBeOk(Create(shape, shape.placed));
  }

  void Place() {
    for (Shape& shape : shapes_) {
      PlaceShape(shape);
      placed_ += shape.placed;
    }
    phases_.Done(fmt::format("{} nodes placed, {} do not fit", placed_, tasks_ - placed_));
    for (size_t i = 0; i < refusals_.size() && i < 5; ++i) fmt::print("      {}\n", refusals_[i]);
    if (refusals_.size() > 5) fmt::print("      and {} shapes more\n", refusals_.size() - 5);
  }

  void Upgrade() {
    int64_t upgraded = 0;
    int64_t warnings = 0;
    for (const Shape& shape : shapes_) {
      if (shape.placed == 0) continue;
      UpgradeNodesRequest request;
      request.selector = NodeSelector{.protocol = "trace", .variant = shape.variant()};
      request.image = fmt::format("trace/{}@2.0.0", shape.variant());
      Changes changes = MustBeOk(rig_.Run<UpgradeNodesRequest, Changes>(
          UpgradeNodes, "NodeService/UpgradeNodes", request));
      upgraded += std::ssize(changes.nodes);
      warnings += std::ssize(changes.warnings);
    }
    phases_.Done(
        fmt::format("{} nodes upgraded ({} warnings of hosts over capacity)", upgraded, warnings));
    complete_ = upgraded == placed_;
  }

  bool Audit() {
    AuditAnswer audit = MustBeOk(rig_.Audit());
    phases_.Done(fmt::format("audit: {} hosts, {} nodes, {} ledger entries: {}", audit.hosts,
                             audit.nodes, audit.ledger_entries,
                             audit.balanced() ? "balanced" : "NOT BALANCED"));
    return audit.balanced() && complete_ && audit.nodes == placed_;
  }

  Rig& rig_;
  const fs::path data_;
  Phases phases_;
  std::vector<Shape> shapes_;
  std::vector<std::string> refusals_;
  int64_t tasks_ = 0;
  int64_t placed_ = 0;
  bool complete_ = false;
};

int Main(int argc, char** argv) {
  const fs::path data = argc > 1 ? argv[1] : Setting("TALLYMAN_DATA", "../shared/data");
  for (const char* file : {"images.csv", "hosts.csv", "tasks.csv"}) {
    if (fs::exists(data / file)) continue;
    fmt::print("cluster trace: skipped, there is no {}\n", (data / file).string());
    return 0;
  }
  const std::string database = argc > 2 ? argv[2] : Setting("BENCH_WORK", "/tmp/tallyman-trace.db");
  for (const char* beside : {"", "-wal", "-shm"}) fs::remove(database + beside);
  auto rig = MustBeOk(Rig::Open(database, {.create = true}));
  fmt::print("cluster trace, durable, in {}\n", database);
  return Trace(*rig, data).Run() ? 0 : 1;
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) { return tallyman::Main(argc, argv); }
