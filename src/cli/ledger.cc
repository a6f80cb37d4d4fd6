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

std::vector<Cell> LedgerRow(const v1::LedgerEntry& entry, bool of_host) {
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
  row.push_back({of_host ? entry.node_id() : entry.host_id()});
  return row;
}

std::vector<Column> LedgerColumns(bool of_host) {
  return {{"SEQ", Align::kRight},
          {"TIME"},
          {"KIND"},
          {of_host ? "NODE" : "HOST", Align::kLeft, true},
          {"NODES", Align::kRight},
          {"CPU", Align::kRight},
          {"MEMORY", Align::kRight},
          {"DISK", Align::kRight},
          {"BY", Align::kLeft, true},
          {"REQUEST", Align::kLeft, true},
          {.title = of_host ? "NODE ID" : "HOST ID", .is_wide = true}};
}

void PrintCorrection(Context& context, const v1::LedgerEntry& entry) {
  context.Detail("");
  context.Detail(fmt::format("entry {} of {} corrected:", entry.seq(), entry.host()),
                 Colour::kYellow);
  context.Detail(DriftTable(entry.detail()));
}

Result<v1::ListLedgerResponse> PrintLedger(Context& context, const LedgerRequest& list,
                                           const std::vector<size_t>& shown) {
  const bool of_host = !list.request.has_node();
  ListTable table(context, LedgerColumns(of_host), shown);
  std::vector<v1::LedgerEntry> corrections;
  v1::ListLedgerResponse last;
  RETURN_IF_ERROR(
      EachPage<v1::ListLedgerResponse>(context, list, [&](v1::ListLedgerResponse& page) {
        for (const v1::LedgerEntry& entry : page.entries()) {
          table.Add(LedgerRow(entry, of_host));
          if (!entry.detail().empty()) corrections.push_back(entry);
        }
        last.Swap(&page);
      }));
  table.End(true, {});
  for (const v1::LedgerEntry& entry : corrections) PrintCorrection(context, entry);
  context.Detail("");
  context.Line(fmt::format("{} {} up to {}.", Counted(last.entry_count(), "entry", "entries"),
                           last.entry_count() == 1 ? "sums" : "sum", FormatBooks(last.total())));
  if (Same(last.books(), last.total())) {
    context.Line("The books say the same.", Colour::kGreen);
  } else {
    context.Line(fmt::format("The books differ: they say {}. See \"tallyman audit\".",
                             FormatBooks(last.books())),
                 Colour::kRed);
  }
  return last;
}

ExitStatus ShowLedger(Context& context, LedgerRequest& list) {
  ASSIGN_OR_RETURN(const std::vector<size_t> shown,
                   ChooseColumns(context, LedgerColumns(!list.request.has_node()), list.columns));
  ASSIGN_OR_RETURN(const v1::ListLedgerResponse last,
                   context.is_table() ? PrintLedger(context, list, shown)
                                      : PrintPages<v1::ListLedgerResponse>(context, list));
  return Same(last.books(), last.total()) ? kExitDone : kExitDrift;
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
  AddColumns(host, of_host, LedgerColumns(true));

  auto [node, of_node] =
      ledger.Verb<LedgerRequest>("node", "Explain what a node is charged, entry by entry",
                                 "  tallyman ledger node eth-1", ShowLedger);
  node.Argument("NODE", of_node.request.mutable_node(),
                "Name or id; a deleted node only by its id");
  AddListOptions(node, of_node, {}, "kind", "seq");
  AddColumns(node, of_node, LedgerColumns(false));
}

}  // namespace tallyman::cli
