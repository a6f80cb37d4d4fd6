#include "planner/placement.h"

#include <fmt/core.h>

#include <queue>
#include <tuple>

#include "base/bytes.h"
#include "base/checked.h"

namespace tallyman::planner {
namespace {

struct Candidate {
  HostId id;
  bool heard;
  int64_t node_count;
  Resources free;
};

// True when `b` comes before `a`: the order that a priority queue needs.
class ComesLater {
 public:
  explicit ComesLater(PlacementStrategy strategy) : strategy_(strategy) {}
  bool operator()(const Candidate& a, const Candidate& b) const {
    if (strategy_ == PlacementStrategy::kSpread) {
      return std::tuple(!b.heard, b.node_count, -b.free.cpu_cores, b.id) <
             std::tuple(!a.heard, a.node_count, -a.free.cpu_cores, a.id);
    }
    return std::tuple(!b.heard, b.free.cpu_cores, b.free.memory_bytes, b.id) <
           std::tuple(!a.heard, a.free.cpu_cores, a.free.memory_bytes, a.id);
  }

 private:
  PlacementStrategy strategy_;
};

std::string Describe(const Resources& need) {
  return fmt::format("{} cores, {} memory, {} disk", need.cpu_cores, FormatBytes(need.memory_bytes),
                     FormatBytes(need.disk_bytes));
}

}  // namespace

Result<std::vector<HostId>> PlaceInRegion(std::span<const Host* const> candidates,
                                          const Resources& need, int64_t count,
                                          PlacementStrategy strategy, std::string_view region) {
  std::priority_queue<Candidate, std::vector<Candidate>, ComesLater> queue{ComesLater(strategy)};
  for (const Host* host : candidates) {
    ASSIGN_OR_RETURN(Resources free, FreeOf(*host));
    if (need.FitsIn(free)) queue.push({host->id, host->heard, host->books.node_count, free});
  }
  std::vector<HostId> placed;
  while (static_cast<int64_t>(placed.size()) < count) {
    if (queue.empty()) {
      return Fail(Error(Code::kResourceExhausted, "NO_HOST_FITS",
                        fmt::format("region {} has room for {} of {} nodes that need {} each: add "
                                    "hosts, free some, or "
                                    "ask for fewer",
                                    region, placed.size(), count, Describe(need)))
                      .About("region " + std::string(region))
                      .With("placed", std::to_string(placed.size()))
                      .With("count", std::to_string(count))
                      .With("cpu_cores", std::to_string(need.cpu_cores))
                      .With("memory_bytes", std::to_string(need.memory_bytes))
                      .With("disk_bytes", std::to_string(need.disk_bytes)));
    }
    Candidate best = queue.top();
    queue.pop();
    placed.push_back(best.id);
    ++best.node_count;
    ASSIGN_OR_RETURN(best.free, Subtract(best.free, need));
    if (need.FitsIn(best.free)) queue.push(best);
  }
  return placed;
}

Status CheckFits(const Host& host, const Resources& need, int64_t count) {
  ASSIGN_OR_RETURN(Resources free, FreeOf(host));
  for (Dimension d : kDimensions) {
    auto total = CheckedMul(need.get(d), count);
    if (total && *total <= free.get(d)) continue;
    std::string wanted = total ? std::to_string(*total) : "more than 64 bits hold";
    return Fail(
        Error(Code::kResourceExhausted, "HOST_FULL",
              fmt::format("host {} has {} of {} free and {} node{} need {}: choose another host or "
                          "free some of it",
                          host.name, free.get(d), ToText(d), count, count == 1 ? "" : "s", wanted))
            .About("host " + host.name)
            .With("dimension", std::string(ToText(d)))
            .With("need", wanted)
            .With("free", std::to_string(free.get(d))));
  }
  return {};
}

}  // namespace tallyman::planner
