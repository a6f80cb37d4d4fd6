// Whether the windows let a rollout release a node, and when they will.
//
// A release at t gives its host until t + lead to take the command. It is allowed if
//   - no freeze that matches the node is in force from t until then, and
//   - each owner (the fleet; the node's org) that has an `allow` that matches the node is open from
//     t until then. An owner's windows that overlap or adjoin are one opening.
// So an org narrows what the fleet allows and never widens it, and where nobody has an `allow`,
// everything is allowed.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/zones.h"
#include "model/window.h"

namespace tallyman::planner {

// How far ahead windows are looked at.
inline constexpr std::chrono::weeks kWindowHorizon{4};

// What windows ask of a node.
struct NodeScope {
  OrgId org_id;
  ProtocolId protocol_id;
  RegionId region_id;
};

enum class WindowBlock {
  kNone,
  kFreeze,      // it is in force, or will be before the lead is over
  kClosed,      // the owner's windows are closed; this one opens next
  kClosesSoon,  // it is open, and closes before the lead is over
  kUnusable,    // its zone is no longer known: it counts as closed, or as a freeze in force
};

struct WindowAnswer {
  bool is_open = false;
  // Open: when the first of all windows that matter closes, or a freeze begins, at least `lead`
  // from now. Empty: not within the horizon.
  std::optional<Time> closes_at;
  // Closed: what blocks now, and one window that does. It lives as long as the calendar's windows.
  WindowBlock why = WindowBlock::kNone;
  const Window* window = nullptr;
};

// All windows as they are around one moment: each zone's rules are applied once, however many
// nodes are asked about. Any thread may read it.
class WindowCalendar {
 public:
  // `windows` has to outlive it.
  WindowCalendar(std::span<const Window> windows, Time now, const Zones& zones);

  // Of now. REQUIRES: 0 <= lead <= kWindowHorizon, in both.
  WindowAnswer Ask(const NodeScope& node, std::chrono::microseconds lead) const;
  // The first moment from now on at which a release is allowed; empty: none within the horizon. For
  // what is shown: it looks further than Ask().
  std::optional<Time> OpensAt(const NodeScope& node, std::chrono::microseconds lead) const;

  // The windows whose zone is no longer known, and the error for each.
  const std::vector<std::pair<const Window*, Error>>& unusable() const { return unusable_; }

 private:
  // One more opening of a group; of those up to it the one that lasts longest; and when the group
  // closes, if what overlaps or adjoins goes on with it.
  struct Step {
    Time from;
    const Window* begins;
    Time until;
    const Window* lasts;
    Time closes_at;
    const Window* closes;
  };
  // The windows of one kind and one scope.
  struct Group {
    const Window* first;
    const Window* unusable = nullptr;
    std::vector<Step> steps = {};  // in order of `from`
  };
  struct Key {
    WindowKind kind;
    std::array<Uuid, 3> scope;  // org, protocol, region; nil: any
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Match;
  struct Matches;
  struct Verdict;

  void Add(const Window& window, const Zones& zones);
  static void Join(std::vector<Step>& steps);
  Matches MatchesOf(const NodeScope& node) const;
  Verdict Judge(const Matches& matches, Time at, std::chrono::microseconds lead) const;
  // Which of the 16 combinations of kind and of what a scope sets.
  static size_t ShapeOf(const Key& key);

  Time now_;
  Time horizon_;
  std::unordered_map<Key, Group, KeyHash> groups_;
  std::array<bool, 16> shapes_{};  // those that there are
  std::vector<std::pair<const Window*, Error>> unusable_;
};

}  // namespace tallyman::planner
