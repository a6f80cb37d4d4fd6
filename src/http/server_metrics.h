// The server's metrics, as a page in Prometheus text format.
//
// Calls are counted when they end; all other values are read when the page is requested.
// Thread-safe once all sources are added. Owns its registry; the Metrics must outlive it.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "http/call_observer.h"

namespace prometheus {
class Histogram;
}

namespace tallyman::http {

// A current value, and the labels that distinguish it from others of its name.
struct MetricSample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};
enum class MetricKind { kCounter, kGauge };
struct MetricValues {
  std::string name;  // "tallyman_hosts"
  std::string help;
  MetricKind kind = MetricKind::kGauge;
  std::vector<MetricSample> samples;
};
using MetricSource = std::function<std::vector<MetricValues>()>;

class ServerMetrics final : public CallObserver {
 public:
  ServerMetrics(const Metrics& metrics, const std::vector<std::string>& methods);
  ~ServerMetrics() override;

  void AddSource(MetricSource source) { sources_.push_back(std::move(source)); }
  // May read the database if a source does.
  std::string Page() const;

  void Ended(const CallRecord& call) override;
  void InFlight(int difference) override { in_flight_ += difference; }
  void OpenStreams(int difference) override { open_streams_ += difference; }
  void ClientGone() override { ++clients_gone_; }
  void PeerRefused(PeerFault fault, std::string_view) override {
    ++refused_[static_cast<size_t>(fault)];
  }

 private:
  struct Registry;
  using ByCode = std::array<std::atomic<prometheus::Histogram*>, 17>;
  MetricValues Refused() const;
  prometheus::Histogram& DurationsOf(const std::string& method, ByCode& by_code, size_t code);

  const Metrics& metrics_;
  std::unique_ptr<Registry> registry_;
  std::map<std::string, ByCode, std::less<>> durations_;
  std::vector<MetricSource> sources_;
  std::atomic<int64_t> in_flight_{0};
  std::atomic<int64_t> open_streams_{0};
  std::atomic<int64_t> clients_gone_{0};
  std::array<std::atomic<int64_t>, EnumText<PeerFault>::kWords.size()> refused_{};
};

}  // namespace tallyman::http
