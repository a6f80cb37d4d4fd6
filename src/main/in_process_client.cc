#include "main/in_process_client.h"

#include <fmt/core.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <future>
#include <thread>

#include "api/dispatcher.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/reasons.h"
#include "base/system.h"
#include "control/clock_check.h"
#include "main/open_store.h"
#include "main/secret_key_file.h"

namespace tallyman::app {
namespace {

using google::protobuf::Message;

// The methods that can succeed on an empty database, so that a fleet may begin with them.
constexpr std::array<std::string_view, 4> kBeginnings = {
    "tallyman.v1.CatalogService/CreateImages", "tallyman.v1.CatalogService/CreateProtocol",
    "tallyman.v1.OrgService/CreateOrg", "tallyman.v1.RegionService/CreateRegion"};

bool IsDryRun(const Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("dry_run");
  return field != nullptr && request.GetReflection()->GetBool(request, field);
}

// Every request that changes something has a place for its id.
bool Changes(const Message& request) {
  return request.GetDescriptor()->FindFieldByName("request_id") != nullptr && !IsDryRun(request);
}

api::Caller CallerOf(const InProcessOptions& options) { return {.actor = options.actor}; }

constexpr size_t kMessagesAtOnce = 64;
constexpr std::chrono::milliseconds kStopNoticed{200};

// Where a stream signals that it has more.
class Bell {
 public:
  void Ring() {
    std::lock_guard lock(mutex_);
    rung_ = true;
    changed_.notify_one();
  }
  void Wait(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, at_most, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

}  // namespace

// Everything that a call needs, in order of dependency.
struct InProcessClient::Room {
  Room(OpenedStore opened, Sealer sealer, Clock& clock, Random& random, Log& log)
      : store(std::move(opened.store)),
        control(*store, clock, random, log, metrics,
                {.writers = opened.writers, .secrets = &secrets, .sealer = std::move(sealer)}),
        dispatcher(control) {}

  std::unique_ptr<store::Store> store;
  Metrics metrics;
  SystemSecrets secrets;
  control::Control control;
  api::Dispatcher dispatcher;
};

InProcessClient::InProcessClient(InProcessOptions options, Clock& clock, Random& random, Log& log)
    : options_(std::move(options)), clock_(clock), random_(random), log_(log) {}

InProcessClient::~InProcessClient() = default;

Status InProcessClient::Open(bool may_create) {
  std::lock_guard lock(mutex_);
  if (room_ != nullptr) return {};
  ASSIGN_OR_RETURN(OpenedStore opened,
                   OpenStore(options_.database,
                             {.may_create = may_create, .may_be_read_only = true}, random_, log_));
  SystemSecrets secrets;
  // Reading unseals nothing, and makes no key beside what cannot be written.
  auto sealer = opened.is_read_only
                    ? Sealer()
                    : ReadSecretKeys(options_.database, options_.secret_key_file, secrets, log_);
  // Somebody who may write the database and not read the key does everything but with secrets.
  if (!sealer && sealer.error().code == Code::kPermissionDenied) sealer = Sealer();
  if (!sealer) return Fail(std::move(sealer).error());
  room_ = std::make_unique<Room>(std::move(opened), *std::move(sealer), clock_, random_, log_);
  return {};
}

// Once: a program of the command line ends soon.
Status InProcessClient::CheckClock() {
  std::lock_guard lock(mutex_);
  if (clock_is_right_) return {};
  ASSIGN_OR_RETURN(const auto ahead, control::ClockSkew(room_->control));
  if (auto fault = control::SkewFault(ahead)) return Fail(*std::move(fault));
  clock_is_right_ = true;
  return {};
}

Status InProcessClient::Call(std::string_view method, const Message& request, Message& response) {
  const Time begun = clock_.Now();
  client::Retry retry({}, random_);
  while (true) {
    Status status = CallOnce(method, request, response);
    // Nothing was done, or it is recognized by its request id.
    if (status ||
        (status.error().reason != kDatabaseUnreachable && status.error().reason != kCommitUnknown))
      return status;
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Now() - begun);
    const auto wait = retry.NextWait(options_.outage_max - waited, std::chrono::milliseconds(0));
    if (!wait) return status;
    if (options_.on_wait)
      options_.on_wait({.error = status.error(), .waited = waited, .timeout = options_.outage_max});
    std::this_thread::sleep_for(*wait);
  }
}

Status InProcessClient::CallOnce(std::string_view method, const Message& request,
                                 Message& response) {
  bool begins = std::ranges::find(kBeginnings, method) != kBeginnings.end() && !IsDryRun(request);
  RETURN_IF_ERROR(Open(options_.may_create || begins));
  if (Changes(request)) RETURN_IF_ERROR(CheckClock());
  std::promise<Result<api::Reply>> promise;
  auto future = promise.get_future();
  room_->dispatcher.Dispatch(
      method, request, CallerOf(options_),
      [&promise](Result<api::Reply> reply) { promise.set_value(std::move(reply)); });
  ASSIGN_OR_RETURN(std::unique_ptr<Message> answer, api::ToMessage(future.get()));
  if (answer->GetDescriptor() != response.GetDescriptor()) {
    return Fail(InvalidArgument("WRONG_MESSAGE",
                                fmt::format("{} answers with a {}, not a {}", method,
                                            answer->GetTypeName(), response.GetTypeName())));
  }
  response.GetReflection()->Swap(&response, answer.get());
  return {};
}

Status InProcessClient::Stream(std::string_view method, const Message& request,
                               const std::function<bool(const Message&)>& on_message,
                               const std::atomic<bool>* stop) {
  RETURN_IF_ERROR(Open(options_.may_create));
  // Declared before the stream, which may signal it until it is destroyed.
  Bell bell;
  ASSIGN_OR_RETURN(auto stream, room_->dispatcher.OpenStream(method, request, CallerOf(options_),
                                                             [&bell] { bell.Ring(); }));
  while (stop == nullptr || !stop->load()) {
    ASSIGN_OR_RETURN(api::StreamMessages messages, stream->Next(kMessagesAtOnce));
    for (const auto& message : messages) {
      if (!on_message(message->message())) return {};
    }
    if (messages.empty() && stream->IsOver()) return {};
    if (messages.empty()) bell.Wait(kStopNoticed);
  }
  return {};
}

}  // namespace tallyman::app
