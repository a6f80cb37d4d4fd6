#include "main/server_pages.h"

#include <fmt/core.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "control/reads/fleet_totals.h"
#include "control/rollouts/rollouts.h"
#include "http/openapi.h"

namespace tallyman::app {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::seconds kTotalsKept{5};
constexpr std::chrono::seconds kReadinessKept{1};

http::HttpResponse Text(int status, std::string body) {
  return {.status = status,
          .content_type = "text/plain; charset=utf-8",
          .headers = {{"Cache-Control", "no-store"}},
          .body = std::move(body) + "\n",
          .close = false};
}

// What is wrong with the database; nothing: it can be read.
std::optional<std::string> DatabaseFault(const PageParts& parts) {
  auto schema = parts.admin.Schema();
  if (!schema) return schema.error().message;
  if (schema->version != schema->newest_version) {
    return fmt::format("its schema is at version {}, this program's at {}", schema->version,
                       schema->newest_version);
  }
  Status read = parts.control.store().Read([](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto none, tx.FindRegion(""));
    return {};
  });
  return read ? std::nullopt : std::optional(read.error().message);
}

// Whether the database can be read, looked at by one caller at a time and at most once a second:
// anybody may ask. What is wrong is for the log only, since it may name users and machines.
class Readiness {
 public:
  explicit Readiness(PageParts parts) : parts_(std::move(parts)) {}

  http::HttpResponse Page() {
    if (parts_.draining) return Text(503, "stopping");
    {
      std::lock_guard lock(mutex_);
      if (is_looking_ || (looked_at_ && Steady::now() - *looked_at_ < kReadinessKept))
        return Known();
      is_looking_ = true;
    }
    std::optional<std::string> fault;
    try {
      fault = DatabaseFault(parts_);
    } catch (const std::exception& e) {
      fault = e.what();
    }
    std::lock_guard lock(mutex_);
    if (fault && fault != fault_)
      parts_.log.Write({LogLevel::kWarning, "not_ready", fmt::format("database: {}", *fault), {}});
    fault_ = std::move(fault);
    looked_at_ = Steady::now();
    is_looking_ = false;
    return Known();
  }

 private:
  http::HttpResponse Known() const {
    if (!looked_at_) return Text(503, "starting");
    // Another server can write.
    if (Status may = parts_.control.MayWrite(); !may)
      return Text(503, may.error().reason + ": this server writes nothing; see its log");
    return fault_ ? Text(503, "database: see the log of the server") : Text(200, "ready");
  }

  const PageParts parts_;
  std::mutex mutex_;
  bool is_looking_ = false;
  std::optional<Steady::time_point> looked_at_;
  std::optional<std::string> fault_;
};

void Add(http::MetricValues& values, const control::RegionTotals& region,
         const control::TotalAmounts& amounts, const std::string& what) {
  const std::pair<const char*, double> dimensions[] = {{"cpu_cores", amounts.cpu_cores},
                                                       {"memory_bytes", amounts.memory_bytes},
                                                       {"disk_bytes", amounts.disk_bytes}};
  for (const auto& [dimension, amount] : dimensions) {
    values.samples.push_back(
        {.labels = {{"region", region.region}, {"dimension", dimension}, {"part", what}},
         .value = amount});
  }
}

control::TotalAmounts Less(control::TotalAmounts amounts, const control::TotalAmounts& taken) {
  amounts.cpu_cores -= taken.cpu_cores;
  amounts.memory_bytes -= taken.memory_bytes;
  amounts.disk_bytes -= taken.disk_bytes;
  return amounts;
}

http::MetricValues RolloutsOf(const control::RolloutTotals& totals) {
  http::MetricValues rollouts{
      .name = "tallyman_rollouts",
      .help = "Rollouts that have not ended, by state, and why they are paused"};
  const std::pair<RolloutState, std::string> kinds[] = {
      {RolloutState::kRunning, ""},
      {RolloutState::kAborting, ""},
      {RolloutState::kPaused, std::string(planner::kPausedForFailures)},
      {RolloutState::kPaused, std::string(planner::kPausedForNoProgress)},
      {RolloutState::kPaused, std::string(planner::kPausedAfterWave)},
      {RolloutState::kPaused, std::string(planner::kPausedByHand)}};
  for (const auto& kind : kinds) {
    const auto found = totals.rollouts.find(kind);
    const int64_t count = found == totals.rollouts.end() ? 0 : found->second;
    rollouts.samples.push_back(
        {.labels = {{"state", std::string(ToText(kind.first))}, {"why", kind.second}},
         .value = static_cast<double>(count)});
  }
  return rollouts;
}

http::MetricValues RolloutNodesOf(const control::RolloutTotals& totals) {
  http::MetricValues nodes{.name = "tallyman_rollout_nodes",
                           .help = "Nodes of rollouts that have not ended, by their state there"};
  for (size_t i = 0; i < EnumText<RolloutNodeState>::kWords.size(); ++i) {
    const auto found = totals.nodes.find(static_cast<RolloutNodeState>(i));
    const int64_t count = found == totals.nodes.end() ? 0 : found->second;
    nodes.samples.push_back(
        {.labels = {{"state", std::string(EnumText<RolloutNodeState>::kWords[i])}},
         .value = static_cast<double>(count)});
  }
  return nodes;
}

std::vector<http::MetricValues> ValuesOf(const control::FleetTotals& totals) {
  http::MetricValues hosts{.name = "tallyman_hosts", .help = "Hosts by region"};
  http::MetricValues silent{
      .name = "tallyman_hosts_silent",
      .help = "Hosts by region that were heard once and say nothing any more"};
  http::MetricValues never_heard{.name = "tallyman_hosts_never_heard",
                                 .help = "Hosts by region from which no agent ever reported"};
  http::MetricValues cordoned{.name = "tallyman_hosts_cordoned",
                              .help = "Hosts by region on which no node is placed"};
  http::MetricValues nodes{.name = "tallyman_nodes",
                           .help = "Live nodes by region, as the books count them"};
  http::MetricValues amounts{
      .name = "tallyman_resources",
      .help = "Cores and bytes by region: capacity, and what of it is allocated, held and free"};
  for (const control::RegionTotals& region : totals.regions) {
    auto count = [&](int64_t value) {
      return http::MetricSample{.labels = {{"region", region.region}},
                                .value = static_cast<double>(value)};
    };
    hosts.samples.push_back(count(region.hosts));
    silent.samples.push_back(count(region.silent_hosts));
    never_heard.samples.push_back(count(region.never_heard_hosts));
    cordoned.samples.push_back(count(region.cordoned_hosts));
    nodes.samples.push_back(count(region.nodes));
    Add(amounts, region, region.capacity, "capacity");
    Add(amounts, region, region.allocated, "allocated");
    Add(amounts, region, region.held, "held");
    Add(amounts, region, Less(Less(region.capacity, region.allocated), region.held), "free");
  }
  http::MetricValues transitions{
      .name = "tallyman_open_transitions",
      .help = "Commands that have not ended, by state and by how long they have been open"};
  for (const control::OpenTransitions& open : totals.transitions) {
    for (size_t i = 0; i < open.by_age.size(); ++i) {
      transitions.samples.push_back({.labels = {{"state", std::string(ToText(open.state))},
                                                {"age", std::string(control::kTransitionAges[i])}},
                                     .value = static_cast<double>(open.by_age[i])});
    }
  }
  auto gauge = [](std::string name, std::string help, int64_t value) {
    return http::MetricValues{.name = std::move(name),
                              .help = std::move(help),
                              .samples = {{.value = static_cast<double>(value)}}};
  };
  const ReportedTotals& reported = totals.reported;
  return {
      std::move(hosts),
      std::move(silent),
      std::move(never_heard),
      std::move(cordoned),
      std::move(nodes),
      std::move(amounts),
      std::move(transitions),
      RolloutsOf(totals.rollouts),
      RolloutNodesOf(totals.rollouts),
      {.name = "tallyman_rollout_seconds_without_progress",
       .help = "Of the running rollout that released or judged no node for longest",
       .samples = {{.value =
                        std::chrono::duration<double>(totals.rollouts.without_progress).count()}}},
      gauge("tallyman_nodes_unhealthy", "Live nodes whose health command fails",
            reported.unhealthy_nodes),
      gauge("tallyman_nodes_with_problems", "Live nodes for which their host reports a problem",
            reported.nodes_with_problems),
      gauge("tallyman_node_restarts",
            "Restarts of live nodes by their hosts since their configs last changed",
            reported.restarts),
      gauge("tallyman_hosts_with_problems", "Hosts that report a problem",
            reported.hosts_with_problems)};
}

struct KeptTotals {
  std::mutex mutex;
  Steady::time_point read_at;
  std::vector<http::MetricValues> values;
};

}  // namespace

std::map<std::string, http::SitePage, std::less<>> ServerPages(const PageParts& parts) {
  auto document = std::make_shared<const std::string>(
      http::OpenApiDocument(http::ApiDescriptors(), parts.version));
  std::map<std::string, http::SitePage, std::less<>> pages;
  pages["/healthz"] = {.for_watchers = false, .make = [] { return Text(200, "ok"); }};
  pages["/readyz"] = {.for_watchers = false, .make = [ready = std::make_shared<Readiness>(parts)] {
                        return ready->Page();
                      }};
  pages["/metrics"] = {.for_watchers = true, .make = [parts] {
                         http::HttpResponse response = Text(200, "");
                         response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                         response.body = parts.metrics.Page();
                         return response;
                       }};
  pages["/openapi.json"] = {.for_watchers = false, .make = [document] {
                              http::HttpResponse response;
                              response.body = *document;
                              return response;
                            }};
  return pages;
}

http::MetricSource FleetMetrics(control::Control& control) {
  auto kept = std::make_shared<KeptTotals>();
  return [&control, kept] {
    std::lock_guard lock(kept->mutex);
    if (kept->values.empty() || Steady::now() - kept->read_at >= kTotalsKept) {
      auto totals = control::ReadFleetTotals(control);
      // Old numbers would look current.
      kept->values = totals ? ValuesOf(*totals) : std::vector<http::MetricValues>();
      kept->read_at = Steady::now();
    }
    return kept->values;
  };
}

}  // namespace tallyman::app
