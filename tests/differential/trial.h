// One fleet from its first step to its last: the same steps for the model and for every side, and
// after each of them the same answers and the same books.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/differential/generator.h"
#include "tests/differential/side.h"

namespace tallyman {

struct TrialCounts {
  int64_t steps = 0;
  std::map<std::string, int64_t> accepted;  // by method, plans apart
  std::map<std::string, int64_t> refused;   // by reason

  void Add(const TrialCounts& other);
  std::string ToText() const;
};

class Trial {
 public:
  Trial(uint64_t seed, std::vector<std::unique_ptr<Side>> sides);

  // Stops at the first difference; "" when there is none. Everything is compared every `full_every`
  // steps and at the end.
  std::string Run(int64_t steps, int64_t full_every);
  const TrialCounts& counts() const { return counts_; }

 private:
  void SetUp();
  bool OneStep();
  void Request(const Step& step);
  void HostWorks(const Step& step);
  Heard AsHost(const PlainHost& host, const std::string& method,
               const google::protobuf::Message& request, Prediction& p);
  Prediction Predict(const Step& step, const v1::CreateNodesResponse* seen);
  bool Replays(const Step& step, const Heard& reply, Prediction& p);
  void JudgeToken(const Step& step, Prediction& p);
  void Judge(const Step& step, Prediction p, const Heard& reply);
  void Adopt(Prediction& p, google::protobuf::Message& expected,
             const google::protobuf::Message& got);
  void CheckTokenIn(const Prediction& p, const google::protobuf::Message& got);
  void Remember(const Step& step, const Heard& reply);
  void CheckHost(const PlainHost& host);
  void CheckNode(const PlainNode& node);
  void CheckEverything();
  void CheckLedger(const PlainHost& host);
  void CheckOrgs();
  void CheckAudit();
  void CheckLists();
  // Sends to every side; all answers must be equal.
  Heard SendToAll(const std::string& method, const google::protobuf::Message& request,
                  const PlainCaller& caller);
  Heard Agree(std::vector<Heard> replies);
  void Expect(const std::string& what, const google::protobuf::Message& expected,
              const google::protobuf::Message& got);
  void Differs(const std::string& what, const std::string& expected, const std::string& got);

  uint64_t seed_;
  Generator generator_;
  std::vector<std::unique_ptr<Side>> sides_;
  PlainFleet fleet_;
  std::deque<Remembered> remembered_;
  std::map<std::string, std::string> plans_;  // by token
  std::deque<std::string> tokens_;            // oldest first
  std::deque<std::string> history_;
  TrialCounts counts_;
  std::string difference_;
};

// Clears what the model does not predict: times, messages for people, plan tokens and the ids of
// protocols and versions.
void Scrub(google::protobuf::Message& message);

}  // namespace tallyman
