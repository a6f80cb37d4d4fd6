#include "planner/window_calendar.h"

#include <algorithm>

#include "planner/window.h"

namespace tallyman::planner {

// The groups of one owner, or the freezes, that match a node.
struct WindowCalendar::Match {
  std::array<const Group*, 8> groups{};
  size_t count = 0;

  void Add(const Group& group) { groups[count++] = &group; }
  std::span<const Group* const> all() const { return {groups.data(), count}; }

  // Of the openings in which `at` is, one whose group closes last.
  const Step* Covering(Time at) const {
    const Step* longest = nullptr;
    for (const Group* group : all()) {
      const auto after = std::ranges::upper_bound(group->steps, at, {}, &Step::from);
      if (after == group->steps.begin()) continue;
      const Step& last = *std::prev(after);
      if (last.until <= at) continue;
      if (longest == nullptr || last.closes_at > longest->closes_at) longest = &last;
    }
    return longest;
  }

  // The first opening that begins after `at`.
  const Step* Next(Time at) const {
    const Step* first = nullptr;
    for (const Group* group : all()) {
      const auto after = std::ranges::upper_bound(group->steps, at, {}, &Step::from);
      if (after == group->steps.end()) continue;
      if (first == nullptr || after->from < first->from) first = &*after;
    }
    return first;
  }

  const Window* Unusable() const {
    for (const Group* group : all()) {
      if (group->unusable != nullptr) return group->unusable;
    }
    return nullptr;
  }
};

struct WindowCalendar::Matches {
  Match freezes, fleet, org;
};

// Whether a release is allowed at a moment. `until`: then it is no longer; or, where it is not
// allowed, then it may be.
struct WindowCalendar::Verdict {
  WindowBlock why;
  const Window* window;
  Time until;

  static Verdict OfFreezes(const Match& freezes, Time at, Time taken_by) {
    if (const Window* lost = freezes.Unusable()) return {WindowBlock::kUnusable, lost, Time::max()};
    if (const Step* now = freezes.Covering(at)) {
      return {WindowBlock::kFreeze, now->lasts, now->closes_at};
    }
    const Step* next = freezes.Next(at);
    if (next == nullptr) return {WindowBlock::kNone, nullptr, Time::max()};
    if (next->from < taken_by) return {WindowBlock::kFreeze, next->begins, next->closes_at};
    return {WindowBlock::kNone, nullptr, next->from};
  }

  static Verdict OfOwner(const Match& owner, Time at, Time taken_by, Time horizon) {
    const Step* last = owner.Covering(at);
    if (last == nullptr) {
      if (const Step* next = owner.Next(at)) {
        return {WindowBlock::kClosed, next->begins, next->from};
      }
      if (const Window* lost = owner.Unusable()) return {WindowBlock::kUnusable, lost, Time::max()};
      return {WindowBlock::kClosed, owner.groups[0]->first, Time::max()};
    }
    // Another group may go on where this one closes.
    while (const Step* further = owner.Covering(last->closes_at)) last = further;
    if (last->closes_at >= horizon) return {WindowBlock::kNone, nullptr, Time::max()};
    if (last->closes_at < taken_by) {
      return {WindowBlock::kClosesSoon, last->closes, last->closes_at};
    }
    return {WindowBlock::kNone, nullptr, last->closes_at};
  }
};

size_t WindowCalendar::KeyHash::operator()(const Key& key) const {
  size_t hash = static_cast<size_t>(key.kind);
  for (const Uuid& id : key.scope) hash = hash * 0x9e3779b97f4a7c15 + std::hash<Uuid>()(id);
  return hash;
}

size_t WindowCalendar::ShapeOf(const Key& key) {
  size_t shape = static_cast<size_t>(key.kind);
  for (const Uuid& id : key.scope) shape = 2 * shape + (id.is_nil() ? 0 : 1);
  return shape;
}

WindowCalendar::WindowCalendar(std::span<const Window> windows, Time now, const Zones& zones)
    : now_(now), horizon_(now + kWindowHorizon) {
  for (const Window& window : windows) Add(window, zones);
  for (auto& [key, group] : groups_) {
    shapes_[ShapeOf(key)] = true;
    Join(group.steps);
  }
}

void WindowCalendar::Join(std::vector<Step>& steps) {
  std::ranges::sort(steps, {}, &Step::from);
  for (size_t i = 1; i < steps.size(); ++i) {
    const Step& before = steps[i - 1];
    if (before.until <= steps[i].until) continue;
    steps[i].until = before.until;
    steps[i].lasts = before.lasts;
  }
  for (size_t i = steps.size(); i-- > 0;) {
    const bool goes_on = i + 1 < steps.size() && steps[i + 1].from <= steps[i].until;
    steps[i].closes_at = goes_on ? steps[i + 1].closes_at : steps[i].until;
    steps[i].closes = goes_on ? steps[i + 1].closes : steps[i].lasts;
  }
}

void WindowCalendar::Add(const Window& window, const Zones& zones) {
  const auto id = [](const auto& set) { return set ? set->uuid : Uuid{}; };
  const WindowScope& scope = window.scope;
  const Key key{window.kind, {id(scope.org_id), id(scope.protocol_id), id(scope.region_id)}};
  Group& group = groups_.try_emplace(key, Group{&window}).first->second;
  auto openings = OpeningsBetween(window, now_, horizon_, zones);
  if (!openings) {
    group.unusable = &window;
    unusable_.emplace_back(&window, std::move(openings).error());
    return;
  }
  for (const Opening& opening : *openings) {
    group.steps.push_back({opening.from, &window, opening.until, &window, {}, nullptr});
  }
}

WindowCalendar::Matches WindowCalendar::MatchesOf(const NodeScope& node) const {
  Matches matches;
  for (size_t shape = 0; shape < shapes_.size(); ++shape) {
    if (!shapes_[shape]) continue;
    const auto set = [&](size_t bit, const Uuid& id) { return (shape & bit) != 0 ? id : Uuid{}; };
    const auto kind = static_cast<WindowKind>(shape / 8);
    const auto found = groups_.find(
        {kind,
         {set(4, node.org_id.uuid), set(2, node.protocol_id.uuid), set(1, node.region_id.uuid)}});
    if (found == groups_.end()) continue;
    Match& allows = (shape & 4) != 0 ? matches.org : matches.fleet;
    (kind == WindowKind::kFreeze ? matches.freezes : allows).Add(found->second);
  }
  return matches;
}

WindowCalendar::Verdict WindowCalendar::Judge(const Matches& matches, Time at,
                                              std::chrono::microseconds lead) const {
  Verdict verdict = Verdict::OfFreezes(matches.freezes, at, at + lead);
  for (const Match* owner : {&matches.fleet, &matches.org}) {
    if (verdict.why != WindowBlock::kNone) return verdict;
    if (owner->count == 0) continue;
    const Verdict next = Verdict::OfOwner(*owner, at, at + lead, horizon_);
    if (next.why != WindowBlock::kNone || next.until < verdict.until) verdict = next;
  }
  return verdict;
}

WindowAnswer WindowCalendar::Ask(const NodeScope& node, std::chrono::microseconds lead) const {
  const Verdict verdict = Judge(MatchesOf(node), now_, lead);
  if (verdict.why != WindowBlock::kNone) return {false, {}, verdict.why, verdict.window};
  if (verdict.until == Time::max()) return {.is_open = true};
  return {.is_open = true, .closes_at = verdict.until};
}

std::optional<Time> WindowCalendar::OpensAt(const NodeScope& node,
                                            std::chrono::microseconds lead) const {
  const Matches matches = MatchesOf(node);
  for (Time at = now_; at < horizon_;) {
    const Verdict verdict = Judge(matches, at, lead);
    if (verdict.why == WindowBlock::kNone) return at;
    at = verdict.until;
  }
  return std::nullopt;
}

}  // namespace tallyman::planner
