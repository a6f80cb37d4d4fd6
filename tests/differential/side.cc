#include "tests/differential/side.h"

#include <fmt/core.h>

#include <future>

namespace tallyman {

using namespace tallyman::api;
using google::protobuf::Message;

std::string Heard::ToText() const {
  if (message != nullptr) return message->DebugString();
  if (!error) return "accepted";
  std::string text = fmt::format("{}: {}", error->reason, error->message);
  for (const auto& [key, value] : error->facts) text += fmt::format(" {}={}", key, value);
  return text;
}

Side::Side(const BackendParameter& parameter, bool combine)
    : name_(parameter.name + (combine ? "" : " without combining")),
      combine_(combine),
      writers_(parameter.writers),
      backend_(parameter.make()) {
  Restart({});
}

void Side::Restart(const PlainPolicies& policies) {
  control::ControlOptions options;
  options.combine = combine_;
  options.writers = writers_;
  options.policies.drift =
      policies.abort_on_drift ? planner::DriftPolicy::kAbort : planner::DriftPolicy::kHeal;
  options.policies.capacity =
      policies.enforce_capacity ? CapacityPolicy::kEnforce : CapacityPolicy::kWarn;
  dispatcher_.reset();
  control_.reset();
  control_ = std::make_unique<control::Control>(backend_->store(), clock_, random_, log_, metrics_,
                                                options);
  dispatcher_ = std::make_unique<Dispatcher>(*control_);
}

void Side::Begin(uint64_t step_seed) {
  clock_.Advance(std::chrono::milliseconds(1));
  random_.Reseed(step_seed);
}

Heard Side::Send(const std::string& method, const Message& request, const PlainCaller& caller) {
  Caller who{
      .actor = {.id = caller.id, .role = caller.role, .host_id = HostId::Parse(caller.host_id)}};
  if (!caller.org.empty()) {
    auto known = orgs_.find(caller.org);
    if (known == orgs_.end()) {
      v1::GetOrgRequest get;
      get.set_org(caller.org);
      Heard org = Send("OrgService/GetOrg", get, {});
      auto* answer = dynamic_cast<v1::GetOrgResponse*>(org.message.get());
      if (answer == nullptr) return org;
      known = orgs_.emplace(caller.org, *OrgId::Parse(answer->org().id())).first;
    }
    who.actor.org_id = known->second;
  }
  std::promise<Result<Reply>> promise;
  auto future = promise.get_future();
  dispatcher_->Dispatch("tallyman.v1." + method, request, who,
                        [&promise](auto answer) { promise.set_value(std::move(answer)); });
  auto answer = ToMessage(future.get());
  Heard reply;
  if (answer) {
    reply.message = *std::move(answer);
    reply.bytes = Serialize(*reply.message);
  } else {
    reply.error = std::move(answer.error());
  }
  return reply;
}

}  // namespace tallyman
