// Where new ids come from.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"

namespace tallyman {

// Makes ids; thread-safe as its clock and randomness are. Owns neither.
class IdSource {
 public:
  IdSource(Clock& clock, Random& random) : clock_(clock), random_(random) {}
  template <class IdType>
  IdType New() {
    return IdType{Uuid::V7(clock_.Now(), random_.Next(), random_.Next())};
  }

 private:
  Clock& clock_;
  Random& random_;
};

}  // namespace tallyman
