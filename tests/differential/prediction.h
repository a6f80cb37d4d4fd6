// What the contract says that a request comes to: refused for one of several reasons, or an answer
// and a fleet after it.
//
// Where several things are wrong with a request, any of their reasons is a right refusal: the
// contract does not order them (all stores must choose the same one all the same).
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/request.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"
#include "tests/differential/plain_fleet.h"

namespace tallyman {

// Who asks: of all orgs when `org` is empty.
struct PlainCaller {
  std::string id = "tester";
  std::string org;
  Role role = Role::kAdmin;
  std::string host_id = {};  // of a host that speaks for itself
};

// A node of which the answer says new ids. Its line in the answer has the same index.
struct Made {
  std::string key;  // of the node in the fleet, until it has an id
  bool node = false;
  std::shared_ptr<PlainConfig> config;  // null: no new one
  bool command = false;
};

struct Prediction {
  explicit Prediction(const PlainFleet& before) : after(before) {}

  std::set<std::string> refusals;  // empty: accepted
  // Without messages for people, times, tokens, and ids of what is new.
  std::unique_ptr<google::protobuf::Message> answer;
  PlainFleet after;
  std::vector<Made> made;
  bool dry_run = false;
  std::string token_given;
  // Of a request that has a plan: equal for equal plans.
  std::optional<std::string> plan;
  std::set<std::string> hosts_touched;  // names
  std::set<std::string> nodes_touched;  // keys
  // Where new nodes went is to be taken from the answer (see PredictCreate).
  bool placement_open = false;

  void Refuse(std::string reason) { refusals.insert(std::move(reason)); }
  bool accepted() const { return refusals.empty(); }
};

// `answer` is the one that was seen: new nodes of a region with drifted books may go wherever they
// fit, since a store finds candidates by the counters that it has.
Prediction PredictCreate(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::CreateNodesRequest& request,
                         const v1::CreateNodesResponse* answer);
Prediction PredictUpgrade(const PlainFleet& fleet, const PlainCaller& caller,
                          const v1::UpgradeNodesRequest& request);
Prediction PredictUpdate(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::UpdateNodeRequest& request);
Prediction PredictRetry(const PlainFleet& fleet, const PlainCaller& caller,
                        const v1::RetryUpgradeRequest& request);
Prediction PredictMove(const PlainFleet& fleet, const PlainCaller& caller,
                       const v1::MoveNodesRequest& request);
Prediction PredictDelete(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::DeleteNodesRequest& request);
// Start, stop and restart.
Prediction PredictCommand(const PlainFleet& fleet, const PlainCaller& caller,
                          const std::vector<std::string>& nodes, CommandKind kind, bool dry_run,
                          const std::string& token);
// The host asks for what it has to do: its nodes are marked.
Prediction PredictFetch(const PlainFleet& fleet, const std::string& host);
// It has taken the node's oldest command that has not ended, and carried it out well.
Prediction PredictReport(const PlainFleet& fleet, const std::string& node);

Prediction PredictCreateHosts(const PlainFleet& fleet, const PlainCaller& caller,
                              const v1::CreateHostsRequest& request);
Prediction PredictUpdateHost(const PlainFleet& fleet, const PlainCaller& caller,
                             const v1::UpdateHostRequest& request);
Prediction PredictCordon(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::CordonHostRequest& request);
Prediction PredictUncordon(const PlainFleet& fleet, const PlainCaller& caller,
                           const v1::UncordonHostRequest& request);
Prediction PredictCreateImages(const PlainFleet& fleet, const PlainCaller& caller,
                               const v1::CreateImagesRequest& request);
Prediction PredictCreateOrg(const PlainFleet& fleet, const PlainCaller& caller,
                            const v1::CreateOrgRequest& request);
Prediction PredictRepair(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::RepairDriftRequest& request);

// As a host is shown, without times and messages.
v1::Host HostMessage(const PlainFleet& fleet, const PlainHost& host);
// What lists and most answers leave out.
void AddClaims(const PlainHost& host, v1::Host& out);
v1::Node NodeMessage(const PlainFleet& fleet, const PlainNode& node);
std::vector<v1::Warning> OverCapacity(const PlainHost& host);

// What several predictions share.
bool IsName(const std::string& text);
bool IsId(const std::string& text);
bool MayOperate(const PlainCaller& caller, Prediction& p);
bool MayAdminister(const PlainCaller& caller, Prediction& p);
// nullptr and a refusal when there is none.
std::shared_ptr<const PlainImage> FindImage(const PlainCaller& caller, const std::string& text,
                                            Prediction& p);

}  // namespace tallyman
