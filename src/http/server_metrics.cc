#include "http/server_metrics.h"

#include "model/report.h"

#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace tallyman::http {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kUnknownMethod = "unknown";
// The index of the label for success, after the sixteen codes.
constexpr size_t kOk = 16;

const prometheus::Histogram::BucketBoundaries& DurationBounds() {
  static const prometheus::Histogram::BucketBoundaries bounds = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  return bounds;
}

MetricFamily FamilyOf(const MetricValues& values) {
  bool counter = values.kind == MetricKind::kCounter;
  MetricFamily family{.name = values.name,
                      .help = values.help,
                      .type = counter ? MetricType::Counter : MetricType::Gauge,
                      .metric = {}};
  for (const MetricSample& sample : values.samples) {
    ClientMetric metric;
    for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
    (counter ? metric.counter.value : metric.gauge.value) = sample.value;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

MetricFamily FamilyOf(std::string name, std::string help, const Distribution& distribution) {
  ClientMetric metric;
  uint64_t count = 0;
  for (const auto& [bound, within] : distribution.Counts()) {
    count += static_cast<uint64_t>(within);
    metric.histogram.bucket.push_back({.cumulative_count = count, .upper_bound = bound});
  }
  metric.histogram.sample_count = count;
  metric.histogram.sample_sum = distribution.sum();
  return {.name = std::move(name),
          .help = std::move(help),
          .type = MetricType::Histogram,
          .metric = {std::move(metric)}};
}

MetricValues One(std::string name, std::string help, MetricKind kind, int64_t value) {
  return {.name = std::move(name),
          .help = std::move(help),
          .kind = kind,
          .samples = {{.value = static_cast<double>(value)}}};
}

MetricValues IncidentsOf(const Metrics& metrics) {
  MetricValues values{.name = "tallyman_incidents_total",
                      .help = "Incidents that hosts reported, by kind",
                      .kind = MetricKind::kCounter};
  for (size_t i = 0; i < metrics.incidents.size(); ++i) {
    values.samples.push_back(
        {.labels = {{"kind", std::string(ToText(static_cast<ReportedIncident>(i)))}},
         .value = static_cast<double>(metrics.incidents[i])});
  }
  return values;
}

std::vector<MetricValues> ValuesOf(const Metrics& metrics) {
  using enum MetricKind;
  return {
      IncidentsOf(metrics),
      One("tallyman_drift_found_total", "Dimensions of books that were found wrong", kCounter,
          metrics.drift_found),
      One("tallyman_drift_healed_total", "Dimensions of books that an operation has corrected",
          kCounter, metrics.drift_healed),
      One("tallyman_lots_total", "Transactions that carried out requests", kCounter, metrics.lots),
      One("tallyman_lot_requests_total", "Requests in those transactions", kCounter,
          metrics.lot_requests),
      One("tallyman_second_runs_total",
          "Transactions run a second time with the sums over the hosts' nodes", kCounter,
          metrics.second_runs),
      One("tallyman_changes_refused_total",
          "Calls beyond the rate of changes of their token or its org", kCounter,
          metrics.changes_refused),
      One("tallyman_secrets_not_opened_total",
          "Commands that were not handed to a host that asked, for want of the key of their "
          "secrets",
          kCounter, metrics.secrets_not_opened),
      One("tallyman_single_retries_total", "Requests run alone after their lot was refused",
          kCounter, metrics.single_retries)};
}

}  // namespace

struct ServerMetrics::Registry {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Histogram>& durations =
      prometheus::BuildHistogram()
          .Name("tallyman_call_duration_seconds")
          .Help("Calls by method and code, from head to answer; streams until their end")
          .Register(registry);
};

ServerMetrics::ServerMetrics(const Metrics& metrics, const std::vector<std::string>& methods)
    : metrics_(metrics), registry_(std::make_unique<Registry>()) {
  for (const std::string& method : methods) durations_[method];
  durations_[std::string(kUnknownMethod)];
}

ServerMetrics::~ServerMetrics() = default;

prometheus::Histogram& ServerMetrics::DurationsOf(const std::string& method, ByCode& by_code,
                                                  size_t code) {
  prometheus::Histogram* known = by_code[code].load();
  if (known != nullptr) return *known;
  // Two threads get the same histogram for the same labels.
  std::string word(code == kOk ? "ok" : CodeTable()[code].name);
  auto& made =
      registry_->durations.Add({{"method", method}, {"code", std::move(word)}}, DurationBounds());
  by_code[code] = &made;
  return made;
}

void ServerMetrics::Ended(const CallRecord& call) {
  auto found = durations_.find(call.method);
  if (found == durations_.end()) found = durations_.find(kUnknownMethod);
  size_t code = call.error == nullptr ? kOk : static_cast<size_t>(call.error->code);
  DurationsOf(found->first, found->second, code)
      .Observe(std::chrono::duration<double>(call.duration).count());
}

MetricValues ServerMetrics::Refused() const {
  MetricValues values{.name = "tallyman_refused_total",
                      .help = "Connections and requests that became no call, by reason",
                      .kind = MetricKind::kCounter};
  for (size_t i = 0; i < refused_.size(); ++i) {
    values.samples.push_back(
        {.labels = {{"reason", std::string(ToText(static_cast<PeerFault>(i)))}},
         .value = static_cast<double>(refused_[i])});
  }
  return values;
}

std::string ServerMetrics::Page() const {
  std::vector<MetricFamily> families = registry_->registry.Collect();
  for (const MetricValues& values : ValuesOf(metrics_)) families.push_back(FamilyOf(values));
  families.push_back(FamilyOf("tallyman_lot_size", "Requests in a transaction", metrics_.lot_size));
  families.push_back(FamilyOf("tallyman_write_duration_seconds",
                              "Transactions that write, with their commit",
                              metrics_.write_seconds));
  families.push_back(FamilyOf("tallyman_read_duration_seconds", "Transactions that only read",
                              metrics_.read_seconds));
  families.push_back(FamilyOf(One("tallyman_calls_in_flight", "Calls in flight, without streams",
                                  MetricKind::kGauge, in_flight_)));
  families.push_back(
      FamilyOf(One("tallyman_streams_open", "Open streams", MetricKind::kGauge, open_streams_)));
  families.push_back(FamilyOf(One("tallyman_clients_gone_total",
                                  "Clients that disconnected before their answer was ready",
                                  MetricKind::kCounter, clients_gone_)));
  families.push_back(FamilyOf(Refused()));
  for (const MetricSource& source : sources_) {
    for (const MetricValues& values : source()) families.push_back(FamilyOf(values));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tallyman::http
