#include <fmt/core.h>

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "control/reads/query_tools.h"

namespace tallyman::control {
namespace {

constexpr store::ListField kLedgerFields[] = {{"kind", store::FieldType::kText}};
constexpr int64_t kLedgerBatch = 1000;

// Only what came after a cursor of an earlier answer.
Status AddAfter(const ListEventsRequest& request, store::ListQuery& query) {
  if (request.after.empty()) return {};
  auto cursor = ParseInt64(request.after);
  if (!cursor || *cursor < 0) {
    return RefuseListField("INVALID_CURSOR", "after", request.after,
                           "it is not the cursor of an earlier answer");
  }
  if (query.descending) {
    return RefuseListField("INVALID_ORDER_BY", "order_by", request.list.order_by,
                           "events after a cursor come oldest first");
  }
  query.conditions.push_back({"cursor", store::Comparison::kGreater, *cursor});
  return {};
}

// Whose ledger, and which of its entries are on the page.
struct LedgerScope {
  std::optional<store::HostRow> host;
  std::optional<store::NodeRow> node;
  std::vector<LedgerKind> kinds;  // that the filter lets through
  size_t page_size = 0;
  int64_t after_seq = 0;
  std::string token_scope;
};

// The kinds that fulfil all conditions.
Result<std::vector<LedgerKind>> KindsOf(const std::string& filter) {
  ASSIGN_OR_RETURN(auto conditions, ParseFilter("ledger entries", kLedgerFields, filter));
  std::vector<LedgerKind> kinds;
  for (size_t i = 0; i < EnumText<LedgerKind>::kWords.size(); ++i)
    kinds.push_back(static_cast<LedgerKind>(i));
  for (const store::Condition& condition : conditions) {
    const auto& word = std::get<std::string>(condition.value);
    auto kind = FromText<LedgerKind>(word);
    if (!kind) {
      return RefuseListField(
          "INVALID_FILTER", "filter", filter,
          "kind is one of: create, upgrade, update, release, revert, drift_correction");
    }
    bool wanted = condition.comparison == store::Comparison::kEqual;
    std::erase_if(kinds, [&](LedgerKind k) { return (k == *kind) != wanted; });
  }
  return kinds;
}

Result<LedgerScope> ScopeOf(store::ReadTx& tx, const Actor& actor,
                            const ListLedgerRequest& request) {
  LedgerScope scope;
  if (request.host.empty() == request.node.empty()) {
    return Fail(
        InvalidArgument("NO_SUBJECT",
                        "subject is missing: name the host or the node whose ledger to list")
            .With("field", "subject"));
  }
  const ListRequest& list = request.list;
  ASSIGN_OR_RETURN(int64_t size, PageSize(list.page_size));
  scope.page_size = static_cast<size_t>(size);
  ASSIGN_OR_RETURN(scope.kinds, KindsOf(list.filter));
  if (!list.order_by.empty() && list.order_by != "seq") {
    return RefuseListField("INVALID_ORDER_BY", "order_by", list.order_by,
                           "a ledger is always in the order of seq");
  }
  scope.token_scope =
      fmt::format("ledger\n{}\n{}\n{}\n{}", request.host, request.node, list.filter, list.order_by);
  if (!list.page_token.empty()) {
    ASSIGN_OR_RETURN(store::ListCursor cursor, ParsePageToken(scope.token_scope, list.page_token));
    const auto* seq = std::get_if<int64_t>(&cursor.value);
    if (seq == nullptr || *seq < 0) {
      return RefuseListField("INVALID_PAGE_TOKEN", "page_token", list.page_token,
                             "it was not made by this server");
    }
    scope.after_seq = *seq;
  }
  if (!request.host.empty()) {
    ASSIGN_OR_RETURN(scope.host, ResolveHost(tx, actor, request.host));
    return scope;
  }
  ASSIGN_OR_RETURN(scope.node, tx.FindNode(request.node));
  if (!scope.node || !SeesNode(actor, scope.node->node)) return Fail(NodeNotFound(request.node));
  return scope;
}

// Takes what an actor of one org may not see out of an entry; its amounts stay, so that the sums
// hold.
Status Redact(Names& names, const Actor& actor, LedgerView& view) {
  LedgerEntry& entry = view.entry;
  if (entry.node_id) {
    ASSIGN_OR_RETURN(const store::NodeRow* node, names.NodeOf(*entry.node_id));
    if (node == nullptr || !Sees(actor, node->node.org_id)) {
      entry.node_id.reset();
      entry.request_id.clear();
      entry.actor_id.clear();
    } else {
      view.node = node->node.name;
    }
  }
  for (Drift& drift : entry.corrections) {
    if (!drift.node_id || !actor.org_id) continue;
    ASSIGN_OR_RETURN(const store::NodeRow* node, names.NodeOf(*drift.node_id));
    if (node != nullptr && Sees(actor, node->node.org_id)) continue;
    drift.node_id.reset();
    drift.node_name.clear();
  }
  return {};
}

// Feeds the subject's entries behind `after_seq` to `take` until it says false.
template <class Take>
Status ForEachEntry(store::ReadTx& tx, const LedgerScope& scope, int64_t after_seq,
                    const Take& take) {
  while (true) {
    auto entries = scope.host ? tx.HostLedger(scope.host->host.id, after_seq, kLedgerBatch)
                              : tx.NodeLedger(scope.node->node.id, after_seq, kLedgerBatch);
    if (!entries) return Fail(std::move(entries).error());
    for (LedgerEntry& entry : *entries) {
      after_seq = entry.seq;
      ASSIGN_OR_RETURN(bool more, take(std::move(entry)));
      if (!more) return {};
    }
    if (entries->size() < static_cast<size_t>(kLedgerBatch)) return {};
  }
}

// Puts an entry on the page if it belongs there; false: the page is full and there is more.
bool TakeEntry(const LedgerScope& scope, LedgerEntry entry, std::optional<Books> node_balance,
               LedgerPage& answer) {
  auto& page = answer.page;
  if (std::ranges::find(scope.kinds, entry.kind) == scope.kinds.end()) return true;
  if (page.rows.size() == scope.page_size) {
    page.next_page_token =
        PageToken(scope.token_scope, {.value = page.rows.back().entry.seq, .key = ""});
    return false;
  }
  page.rows.push_back({.entry = std::move(entry), .node_balance = node_balance});
  return true;
}

Status ReadHostLedger(store::ReadTx& tx, const LedgerScope& scope, LedgerPage& answer) {
  answer.books = scope.host->host.books;
  ASSIGN_OR_RETURN(auto audit, tx.AuditHost(scope.host->host.id));
  if (audit) {
    answer.total = audit->ledger_fold;
    answer.entry_count = audit->ledger_entries;
  }
  return ForEachEntry(tx, scope, scope.after_seq, [&](LedgerEntry entry) -> Result<bool> {
    return TakeEntry(scope, std::move(entry), std::nullopt, answer);
  });
}

// A node has few entries, so its whole ledger is read: for the sum, and for the balances on the
// page.
Status ReadNodeLedger(store::ReadTx& tx, const LedgerScope& scope, LedgerPage& answer) {
  const Node& node = scope.node->node;
  if (node.IsLive()) answer.books = {1, node.resources};
  bool full = false;
  return ForEachEntry(tx, scope, 0, [&](LedgerEntry entry) -> Result<bool> {
    ASSIGN_OR_RETURN(answer.total, Add(answer.total, entry.delta));
    ++answer.entry_count;
    if (!full && entry.seq > scope.after_seq)
      full = !TakeEntry(scope, std::move(entry), answer.total, answer);
    return true;
  });
}

}  // namespace

Result<EventPage> ListEvents(const Authorized& by, store::ReadTx& tx,
                             const ListEventsRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kEvents, request.list));
  RETURN_IF_ERROR(AddAfter(request, query));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  bool newest_first = query.descending;
  EventPage answer;
  ASSIGN_OR_RETURN(answer.page, ReadPage<store::EventRow>(
                                    store::Listing::kEvents, request.list, std::move(query),
                                    [&](const store::ListQuery& q) { return tx.ListEvents(q); },
                                    [&](const store::EventRow& row) {
                                      return Sees(by.actor(), row.event.org_id) &&
                                             (by.actor().role != Role::kHost ||
                                              row.event.host_id == by.actor().host_id);
                                    }));
  const auto& rows = answer.page.rows;
  if (newest_first) return answer;
  answer.cursor = !rows.empty() ? std::to_string(rows.back().event.cursor) : request.after;
  if (answer.cursor.empty()) answer.cursor = "0";
  return answer;
}

Result<LedgerPage> ListLedger(const Authorized& by, store::ReadTx& tx,
                              const ListLedgerRequest& request) {
  ASSIGN_OR_RETURN(LedgerScope scope, ScopeOf(tx, by.actor(), request));
  LedgerPage answer;
  RETURN_IF_ERROR(scope.host ? ReadHostLedger(tx, scope, answer)
                             : ReadNodeLedger(tx, scope, answer));
  Names names(tx);
  for (LedgerView& view : answer.page.rows) {
    view.host = scope.host ? scope.host->host.name : scope.node->host;
    RETURN_IF_ERROR(Redact(names, by.actor(), view));
  }
  return answer;
}

}  // namespace tallyman::control
