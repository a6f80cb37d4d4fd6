// The words about the ledger: what explains the books.
#include <fmt/core.h>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/views.h"
#include "tallyman/v1/ledger.pb.h"

namespace tallyman::cli {
namespace {

using LedgerRequest = ListRequest<v1::ListLedgerRequest>;

bool Same(const v1::Books& a, const v1::Books& b) {
  return a.node_count() == b.node_count() &&
         std::ranges::all_of(kDimensionViews, [&](const DimensionView& d) {
           return (a.allocated().*d.get)() == (b.allocated().*d.get)();
         });
}

Table LedgerTable(const v1::ListLedgerResponse& ledger, bool of_host) {
  Table table({{"SEQ", Align::kRight},
               {"TIME"},
               {"KIND"},
               {of_host ? "NODE" : "HOST", Align::kLeft, true},
               {"NODES", Align::kRight},
               {"CPU", Align::kRight},
               {"MEMORY", Align::kRight},
               {"DISK", Align::kRight},
               {"BY", Align::kLeft, true},
               {"REQUEST", Align::kLeft, true}});
  for (const v1::LedgerEntry& entry : ledger.entries()) {
    const v1::Books& balance = of_host ? entry.balance() : entry.node_balance();
    std::vector<Cell> row = {{std::to_string(entry.seq())},
                             {FormatTimestamp(entry.time())},
                             {EnumWord(entry.kind())},
                             {of_host ? entry.node() : entry.host()},
                             {fmt::format("{} = {}", FormatSignedCount(entry.delta().node_count()),
                                          balance.node_count())}};
    for (const DimensionView& d : kDimensionViews) {
      row.push_back({fmt::format("{} = {}", FormatSigned(d, (entry.delta().allocated().*d.get)()),
                                 FormatAmount(d, (balance.allocated().*d.get)()))});
    }
    row.push_back({entry.cause().actor()});
    row.push_back({entry.cause().request_id()});
    table.AddRow(std::move(row));
  }
  return table;
}

void PrintLedgerDetails(Context& context, const v1::ListLedgerResponse& ledger) {
  for (const v1::LedgerEntry& entry : ledger.entries()) {
    if (entry.detail().empty()) continue;
    context.Detail("");
    context.Detail(fmt::format("entry {} of {} corrected:", entry.seq(), entry.host()),
                   Colour::kYellow);
    context.Detail(DriftTable(entry.detail()));
  }
}

void PrintLedger(Context& context, const v1::ListLedgerResponse& ledger, bool of_host, bool same) {
  if (!ledger.entries().empty()) context.Detail(LedgerTable(ledger, of_host));
  PrintLedgerDetails(context, ledger);
  context.Detail("");
  context.Line(fmt::format("{} sum up to {}.", Counted(ledger.entry_count(), "entry", "entries"),
                           FormatBooks(ledger.total())));
  if (same) return context.Line("The books say the same.", Colour::kGreen);
  context.Line(fmt::format("The books differ: they say {}. See \"tallyman audit\".",
                           FormatBooks(ledger.books())),
               Colour::kRed);
}

ExitStatus ShowLedger(Context& context, LedgerRequest& list) {
  ASSIGN_OR_RETURN(const auto ledger, ListAll<v1::ListLedgerResponse>(context, list));
  const bool same = Same(ledger.books(), ledger.total());
  context.Answer(ledger, [&] { PrintLedger(context, ledger, !list.request.has_node(), same); });
  return same ? kExitDone : kExitDrift;
}

}  // namespace

void DefineLedger(Word root) {
  Word ledger = root.Noun("ledger", "Ledger: the entries that explain the books",
                          "  tallyman ledger host h1\n"
                          "  tallyman ledger node eth-1");
  auto [host, of_host] =
      ledger.Verb<LedgerRequest>("host", "Explain a host's counters, entry by entry",
                                 "  tallyman ledger host h1\n"
                                 "  tallyman ledger host h1 --filter kind=drift_correction",
                                 ShowLedger);
  host.Argument("HOST", of_host.request.mutable_host(), "Name or id");
  AddListOptions(host, of_host, {}, "kind", "seq");

  auto [node, of_node] =
      ledger.Verb<LedgerRequest>("node", "Explain what a node is charged, entry by entry",
                                 "  tallyman ledger node eth-1", ShowLedger);
  node.Argument("NODE", of_node.request.mutable_node(),
                "Name or id; a deleted node only by its id");
  AddListOptions(node, of_node, {}, "kind", "seq");
}

}  // namespace tallyman::cli
