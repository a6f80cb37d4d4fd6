// Random steps: requests that mean something for the fleet as it is, requests that are wrong in one
// way, what hosts do, and damage. The same seed and the same answers give the same steps.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/contract/backend.h"
#include "tests/differential/prediction.h"

namespace tallyman {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  int64_t Below(int64_t n) {
    return static_cast<int64_t>(random_.Next() % static_cast<uint64_t>(n));
  }
  int64_t Between(int64_t low, int64_t high) { return low + Below(high - low + 1); }
  bool OneIn(int64_t n) { return Below(n) == 0; }
  template <class T>
  const T& Pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(Below(std::ssize(from)))];
  }

 private:
  SeededRandom random_;
};

enum class StepKind { kRequest, kHost, kSql, kRestart };

struct Step {
  StepKind kind = StepKind::kRequest;
  PlainCaller caller;
  // A request.
  std::string method;  // "NodeService/UpgradeNodes"
  std::shared_ptr<google::protobuf::Message> request;
  // The node of which its host carries out the oldest command.
  std::string node;
  // What is done behind the program's back, in SQL and in the model.
  std::function<std::string(StoreBackend&)> sql;
  std::function<void(PlainFleet&)> effect;
  std::string title;
  // A restart.
  PlainPolicies policies;

  std::string ToText() const;
};

// A request that was answered under a request id.
struct Remembered {
  std::string method;
  PlainCaller caller;
  std::shared_ptr<google::protobuf::Message> request;
  std::string answer;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : dice_(seed) {}

  Step Next(PlainFleet& fleet, const std::deque<Remembered>& remembered);
  // A plan was shown: soon it is applied, or turns out to be stale.
  void Planned(const Step& step, const std::string& token);

 private:
  Step Draw(PlainFleet& fleet);
  Step Ask(std::string method, std::shared_ptr<google::protobuf::Message> request);
  Step Upgrade(PlainFleet& fleet);
  Step Create(PlainFleet& fleet);
  Step Update(PlainFleet& fleet);
  Step Move(PlainFleet& fleet);
  Step Command(PlainFleet& fleet);
  Step Delete(PlainFleet& fleet);
  Step Retry(PlainFleet& fleet);
  Step HostWorks(PlainFleet& fleet);
  Step HostActs(PlainFleet& fleet);
  Step HostIsHeardOrNot(PlainFleet& fleet);
  Step Damage(PlainFleet& fleet);
  Step DamageHost(PlainFleet& fleet);
  Step CreateHosts(PlainFleet& fleet);
  Step UpdateHost(PlainFleet& fleet);
  Step Cordon(PlainFleet& fleet);
  Step CreateImages(PlainFleet& fleet);
  Step CreateOrg(PlainFleet& fleet);
  Step Repair(PlainFleet& fleet);
  Step Again(PlainFleet& fleet, const Remembered& before);
  Step Restart();
  void Decorate(PlainFleet& fleet, Step& step);

  PlainNode* AnyNode(PlainFleet& fleet);
  PlainHost* AnyHost(PlainFleet& fleet);
  std::string NameOf(const PlainNode& node);
  std::string NodeName(PlainFleet& fleet);
  template <class Request>
  void AddNodes(PlainFleet& fleet, Request& request);
  std::string ImageName(PlainFleet& fleet, const std::string& org);
  std::string OrgName(PlainFleet& fleet);
  std::string HostName(PlainFleet& fleet);
  std::string RegionName(PlainFleet& fleet);
  std::string Key();
  std::string Value();
  v1::Resources Amounts(int64_t cores_max);
  v1::ImageSpec Image();

  Dice dice_;
  std::deque<Step> planned_;
  int64_t request_ids_ = 0, host_names_ = 0, node_names_ = 0, published_ = 0;
};

// The field of that name, where the message has one.
void SetText(google::protobuf::Message& message, const std::string& field,
             const std::string& value);
std::string TextIn(const google::protobuf::Message& message, const std::string& field);
void SetBool(google::protobuf::Message& message, const std::string& field, bool value);
bool BoolIn(const google::protobuf::Message& message, const std::string& field);

}  // namespace tallyman
