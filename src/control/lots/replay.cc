#include "control/lots/replay.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/reasons.h"
#include "base/time.h"
#include "control/lots/lot.h"
#include "store/refusals.h"

namespace tallyman::control {
namespace {

// Whether the caller is the one whose request it was. A token may bear the name of one that was
// revoked, and does not inherit its answers. A record that names no token is of this one only if it
// was there already.
bool IsOfCaller(const RequestRecord& record, const Actor& actor) {
  if (record.token_id) return record.token_id == actor.token_id;
  return !actor.token_since || *actor.token_since <= record.created_at;
}

// It rests on rows, and not on the request alone.
bool SaysHowThingsAre(const Error& failure) {
  return failure.code == Code::kNotFound || failure.code == Code::kAlreadyExists ||
         failure.code == Code::kFailedPrecondition;
}

}  // namespace

Result<std::string> AnswerFrom(const RequestRecord& record, const Call& call, Time now) {
  if (!IsOfCaller(record, call.actor)) {
    return Fail(InvalidArgument("REQUEST_ID_REUSED",
                                fmt::format("request id {} was used before by somebody else whose "
                                            "name was {}: use a new id",
                                            record.key.request_id, call.actor.id))
                    .With("field", "request_id")
                    .With("value", record.key.request_id));
  }
  if (now - record.created_at >= kAnswersKept) {
    return Fail(InvalidArgument("REQUEST_ID_EXPIRED",
                                fmt::format("request id {} was used for {} at {}, and its answer "
                                            "is no longer kept: use a new id to repeat it",
                                            record.key.request_id, record.method,
                                            FormatTime(record.created_at)))
                    .With("field", "request_id")
                    .With("value", record.key.request_id));
  }
  const bool same =
      record.body_digest == call.body_digest ||
      std::ranges::find(call.older_digests, record.body_digest) != call.older_digests.end();
  if (same && record.method == call.method) return record.response;
  return Fail(InvalidArgument("REQUEST_ID_REUSED",
                              fmt::format("request id {} was used before for another request ({}): "
                                          "use a new id for a new request",
                                          record.key.request_id, record.method))
                  .With("field", "request_id")
                  .With("value", record.key.request_id));
}

std::optional<Result<std::string>> Recall(store::Store& store, const Call& call,
                                          const Error& failure, Time now) {
  store::LockSet wanted;
  if (!call.request_id.empty()) wanted.requests = {KeyOf(call)};
  std::optional<Result<std::string>> answer;
  const auto take = [&](const Result<store::Snapshot>& snapshot) -> Status {
    if (!snapshot) return Fail(snapshot.error());
    auto found = snapshot->requests.find(KeyOf(call));
    if (found != snapshot->requests.end()) answer = AnswerFrom(found->second, call, now);
    return {};
  };
  if (!SaysHowThingsAre(failure)) {
    if (wanted.requests.empty()) return std::nullopt;
    const Status read = store.Read([&](store::ReadTx& tx) { return take(tx.Load(wanted)); });
    if (!read || !answer) return std::nullopt;
  }
  // For writing, although nothing is written: what is answered has to be as durable as it was.
  answer.reset();
  Status waited = store.Write([&](store::WriteTx& tx) { return take(tx.Lock(wanted)); });
  if (waited) return answer;
  // What cannot be read leaves the error that the caller has already.
  if (waited.error().reason != kCommitUnknown) return std::nullopt;
  return Fail(std::move(waited).error());
}

}  // namespace tallyman::control
