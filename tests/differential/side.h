// One control plane on one backend, through its public interface, with the time and the randomness
// of the test: given the same steps, two of them return the same bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/dispatcher.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/time.h"
#include "control/control.h"
#include "tests/contract/backend.h"
#include "tests/differential/prediction.h"

namespace tallyman {

// Restarts with every step, so that a retry on one backend (after a conflict) does not shift the
// ids of all later steps.
class StepRandom final : public Random {
 public:
  // REQUIRES: nobody asks for a number meanwhile.
  void Reseed(uint64_t seed) { random_ = std::make_unique<SeededRandom>(seed); }
  uint64_t Next() override { return random_->Next(); }

 private:
  std::unique_ptr<SeededRandom> random_ = std::make_unique<SeededRandom>(0);
};

// Keeps nothing, because a long run logs a lot.
class NoLog final : public Log {
 public:
  void Write(const LogLine&) override {}
};

// What one side answered.
struct Heard {
  std::unique_ptr<google::protobuf::Message> message;  // null: refused, or an answer without one
  std::string bytes;
  std::optional<Error> error;

  std::string ToText() const;
  bool IsTheSameAs(const Heard& other) const {
    return bytes == other.bytes && error == other.error;
  }
};

class Side {
 public:
  Side(const BackendParameter& parameter, bool combine);

  void Restart(const PlainPolicies& policies);
  // REQUIRES: before every step.
  void Begin(uint64_t step_seed);
  Heard Send(const std::string& method, const google::protobuf::Message& request,
             const PlainCaller& caller);

  StoreBackend& backend() { return *backend_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  bool combine_;
  int writers_;
  std::unique_ptr<StoreBackend> backend_;
  ManualClock clock_{FromMicros(1'800'000'000'000'000)};
  StepRandom random_;
  NoLog log_;
  Metrics metrics_;
  std::map<std::string, OrgId> orgs_;
  std::unique_ptr<control::Control> control_;
  std::unique_ptr<api::Dispatcher> dispatcher_;
};

}  // namespace tallyman
