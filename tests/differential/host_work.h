// The hosts' side of one predicted request: settles drift, moves books, says what changed.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/differential/prediction.h"

namespace tallyman {

class HostWork {
 public:
  explicit HostWork(Prediction& p) : p_(p) {}

  // Drift shows in a node at hand, or by the proof before the commit: on these hosts something will
  // be written. `looks`: the request reads the sums anyway, as every plan does.
  void Open(const std::set<std::string>& hosts, const std::vector<PlainNode*>& at_hand, bool looks);
  void Move(const PlainNode& node, const Books& before, const Books& after);
  void SetHold(PlainNode& node, const Resources& held);
  // Only what an upgrade or a change of values asks.
  void CheckCapacity();
  // Of new nodes on hosts that are not heard.
  void WarnOfUnheard(const std::vector<std::string>& placed);
  // It has reported.
  void Hear(const std::string& host);
  // Fills in the hosts and warnings.
  void Finish(v1::Changes& changes);

 private:
  struct Work {
    PlainHost stored, settled;
    std::vector<v1::Drift> corrections;
    bool touched = false;
  };
  void Settle(const std::string& name, Work& work, const std::vector<PlainNode*>& at_hand);
  PlainHost& Touch(const std::string& name);

  Prediction& p_;
  std::map<std::string, Work> work_;
  std::vector<v1::Warning> warnings_;
};

}  // namespace tallyman
