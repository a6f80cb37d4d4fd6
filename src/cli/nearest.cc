#include "cli/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tallyman::cli {
namespace {

// Letters that are left out, added, replaced, or changed places with their neighbours.
int EditDistance(const std::string& a, const std::string& b) {
  std::vector<int> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last = std::exchange(last, row);
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int substituted = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({substituted, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Nearest(const std::string& typed, const std::vector<std::string>& known) {
  constexpr size_t kTypedBytesMax = 64;
  if (typed.size() > kTypedBytesMax) return {};
  std::string nearest;
  int distance_min = std::max(2, static_cast<int>(typed.size()) / 3) + 1;
  for (const std::string& word : known) {
    const int distance = EditDistance(typed, word);
    if (distance < distance_min && distance < static_cast<int>(word.size())) {
      nearest = word;
      distance_min = distance;
    }
  }
  return nearest;
}

}  // namespace tallyman::cli
