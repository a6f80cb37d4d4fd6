// A rate limit for changes, so that one caller in a loop neither fills the database nor keeps its
// writer from everybody else.
//
// What a token may change is saved up: kSavedUp of the rate at most, and used by each change. All
// tokens of one org together have kOrgFactor times as much. A call is taken while a change is
// left, whatever its size, so a large one passes and the next one waits for longer. Hosts are not
// limited: they report what happened. Nobody is who calls in process, where there is no token.
//
// In the memory of one server, on the steady clock. Thread-safe. Bounded: beyond `known_max` tokens
// (or orgs) those that have saved up everything are forgotten, and if there are none, the half that
// has used the least. Refusals are counted in the metrics, and logged once a minute. Owns none of
// its parts.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "model/request.h"

namespace tallyman::control {

class ChangeLimit {
 public:
  static constexpr std::chrono::seconds kSavedUp{1000};
  static constexpr int64_t kOrgFactor = 4;

  // `per_second`: of one token; 0: there is no limit.
  ChangeLimit(Clock& clock, Log& log, Metrics& metrics, int64_t per_second,
              size_t known_max = 10'000)
      : clock_(clock),
        log_(log),
        metrics_(metrics),
        per_second_(per_second),
        tokens_(per_second, known_max),
        orgs_(kOrgFactor * per_second, known_max) {}

  // Uses one change. RESOURCE_EXHAUSTED TOO_MANY_CHANGES when nothing is left of the token's or of
  // its org's; says when there will be.
  Status Take(const Actor& actor);
  // Uses more of them for a call that was taken; may leave less than nothing.
  void Charge(const Actor& actor, int64_t changes);

 private:
  // What each key has left, as the time at which everything will be saved up again.
  template <class Key>
  class Savings {
   public:
    Savings(int64_t per_second, size_t known_max)
        : per_second_(per_second), known_max_(known_max) {}

    // How long until a change is left; nullopt: one is.
    std::optional<std::chrono::microseconds> Wait(const Key& key, SteadyTime now) const;
    void Use(const Key& key, int64_t changes, SteadyTime now);
    int64_t per_second() const { return per_second_; }

   private:
    void ForgetSome(SteadyTime now);
    // In which so many are saved up.
    std::chrono::microseconds TimeOf(int64_t changes) const {
      return std::chrono::microseconds(std::chrono::seconds(1)) * changes / per_second_;
    }

    const int64_t per_second_;
    const size_t known_max_;
    std::unordered_map<Key, SteadyTime> full_at_;
  };

  bool IsLimited(const Actor& actor) const;
  void Use(const Actor& actor, int64_t changes, SteadyTime now);
  std::unexpected<Error> Refuse(std::string who, std::string_view limit, int64_t per_second,
                                std::chrono::microseconds wait);
  void Say(const Error& error, SteadyTime now);

  Clock& clock_;
  Log& log_;
  Metrics& metrics_;
  const int64_t per_second_;
  std::mutex mutex_;
  Savings<TokenId> tokens_;
  Savings<OrgId> orgs_;
  std::optional<SteadyTime> said_at_;
  int64_t unsaid_ = 0;  // refusals since then
};

}  // namespace tallyman::control
