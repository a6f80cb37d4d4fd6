// Counters of the write path and the readers. Thread-safe; exporters read them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace tallyman {

// A histogram: counts observed values by a few fixed bounds. Thread-safe.
class Distribution {
 public:
  static constexpr size_t kBoundsMax = 16;

  // `bounds` rise; at most kBoundsMax. Values beyond the last are counted under infinity.
  explicit Distribution(std::vector<double> bounds) : bounds_(std::move(bounds)) {
    bounds_.push_back(std::numeric_limits<double>::infinity());
  }

  void Observe(double value) {
    size_t at = 0;
    while (at + 1 < bounds_.size() && value > bounds_[at]) ++at;
    ++counts_[at];
    sum_ += value;
  }

  // Counts by bound, not cumulative; the last bound is infinity.
  std::vector<std::pair<double, int64_t>> Counts() const {
    std::vector<std::pair<double, int64_t>> counts;
    for (size_t i = 0; i < bounds_.size(); ++i) counts.emplace_back(bounds_[i], counts_[i].load());
    return counts;
  }
  double sum() const { return sum_; }

 private:
  std::vector<double> bounds_;
  std::array<std::atomic<int64_t>, kBoundsMax + 1> counts_{};
  std::atomic<double> sum_{0};
};

struct Metrics {
  std::atomic<int64_t> drift_found{0};     // dimensions found wrong, whether healed or not
  std::atomic<int64_t> drift_healed{0};    // dimensions corrected by an operation that committed
  std::atomic<int64_t> lots{0};            // transactions run by the combiner
  std::atomic<int64_t> lot_requests{0};    // requests in them
  std::atomic<int64_t> second_runs{0};     // transactions run again with the sums
  std::atomic<int64_t> single_retries{0};  // requests run alone after their lot was refused

  std::atomic<double> clock_skew_seconds{0};  // ahead of the database's clock

  std::atomic<int64_t> changes_refused{0};  // calls beyond the rate of their token or org

  std::atomic<int64_t> secrets_not_opened{0};  // commands that hosts asked for and did not get

  // What hosts told of, by ReportedIncident.
  std::array<std::atomic<int64_t>, 7> incidents{};

  Distribution lot_size{{1, 2, 4, 8, 16, 32, 64, 128, 256}};
  Distribution write_seconds{
      {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}};
  Distribution read_seconds{
      {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5}};
};

}  // namespace tallyman
