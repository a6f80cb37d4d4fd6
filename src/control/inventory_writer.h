// Running an operation on the inventory (orgs, regions, hosts, protocols, images): it reads by
// itself, alone in its lot.
#pragma once

#include <fmt/core.h>

#include <string>

#include "control/control.h"
#include "control/node_writer.h"
#include "control/read_once.h"

namespace tallyman {

// What an inventory operation came to.
template <class Answer>
struct InventoryDecision {
  Answer answer;
  ChangeSet rows;
  std::vector<Host> hosts;    // changed host rows
  std::vector<Drift> healed;  // on them
};

template <class Answer>
using DecideInventory = std::function<Result<InventoryDecision<Answer>>(const Snapshot&, ReadTx&)>;

// Runs `decide` in a read transaction when it is a dry run, else as a mutation of its own.
// REQUIRES: the call went through Control::Begin().
template <class Answer>
void RunInventory(Control& control, Call call, LockSet locks, bool dry_run,
                  DecideInventory<Answer> decide, Encode<Answer> encode, Done done) {
  if (dry_run) {
    return done(ReadOnce<std::string>(control, [&](ReadTx& tx) -> Result<std::string> {
      ASSIGN_OR_RETURN(Snapshot snapshot, tx.Load(locks));
      ASSIGN_OR_RETURN(auto decided, decide(snapshot, tx));
      return encode(decided.answer);
    }));
  }
  Mutation mutation{
      .call = std::move(call), .locks = std::move(locks), .solo = true, .rows = 1, .decide = {}};
  mutation.decide = [decide = std::move(decide), encode = std::move(encode)](
                        const Snapshot& snapshot, ReadTx& tx) -> Result<Decision> {
    ASSIGN_OR_RETURN(auto decided, decide(snapshot, tx));
    Decision decision;
    decision.changes = std::move(decided.rows);
    decision.hosts = std::move(decided.hosts);
    decision.healed = std::move(decided.healed);
    decision.answer = encode(decided.answer);
    return decision;
  };
  control.Submit(std::move(mutation), std::move(done));
}

// An event about something that is no node.
inline Event InventoryEvent(const Cause& cause, EventKind kind, std::string detail) {
  Event event;
  event.kind = kind;
  event.actor_id = cause.actor_id;
  event.request_id = cause.request_id;
  event.detail = std::move(detail);
  event.created_at = cause.now;
  return event;
}

// The error says which item of a batch it is about.
inline Error InItem(Error error, std::string_view list, size_t index, std::string_view field) {
  error.message = fmt::format("{}[{}]: {}", list, index, error.message);
  std::erase_if(error.facts,
                [](const auto& fact) { return fact.first == "index" || fact.first == "field"; });
  error.facts.emplace_back("index", std::to_string(index));
  error.facts.emplace_back("field", std::string(field));
  return error;
}

// A batch of 1 to 100,000. INVALID_ARGUMENT names the field.
inline Status CheckBatch(std::string_view list, size_t size) {
  if (size >= 1 && size <= 100'000) return {};
  return Fail(
      InvalidArgument("INVALID_BATCH",
                      fmt::format("{} has {} items: send 1 to 100000 at a time", list, size))
          .With("field", std::string(list)));
}

}  // namespace tallyman
