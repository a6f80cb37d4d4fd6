// A secret that is in the answer of the call that made it, and nowhere else.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "control/lots/mutation.h"

namespace tallyman::control {

// Keeps what is shown once out of what is stored: encode() is what a decision encodes with, and
// done() what hears its answer. Only the answer of the very decision that was stored is shown with
// the secret; a replay gets it as stored. An answer's HideSecret() takes the secret out.
template <class Answer>
class ShownOnce {
 public:
  ShownOnce(Encode<Answer> encode, Done done)
      : shown_(std::make_shared<Shown>()), encode_(std::move(encode)), done_(std::move(done)) {}

  Encode<Answer> encode() const {
    return [shown = shown_, encode = encode_](const Answer& answer) {
      Answer hidden = answer;
      hidden.HideSecret();
      shown->stored = encode(hidden);
      shown->full = encode(answer);
      return shown->stored;
    };
  }
  // Ids in the answer make it the only one of its kind, so equal bytes are the same answer.
  Done done() const {
    return [shown = shown_, done = done_](Result<std::string> answer) {
      const bool is_fresh = answer && !shown->stored.empty() && *answer == shown->stored;
      done(is_fresh ? Result<std::string>(shown->full) : std::move(answer));
    };
  }

 private:
  struct Shown {
    std::string stored;
    std::string full;
  };
  std::shared_ptr<Shown> shown_;
  Encode<Answer> encode_;
  Done done_;
};

}  // namespace tallyman::control
