// What must hold of drains and claims: looked at after each step of a simulation. A host that is
// claimed is cordoned, and the end of a drain starts exactly what that drain stopped and what
// nobody has touched since.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/store.h"
#include "tallyman/v1/host.pb.h"
#include "tests/simulation/coverage.h"

namespace tallyman {

class DrainRules {
 public:
  explicit DrainRules(Coverage& coverage) : coverage_(coverage) {}

  // A server answered.
  void Drained(const std::string& host, const std::string& owner,
               const v1::DrainHostsResponse& answer);
  // REQUIRES: Resuming() was called before it was asked, and nothing has happened in between.
  Status Resuming(store::ReadTx& tx, const std::string& host, const std::string& owner);
  void Resumed(const std::string& host, const std::string& owner,
               const v1::ResumeHostsResponse& answer);
  bool IsDrained(const std::string& host) const;
  // Hosts and owners of the drains that have not ended.
  std::vector<std::pair<std::string, std::string>> Open() const;

  Status See(store::ReadTx& tx);
  // The first rule that was broken; empty: none was.
  const std::string& broken() const { return broken_; }

 private:
  void Break(std::string rule) {
    if (broken_.empty()) broken_ = std::move(rule);
  }

  // By node the stop that a drain gave it, by id.
  using Stops = std::map<std::string, std::string>;

  Coverage& coverage_;
  std::string broken_;
  std::map<std::string, std::map<std::string, Stops>> drains_;  // by host and owner
  Stops expected_;                                              // to be started
};

}  // namespace tallyman
