// The source of new ids.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"

namespace tallyman {

// Makes ids. It owns neither its clock nor its randomness, and is thread-safe because they are.
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
