// Sorts, and keeps each value once.
#pragma once

#include <algorithm>
#include <vector>

namespace tallyman {

template <class T>
std::vector<T> SortedUnique(std::vector<T> values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace tallyman
