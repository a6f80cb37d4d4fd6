// What the predictions about nodes share.
#pragma once

#include <limits>

#include "tests/differential/host_work.h"

namespace tallyman {

// One request on nodes, worked out step by step. The prediction outlives it.
class NodeWork {
 public:
  NodeWork(Prediction& p, const PlainCaller& caller, bool dry_run, const std::string& token);

  // Each once, in the order named; only those that the caller sees.
  std::vector<PlainNode*> Find(const std::vector<std::string>& names);
  void CheckChangeable(const PlainNode& node);
  void CheckVersion(const PlainNode& node, int64_t expected);

  // The hosts of these nodes, all of which will be written.
  void Open(const std::vector<PlainNode*>& nodes);
  // Hosts of new nodes.
  void OpenHosts(const std::set<std::string>& hosts, bool looks = false);
  HostWork& hosts() { return hosts_; }

  // A line about a node that is only shown.
  v1::NodeChange& Show(const PlainNode& node);
  v1::NodeChange& last() { return *changes_.mutable_nodes()->rbegin(); }
  void Change(PlainNode& node) { ++node.version, p_.nodes_touched.insert(node.id); }
  void Replace(PlainNode& node, std::shared_ptr<PlainConfig> config, CommandKind kind);
  void Instruct(PlainNode& node, CommandKind kind, NextState next);
  void Release(PlainNode& node);
  void Create(const std::string& name, const std::string& org, const std::string& host,
              const std::shared_ptr<const PlainConfig>& config, bool auto_upgrade);
  // The hosts' side and what every answer has; the message is the answer's.
  v1::Changes Finish();

 private:
  Prediction& p_;
  PlainCaller caller_;
  HostWork hosts_;
  v1::Changes changes_;
};

// Contract, clause 6 and 7: nullptr and refusals when it cannot be.
std::shared_ptr<PlainConfig> ConfigOf(const std::shared_ptr<const PlainImage>& image,
                                      std::map<std::string, std::string> values,
                                      const std::set<std::string>& changed, Prediction& p);
// The image's defaults or the node's values, edited by the caller.
std::shared_ptr<PlainConfig> Edited(const std::shared_ptr<const PlainImage>& image,
                                    std::map<std::string, std::string> values,
                                    const std::map<std::string, std::string>& set,
                                    const std::vector<std::string>& reset, Prediction& p);

template <class List>
std::vector<std::string> TextsOf(const List& list) {
  return {list.begin(), list.end()};
}

}  // namespace tallyman
