// YAML as a tree that remembers where everything stands. The one door to yaml-cpp's parser.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/csv.h"

namespace tallyman::cli {

// Immutable once read; an alias shares the node of its anchor.
struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  using Pointer = std::shared_ptr<const YamlNode>;

  Kind kind = Kind::kNull;
  FilePosition position;
  std::string scalar;
  std::vector<Pointer> items;                        // of a sequence
  std::vector<std::pair<Pointer, Pointer>> entries;  // of a map; keys are scalars, all different
  // How many nodes there are in it; those of an alias count each time it is used.
  int64_t weight = 1;

  // The value of a key; null when there is none.
  const YamlNode* Find(std::string_view key) const;
};

struct YamlLimits {
  size_t text_bytes_max = 16 << 20;
  size_t scalar_bytes_max = 64 << 10;
  int64_t nodes_max = 1'000'000;
  int depth_max = 64;
};

// INVALID_ARGUMENT with the place, reason INVALID_YAML: bad syntax, text that is not UTF-8, a
// second document, a key that is there twice or no scalar, an alias to a node that contains it,
// custom tags, more than the limits allow. An empty text is a null node.
Result<YamlNode::Pointer> ReadYaml(std::string_view file, const std::string& text,
                                   const YamlLimits& limits = {});

}  // namespace tallyman::cli
