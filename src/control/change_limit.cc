#include "control/change_limit.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/retry_later.h"

namespace tallyman::control {
namespace {

using std::chrono::microseconds;

constexpr std::chrono::minutes kSaidEvery{1};

}  // namespace

template <class Key>
std::optional<microseconds> ChangeLimit::Savings<Key>::Wait(const Key& key, SteadyTime now) const {
  const auto found = full_at_.find(key);
  if (found == full_at_.end()) return std::nullopt;
  const microseconds wait = found->second + TimeOf(1) - kSavedUp - now;
  if (wait <= microseconds(0)) return std::nullopt;
  return wait;
}

template <class Key>
void ChangeLimit::Savings<Key>::Use(const Key& key, int64_t changes, SteadyTime now) {
  if (full_at_.size() >= known_max_ && !full_at_.contains(key)) ForgetSome(now);
  SteadyTime& full_at = full_at_[key];
  full_at = std::max(full_at, now) + TimeOf(changes);
}

template <class Key>
void ChangeLimit::Savings<Key>::ForgetSome(SteadyTime now) {
  std::erase_if(full_at_, [&](const auto& entry) { return entry.second <= now; });
  if (full_at_.size() < known_max_) return;
  std::vector<SteadyTime> times;
  times.reserve(full_at_.size());
  for (const auto& [key, full_at] : full_at_) times.push_back(full_at);
  const auto middle = times.begin() + std::ssize(times) / 2;
  std::ranges::nth_element(times, middle);
  std::erase_if(full_at_, [&](const auto& entry) { return entry.second <= *middle; });
}

bool ChangeLimit::IsLimited(const Actor& actor) const {
  return per_second_ > 0 && actor.token_id && actor.role != Role::kHost;
}

Status ChangeLimit::Take(const Actor& actor) {
  if (!IsLimited(actor)) return {};
  std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.SteadyNow();
  if (const auto wait = tokens_.Wait(*actor.token_id, now))
    return Refuse(fmt::format("token {} makes", actor.id), "token", tokens_.per_second(), *wait);
  if (actor.org_id) {
    if (const auto wait = orgs_.Wait(*actor.org_id, now)) {
      return Refuse(fmt::format("the tokens of the org of {} together make", actor.id), "org",
                    orgs_.per_second(), *wait);
    }
  }
  Use(actor, 1, now);
  return {};
}

void ChangeLimit::Charge(const Actor& actor, int64_t changes) {
  if (changes <= 0 || !IsLimited(actor)) return;
  std::lock_guard lock(mutex_);
  Use(actor, changes, clock_.SteadyNow());
}

void ChangeLimit::Use(const Actor& actor, int64_t changes, SteadyTime now) {
  tokens_.Use(*actor.token_id, changes, now);
  if (actor.org_id) orgs_.Use(*actor.org_id, changes, now);
}

std::unexpected<Error> ChangeLimit::Refuse(std::string who, std::string_view limit,
                                           int64_t per_second, microseconds wait) {
  const auto after = std::chrono::ceil<std::chrono::milliseconds>(wait);
  Error error = RetryLater(
      Error(Code::kResourceExhausted, "TOO_MANY_CHANGES",
            fmt::format("{} more changes than {} a second in the long run: nothing was changed; "
                        "try again in {} s, and send fewer (whoever runs the server may raise "
                        "--changes-per-second)",
                        who, per_second, std::chrono::ceil<std::chrono::seconds>(wait).count()))
          .With("limit", std::string(limit))
          .With("changes_per_second", std::to_string(per_second)),
      after);
  ++metrics_.changes_refused;
  Say(error, clock_.SteadyNow());
  return Fail(std::move(error));
}

void ChangeLimit::Say(const Error& error, SteadyTime now) {
  ++unsaid_;
  if (said_at_ && now < *said_at_ + kSaidEvery) return;
  said_at_ = now;
  const int64_t count = std::exchange(unsaid_, 0);
  log_.Write({LogLevel::kWarning,
              "changes_refused",
              fmt::format("{} since the last such line, now: {}", count, error.message),
              {{"count", std::to_string(count)}, {"limit", std::string(error.Fact("limit"))}}});
}

}  // namespace tallyman::control
