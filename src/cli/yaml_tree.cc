#include "cli/yaml_tree.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>
#include <unordered_set>

#include "base/checked.h"
#include "base/text.h"

namespace tallyman::cli {
namespace {

// Carries an Error through yaml-cpp, which has no other way to end early.
struct Stop {
  Error error;
};

FilePosition PositionOf(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

// Builds the tree from yaml-cpp's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view file, const YamlLimits& limits) : file_(file), limits_(limits) {}

  YamlNode::Pointer root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Refuse(PositionOf(mark), "a second document; one file holds one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Finish(Open(YamlNode::Kind::kNull, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      Refuse(PositionOf(mark), "the alias stands inside the node that it names");
    }
    Count(PositionOf(mark));
    Attach(found->second, PositionOf(mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    auto node = Open(YamlNode::Kind::kScalar, mark);
    if (value.size() > limits_.scalar_bytes_max) {
      Refuse(node->position,
             fmt::format("the text is longer than {} bytes", limits_.scalar_bytes_max));
    }
    // "?" is a plain scalar; quoted text is never null.
    if (tag == "?" && (value == "null" || value == "~")) node->kind = YamlNode::Kind::kNull;
    node->scalar = value;
    Finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    CheckTag(mark, tag);
    Push(Open(YamlNode::Kind::kSequence, mark), anchor);
  }
  void OnSequenceEnd() override { Pop(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    CheckTag(mark, tag);
    Push(Open(YamlNode::Kind::kMap, mark), anchor);
  }
  void OnMapEnd() override { Pop(); }

 private:
  struct Level {
    std::shared_ptr<YamlNode> node;
    YAML::anchor_t anchor = 0;
    YamlNode::Pointer key;  // of a map: the key that waits for its value
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] void Refuse(FilePosition position, std::string_view what) const {
    throw Stop{AtPosition(file_, position, "INVALID_YAML", what)};
  }

  void CheckTag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    // Those that leave a value as it is written; !!binary, for one, would not.
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    constexpr std::string_view kWords[] = {"str", "int", "float", "bool", "null", "seq", "map"};
    if (tag.starts_with(kCore) &&
        std::ranges::find(kWords, tag.substr(kCore.size())) != std::end(kWords))
      return;
    Refuse(PositionOf(mark), fmt::format("tag {} is not known", Quote(tag)));
  }

  void Count(FilePosition position) {
    if (++count_ > limits_.nodes_max) {
      Refuse(position, fmt::format("more than {} values", limits_.nodes_max));
    }
  }

  std::shared_ptr<YamlNode> Open(YamlNode::Kind kind, const YAML::Mark& mark) {
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->position = PositionOf(mark);
    Count(node->position);
    return node;
  }

  void Push(std::shared_ptr<YamlNode> node, YAML::anchor_t anchor) {
    if (static_cast<int>(levels_.size()) == limits_.depth_max) {
      Refuse(node->position, fmt::format("nested more than {} deep", limits_.depth_max));
    }
    levels_.push_back({.node = std::move(node), .anchor = anchor, .key = nullptr});
  }

  void Pop() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    Finish(std::move(level.node), level.anchor);
  }

  void Finish(YamlNode::Pointer node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    const FilePosition position = node->position;
    Attach(std::move(node), position);
  }

  void Attach(YamlNode::Pointer node, FilePosition position) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    const auto weight = CheckedAdd(level.node->weight, node->weight);
    if (!weight || *weight > limits_.nodes_max) {
      Refuse(position, fmt::format("with its aliases written out it has more than {} values",
                                   limits_.nodes_max));
    }
    level.node->weight = *weight;
    if (level.node->kind == YamlNode::Kind::kSequence) {
      level.node->items.push_back(std::move(node));
    } else if (level.key == nullptr) {
      if (node->kind != YamlNode::Kind::kScalar) Refuse(position, "a key must be plain text");
      if (!level.keys.insert(node->scalar).second) {
        Refuse(position, fmt::format("key {} is there twice", Quote(node->scalar)));
      }
      level.key = std::move(node);
    } else {
      level.node->entries.emplace_back(std::exchange(level.key, nullptr), std::move(node));
    }
  }

  std::string_view file_;
  YamlLimits limits_;
  YamlNode::Pointer root_ = std::make_shared<YamlNode>();
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, YamlNode::Pointer> anchors_;
  int64_t count_ = 0;
  int documents_ = 0;
};

// yaml-cpp replaces broken UTF-8 in silence, and control characters end the file for it.
Status CheckBytes(std::string_view file, std::string_view text) {
  FilePosition position;
  size_t start = 0;
  while (start < text.size()) {
    const size_t newline = text.find('\n', start);
    const std::string_view line = text.substr(start, newline - start);
    if (!IsUtf8(line)) {
      return Fail(AtPosition(file, position, "INVALID_YAML", "the line is not UTF-8"));
    }
    const size_t bad =
        line.find_first_of(std::string_view("\0\x01\x02\x03\x04\x05\x06\x07\x7f", 9));
    if (bad != std::string_view::npos) {
      position.column = static_cast<int64_t>(bad) + 1;
      return Fail(AtPosition(file, position, "INVALID_YAML", "a control character"));
    }
    if (newline == std::string_view::npos) break;
    start = newline + 1;
    ++position.line;
  }
  return {};
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name->scalar == key) return value.get();
  }
  return nullptr;
}

Result<YamlNode::Pointer> ReadYaml(std::string_view file, const std::string& text,
                                   const YamlLimits& limits) {
  if (text.size() > limits.text_bytes_max) {
    return Fail(AtPosition(file, {}, "INVALID_YAML",
                           fmt::format("the file has {} bytes, more than the {} that are read",
                                       text.size(), limits.text_bytes_max)));
  }
  RETURN_IF_ERROR(CheckBytes(file, text));
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(file, limits);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.root();
  } catch (const Stop& stop) {
    return Fail(stop.error);
  } catch (const YAML::Exception& e) {
    return Fail(AtPosition(file, PositionOf(e.mark), "INVALID_YAML", e.msg));
  } catch (const std::exception& e) {
    return Fail(AtPosition(file, {}, "INVALID_YAML", e.what()));
  }
}

}  // namespace tallyman::cli
