#include "api/dispatcher.h"

#include <fmt/core.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "api/check_request.h"
#include "base/digest.h"
#include "base/reasons.h"
#include "base/text.h"
#include "control/lots/replay.h"

namespace tallyman::api {
namespace {

using google::protobuf::Message;

constexpr std::string_view kPackage = "tallyman.v1.";

std::string RequestIdOf(const Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("request_id");
  return field == nullptr ? std::string() : request.GetReflection()->GetString(request, field);
}

bool IsDryRun(const Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("dry_run");
  return field != nullptr && request.GetReflection()->GetBool(request, field);
}

// A digest of the whole call, method included, without its request id: it detects an id that is
// reused for another request.
std::string DigestOf(std::string_view method, const Message& request) {
  std::unique_ptr<Message> body(request.New());
  body->CopyFrom(request);
  body->GetReflection()->ClearField(body.get(),
                                    body->GetDescriptor()->FindFieldByName("request_id"));
  return Sha256Hex(fmt::format("{}\n{}", method, Serialize(*body)));
}

control::Call CallOf(std::string_view method, const Caller& caller) {
  control::Call call;
  call.actor = caller.actor;
  call.method = method.substr(kPackage.size());
  call.address = caller.address;
  call.deadline = caller.deadline;
  call.cancelled = caller.cancelled;
  call.tx = caller.tx;
  return call;
}

// A map of a request, or of a step in it, has values, any of which may be a secret.
bool HasValues(const Message& request) {
  const auto& reflection = *request.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(request, &fields);
  return std::ranges::any_of(fields, [&](const auto* field) {
    if (field->is_map()) return true;
    if (field->message_type() == nullptr) return false;
    if (!field->is_repeated()) return HasValues(reflection.GetMessage(request, field));
    for (int i = 0; i < reflection.FieldSize(request, field); ++i) {
      if (HasValues(reflection.GetRepeatedMessage(request, field, i))) return true;
    }
    return false;
  });
}

control::Call CallOf(const Method& method, const Message& request, const Caller& caller,
                     const Sealer& sealer) {
  control::Call call = CallOf(method.name, caller);
  if (!method.mutates) return call;
  call.dry_run = IsDryRun(request);
  call.request_id = RequestIdOf(request);
  call.body_digest = DigestOf(method.name, request);
  if (!HasValues(request) || !sealer.has_key()) return call;
  // By the key, or the digest would tell whether a secret was guessed.
  call.older_digests = sealer.Digests(call.body_digest);
  call.older_digests.push_back(std::move(call.body_digest));
  call.body_digest = call.older_digests.front();
  return call;
}

Status CheckType(std::string_view method, const Message& wanted, const Message& request) {
  if (request.GetDescriptor() == wanted.GetDescriptor()) return {};
  return Fail(InvalidArgument(
      "WRONG_MESSAGE",
      fmt::format("{} takes a {}, not a {}", method, wanted.GetTypeName(), request.GetTypeName())));
}

Error UnknownMethod(std::string_view name) {
  return {Code::kUnimplemented, kUnknownMethod, fmt::format("there is no method {}", Quote(name))};
}

Error Unforeseen(std::string_view method, std::string_view what) {
  return Internal("UNEXPECTED_EXCEPTION", fmt::format("{} failed unexpectedly{}{}", method,
                                                      what.empty() ? "" : ": ", what));
}

// Wakes the streams as soon as a mutation is answered, so that they see its events.
Answer ThenNudge(std::shared_ptr<EventFeed> feed, Answer answer) {
  return [feed = std::move(feed), answer = std::move(answer)](Result<Reply> reply) {
    if (reply) feed->Nudge();
    answer(std::move(reply));
  };
}

// A repeated request may fail now because it was carried out before; its nodes may be gone. Then
// its stored answer holds. What was refused for the caller's rights or rate, or because too much
// waits, is asked again or not at all; looking it up may be one more write. Only an error on the
// caller's own thread has not been looked up yet, and only that thread may wait for the database.
Answer OrAnswerGivenBefore(control::Control& control, const Method& method,
                           const control::Call& call, const Answer& once) {
  return [&control, response = method.response, call, once,
          caller = std::this_thread::get_id()](Result<Reply> answer) {
    const bool may_be_done = !answer && answer.error().code != Code::kPermissionDenied &&
                             answer.error().code != Code::kResourceExhausted;
    if (may_be_done && std::this_thread::get_id() == caller) {
      if (auto before =
              control::Recall(control.store(), call, answer.error(), control.clock().Now()))
        return AsReply(*response, once)(*std::move(before));
    }
    once(std::move(answer));
  };
}

template <class Table, class Methods>
void AddTo(Table& table, Methods methods) {
  for (auto& method : methods) {
    std::string name = method.name;
    table.emplace(std::move(name), std::move(method));
  }
}

}  // namespace

Dispatcher::Dispatcher(control::Control& control, EventFeedOptions streaming, LogRelayOptions logs)
    : control_(control),
      feed_(std::make_shared<EventFeed>(control, streaming)),
      relay_(std::make_shared<LogRelay>(control.clock(), logs)) {
  AddTo(stream_methods_, WatchMethods(relay_));
  AddTo(stream_methods_, LogStreamMethods(relay_));
  AddTo(methods_, LogMethods(relay_));
  for (auto* list : {&AgentMethods, &FleetMethods, &OrgAndRegionMethods, &HostMethods,
                     &CatalogMethods, &NodeMethods, &HistoryMethods, &AuditMethods, &RolloutMethods,
                     &TokenMethods, &UpgradePolicyMethods}) {
    AddTo(methods_, list());
  }
}

Dispatcher::~Dispatcher() {
  relay_->Stop();
  feed_->StopReading();
}

void Dispatcher::StopStreams() const {
  feed_->Stop();
  relay_->Stop();
}

void Dispatcher::Dispatch(std::string_view name, const Message& request, const Caller& caller,
                          Answer done) const {
  // A thread that runs lots never throws into here, so when an exception arrives, this thread alone
  // knows whether `done` was called.
  auto answered = std::make_shared<std::atomic<bool>>(false);
  Answer once = [answered, done = std::move(done)](Result<Reply> answer) {
    if (!answered->exchange(true)) done(std::move(answer));
  };
  try {
    auto found = methods_.find(name);
    if (found == methods_.end()) {
      return once(Fail(UnknownMethod(name)));
    }
    const Method& method = found->second;
    auto status = CheckType(method.name, *method.request, request);
    if (status) status = CheckRequest(request);
    if (!status) return once(Fail(std::move(status).error()));
    control::Call call = CallOf(method, request, caller, control_.sealer());
    const bool changes = method.mutates && !IsDryRun(request);
    if (!method.only_reads()) once = ThenNudge(feed_, std::move(once));
    method.run(control_, call, request,
               changes ? OrAnswerGivenBefore(control_, method, call, once) : once);
  } catch (const std::exception& e) {
    once(Fail(Unforeseen(name, e.what())));
  } catch (...) {
    once(Fail(Unforeseen(name, {})));
  }
}

Result<std::unique_ptr<MessageStream>> Dispatcher::OpenStream(std::string_view name,
                                                              const Message& request,
                                                              const Caller& caller,
                                                              OnReady on_ready) const {
  try {
    auto found = stream_methods_.find(name);
    if (found == stream_methods_.end()) return Fail(UnknownMethod(name));
    const StreamMethod& method = found->second;
    RETURN_IF_ERROR(CheckType(method.name, *method.request, request));
    RETURN_IF_ERROR(CheckRequest(request));
    return method.open(control_, *feed_, CallOf(method.name, caller), request, std::move(on_ready));
  } catch (const std::exception& e) {
    return Fail(Unforeseen(name, e.what()));
  }
}

std::unique_ptr<Message> Dispatcher::NewRequest(std::string_view method) const {
  if (auto found = methods_.find(method); found != methods_.end())
    return std::unique_ptr<Message>(found->second.request->New());
  auto found = stream_methods_.find(method);
  return found == stream_methods_.end() ? nullptr
                                        : std::unique_ptr<Message>(found->second.request->New());
}

std::unique_ptr<Message> Dispatcher::NewResponse(std::string_view method) const {
  if (auto found = methods_.find(method); found != methods_.end())
    return std::unique_ptr<Message>(found->second.response->New());
  auto found = stream_methods_.find(method);
  return found == stream_methods_.end() ? nullptr
                                        : std::unique_ptr<Message>(found->second.response->New());
}

}  // namespace tallyman::api
