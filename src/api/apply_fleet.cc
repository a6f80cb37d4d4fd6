// FleetService/ApplyFleet: requests of other services as the steps of one.
#include <fmt/core.h>

#include <chrono>
#include <map>

#include "api/convert.h"
#include "api/method.h"
#include "base/digest.h"
#include "base/time.h"
#include "control/steps.h"
#include "tallyman/v1/fleet.pb.h"
#include "tallyman/v1/host.pb.h"

namespace tallyman::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Timestamp;

constexpr std::string_view kPackageOfSteps = "tallyman.v1.";

// The methods that can be steps, by the fields of FleetStep.
using StepMethods = std::map<int, Method>;

StepMethods FindStepMethods() {
  StepMethods methods;
  const Descriptor* step = v1::FleetStep::descriptor();
  for (auto* list : {&OrgAndRegionMethods, &HostMethods, &CatalogMethods, &NodeMethods}) {
    for (Method& method : list()) {
      for (int i = 0; i < step->field_count(); ++i) {
        if (step->field(i)->message_type() == method.request->GetDescriptor())
          methods.emplace(step->field(i)->number(), method);
      }
    }
  }
  return methods;
}

// The field of the step that is set; null: none.
const FieldDescriptor* FieldOf(const v1::FleetStep& step) {
  return step.GetReflection()->GetOneofFieldDescriptor(step, step.GetDescriptor()->oneof_decl(0));
}

// What the whole request says, no step says for itself.
Status CheckStep(size_t index, const v1::FleetStep& step) {
  const FieldDescriptor* field = FieldOf(step);
  const std::string path = fmt::format("steps[{}]", index);
  if (field == nullptr) return Fail(InvalidField("EMPTY_STEP", path, "has no request"));
  const Message& request = step.GetReflection()->GetMessage(step, field);
  for (const char* name : {"request_id", "dry_run", "plan_token"}) {
    const FieldDescriptor* own = request.GetDescriptor()->FindFieldByName(name);
    if (own == nullptr) continue;
    const bool is_set = own->cpp_type() == FieldDescriptor::CPPTYPE_BOOL
                            ? request.GetReflection()->GetBool(request, own)
                            : !request.GetReflection()->GetString(request, own).empty();
    if (!is_set) continue;
    return Fail(InvalidField("STEP_STANDS_ALONE",
                             fmt::format("{}.{}.{}", path, field->name(), name),
                             "is set: set it for the whole request instead"));
  }
  return {};
}

// Takes out of answers what was made for them, and differs each time: ids, and times since `begun`.
class NewIds {
 public:
  NewIds(const control::Control& steps, Time begun) : steps_(steps), begun_(begun) {}

  void ForgetIn(Message& message) const {
    const auto& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        ForgetText(message, field);
      } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) {
        continue;
      } else if (field->is_repeated()) {
        for (int i = 0; i < reflection.FieldSize(message, field); ++i)
          ForgetIn(*reflection.MutableRepeatedMessage(&message, field, i));
      } else if (IsNew(reflection.GetMessage(message, field))) {
        reflection.ClearField(&message, field);
      } else {
        ForgetIn(*reflection.MutableMessage(&message, field));
      }
    }
  }

 private:
  void ForgetText(Message& message, const FieldDescriptor* field) const {
    const auto& reflection = *message.GetReflection();
    if (!field->is_repeated()) {
      if (IsNew(reflection.GetString(message, field))) reflection.ClearField(&message, field);
      return;
    }
    std::vector<std::string> kept;
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      std::string text = reflection.GetRepeatedString(message, field, i);
      if (!IsNew(text)) kept.push_back(std::move(text));
    }
    reflection.ClearField(&message, field);
    for (std::string& text : kept) reflection.AddString(&message, field, std::move(text));
  }

  bool IsNew(const std::string& text) const {
    const auto id = Uuid::Parse(text);
    return id && steps_.HasMade(*id);
  }

  bool IsNew(const Message& message) const {
    if (message.GetDescriptor() != Timestamp::descriptor()) return false;
    const auto& time = static_cast<const Timestamp&>(message);
    return time.seconds() * 1'000'000 + time.nanos() / 1'000 >= ToMicros(begun_);
  }

  const control::Control& steps_;
  const Time begun_;
};

void SetApplied(bool applied, v1::ApplyFleetResponse& response) {
  response.set_applied(applied);
  for (v1::FleetStepResult& result : *response.mutable_results()) {
    const auto* field = result.GetReflection()->GetOneofFieldDescriptor(
        result, result.GetDescriptor()->oneof_decl(0));
    Message* answer = result.GetReflection()->MutableMessage(&result, field);
    if (const auto* changes = answer->GetDescriptor()->FindFieldByName("changes"))
      answer = answer->GetReflection()->MutableMessage(answer, changes);
    if (const auto* own = answer->GetDescriptor()->FindFieldByName("applied"))
      answer->GetReflection()->SetBool(answer, own, applied);
  }
}

// By the key, where there is one: the steps may have secrets, and nobody shall try them out.
std::string TokenOf(const Sealer& sealer, const v1::ApplyFleetRequest& request,
                    const v1::ApplyFleetResponse& planned) {
  v1::ApplyFleetRequest steps;
  *steps.mutable_steps() = request.steps();
  v1::ApplyFleetResponse shown = planned;
  for (v1::FleetStepResult& result : *shown.mutable_results()) {
    if (!result.has_update_host()) continue;
    // What it says of itself, and what a host does meanwhile, is no part of the plan.
    v1::Host& host = *result.mutable_update_host()->mutable_host();
    for (const char* name :
         {"ledger_seq", "version", "liveness", "silent_since", "created_at", "updated_at"})
      host.GetReflection()->ClearField(&host, host.GetDescriptor()->FindFieldByName(name));
  }
  const std::string digest =
      Sha256Hex(fmt::format("fleet 1\n{}\n{}", Serialize(steps), Serialize(shown)));
  return sealer.has_key() ? sealer.Digests(digest).front() : digest;
}

Result<std::unique_ptr<Message>> RunStep(const Method& method, control::Control& steps,
                                         control::Call call, const Message& request) {
  call.method = method.name.substr(kPackageOfSteps.size());
  std::optional<Result<Reply>> answer;
  method.run(steps, std::move(call), request,
             [&answer](Result<Reply> reply) { answer = std::move(reply); });
  if (!answer) return Fail(Internal("STEP_NOT_ANSWERED", "a step gave no answer: this is a bug"));
  return ToMessage(*std::move(answer));
}

Result<v1::ApplyFleetResponse> RunAll(const StepMethods& methods, control::Control& steps,
                                      const control::Call& call,
                                      const v1::ApplyFleetRequest& request) {
  v1::ApplyFleetResponse response;
  for (int i = 0; i < request.steps_size(); ++i) {
    const v1::FleetStep& step = request.steps(i);
    const FieldDescriptor* field = FieldOf(step);
    auto answer = RunStep(methods.at(field->number()), steps, call,
                          step.GetReflection()->GetMessage(step, field));
    if (!answer) return Fail(std::move(answer).error().With("step", std::to_string(i)));
    v1::FleetStepResult& result = *response.add_results();
    const FieldDescriptor* into = result.GetDescriptor()->FindFieldByNumber(field->number());
    result.GetReflection()->SetAllocatedMessage(&result, answer->release(), into);
  }
  return response;
}

Status DoApplyFleet(const StepMethods& methods, control::Control& control,
                    const control::Call& call, const v1::ApplyFleetRequest& request,
                    const control::Done& done) {
  for (int i = 0; i < request.steps_size(); ++i)
    RETURN_IF_ERROR(CheckStep(static_cast<size_t>(i), request.steps(i)));
  const control::PlanOptions plan = PlanOf(request);
  done(control::RunSteps(
      control, call, plan,
      [&](control::Control& steps, const control::Call& as) -> Result<control::StepsAnswer> {
        const Time begun = control.clock().Now();
        ASSIGN_OR_RETURN(v1::ApplyFleetResponse response, RunAll(methods, steps, as, request));
        std::string token;
        if (plan.IsShown()) {
          v1::ApplyFleetResponse planned = response;
          NewIds(steps, begun).ForgetIn(planned);
          SetApplied(false, planned);
          token = TokenOf(control.sealer(), request, planned);
          if (plan.dry_run) response = std::move(planned);
        }
        SetApplied(!plan.dry_run, response);
        response.set_plan_token(token);
        return control::StepsAnswer{token, Serialize(response)};
      }));
  return {};
}

}  // namespace

Method ApplyFleetMethod() {
  Method method = WriteMethod<v1::ApplyFleetResponse, v1::ApplyFleetRequest>(
      "tallyman.v1.FleetService/ApplyFleet", nullptr);
  method.run = [methods = FindStepMethods()](control::Control& control, control::Call call,
                                             const Message& request, const Answer& answer) {
    const auto status =
        DoApplyFleet(methods, control, call, static_cast<const v1::ApplyFleetRequest&>(request),
                     AsReply(v1::ApplyFleetResponse::default_instance(), answer));
    if (!status) answer(Fail(status.error()));
  };
  return method;
}

}  // namespace tallyman::api
