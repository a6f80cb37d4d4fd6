// The word that shows what is taken most.
#include <fmt/core.h>

#include "base/text.h"
#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/views.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {
namespace {

struct TopOptions {
  bool nodes = false;
  std::string by;  // a dimension's word; "": whichever is taken most
  std::string region;
  int64_t limit = 20;
};

Result<const DimensionView*> DimensionOf(const std::string& word) {
  for (const DimensionView& dimension : kDimensionViews)
    if (dimension.word == word) return &dimension;
  if (word.empty()) return nullptr;
  return Fail(InvalidArgument("INVALID_DIMENSION",
                              fmt::format("--by is {}: write cpu, memory or disk", Quote(word)))
                  .With("field", "--by"));
}

int64_t TakenOf(const v1::Host& host, const DimensionView& dimension) {
  return (host.books().allocated().*dimension.get)() + (host.held().*dimension.get)();
}

// "93%"; "-" where there is no capacity.
Cell ShareCell(const v1::Host& host, const DimensionView& dimension) {
  const int64_t capacity = (host.capacity().*dimension.get)();
  if (capacity <= 0) return {"-"};
  const int64_t taken = TakenOf(host, dimension);
  const auto share = static_cast<int64_t>(static_cast<__int128>(taken) * 100 / capacity);
  return {fmt::format("{}%", share), taken > capacity ? Colour::kRed : Colour::kNone};
}

void PrintHosts(Context& context, const v1::ListHostsResponse& hosts) {
  std::vector<Column> columns = {{"HOST", Align::kLeft, true}, {"STATE"}, {"NODES", Align::kRight}};
  for (const char* title : {"CPU", "MEMORY", "DISK"}) {
    const std::string key = Column{title}.Key();
    columns.push_back({title, Align::kRight});
    columns.push_back({.title = "TAKEN", .align = Align::kRight, .key = key + "_taken"});
    columns.push_back({.title = "OF", .align = Align::kRight, .key = key + "_of"});
  }
  Table table(std::move(columns), true);
  for (const v1::Host& host : hosts.hosts()) {
    std::vector<Cell> row = {
        {host.name()}, HostState(host), {std::to_string(host.books().node_count())}};
    for (const DimensionView& d : kDimensionViews) {
      row.push_back(ShareCell(host, d));
      for (std::string& text : FormatAlike(d, {TakenOf(host, d), (host.capacity().*d.get)()}))
        row.push_back({std::move(text)});
    }
    table.AddRow(std::move(row));
  }
  PrintList(context, table, "There are no hosts.");
}

ExitStatus TopHosts(Context& context, const TopOptions& options, const DimensionView* by) {
  v1::ListHostsRequest request;
  request.set_order_by(by == nullptr ? "taken_permille desc"
                                     : fmt::format("{}_taken_permille desc", by->word));
  std::string filter;
  AddFilter(filter, "region", options.region);
  request.set_filter(filter);
  ASSIGN_OR_RETURN(const auto hosts,
                   ReadPages<v1::ListHostsResponse>(context, request, options.limit));
  return context.Answer(hosts, [&] {
    if (!context.globals().quiet) return PrintHosts(context, hosts);
    for (const v1::Host& host : hosts.hosts()) context.Line(Printable(host.name()));
  });
}

ExitStatus TopNodes(Context& context, const TopOptions& options, const DimensionView* by) {
  v1::ListNodesRequest request;
  request.set_order_by(fmt::format("{} desc", (by == nullptr ? kDimensionViews[0] : *by).field));
  std::string filter;
  AddFilter(filter, "region", options.region);
  request.set_filter(filter);
  ASSIGN_OR_RETURN(const auto nodes,
                   ReadPages<v1::ListNodesResponse>(context, request, options.limit));
  return context.Answer(nodes, [&] {
    if (context.globals().quiet) {
      for (const v1::Node& node : nodes.nodes()) context.Line(Printable(node.name()));
      return;
    }
    Table table(NodeColumns(NodeTableOf::kFleet), true);
    for (const v1::Node& node : nodes.nodes()) table.AddRow(NodeRow(node, NodeTableOf::kFleet));
    PrintList(context, table, "There are no nodes.");
  });
}

ExitStatus ShowTop(Context& context, const TopOptions& options) {
  ASSIGN_OR_RETURN(const DimensionView* by, DimensionOf(options.by));
  return options.nodes ? TopNodes(context, options, by) : TopHosts(context, options, by);
}

}  // namespace

void DefineTop(Word root) {
  auto [top, options] = root.Verb<TopOptions>(
      "top", "Show the hosts of which most is taken, charges and holds together",
      "  tallyman top\n"
      "  tallyman top --by memory --limit 5\n"
      "  tallyman top --nodes --by disk",
      ShowTop);
  top.Text("--by", "DIMENSION", &options.by,
           "cpu, memory or disk (default: of each host what is taken most; of nodes: cpu)");
  top.Flag("--nodes", &options.nodes, "Show the largest nodes instead");
  top.Text("--region", "REGION", &options.region, "Only in this region");
  top.Number("--limit", &options.limit, "Show only the first N (default: 20)");
}

}  // namespace tallyman::cli
