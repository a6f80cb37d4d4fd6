#include "control/lots/replay.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"
#include "control/lots/lot.h"

namespace tallyman::control {
namespace {

// Whether the caller is the one whose request it was. A token may bear the name of one that was
// revoked, and does not inherit its answers. A record that names no token is of this one only if it
// was there already.
bool IsOfCaller(const RequestRecord& record, const Actor& actor) {
  if (record.token_id) return record.token_id == actor.token_id;
  return !actor.token_since || *actor.token_since <= record.created_at;
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

std::optional<Result<std::string>> Recall(store::Store& store, const Call& call, Time now) {
  if (call.request_id.empty()) return std::nullopt;
  std::optional<Result<std::string>> answer;
  store::LockSet wanted;
  wanted.requests = {KeyOf(call)};
  // For writing, although nothing is written: what is answered has to be as durable as it was.
  Status read = store.Write([&](store::WriteTx& tx) -> Status {
    ASSIGN_OR_RETURN(store::Snapshot snapshot, tx.Lock(wanted));
    auto found = snapshot.requests.find(KeyOf(call));
    if (found != snapshot.requests.end()) answer = AnswerFrom(found->second, call, now);
    return {};
  });
  // What cannot be read leaves the error that the caller has already.
  return read ? answer : std::nullopt;
}

}  // namespace tallyman::control
