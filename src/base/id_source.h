// The source of new ids.
#pragma once

#include <unordered_set>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"

namespace tallyman {

// Makes ids. It owns neither its clock nor its randomness, and is thread-safe because they are; one
// that keeps what it made is for one thread.
class IdSource {
 public:
  IdSource(Clock& clock, Random& random, std::unordered_set<Uuid>* made = nullptr)
      : clock_(clock), random_(random), made_(made) {}
  template <class IdType>
  IdType New() {
    const Uuid uuid = Uuid::V7(clock_.Now(), random_.Next(), random_.Next());
    if (made_ != nullptr) made_->insert(uuid);
    return IdType{uuid};
  }

 private:
  Clock& clock_;
  Random& random_;
  std::unordered_set<Uuid>* const made_;
};

}  // namespace tallyman
