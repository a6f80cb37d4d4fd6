#include "cli/views.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/format.h"

namespace tallyman::cli {
namespace {

// "8 -> 32 (+24)"; "8" when nothing changes, "+8" for a new node.
std::string FormatChange(const DimensionView& dimension, int64_t before, int64_t after,
                         int64_t difference, bool is_new) {
  if (is_new) return FormatSigned(dimension, difference);
  if (before == after) return FormatAmount(dimension, after);
  const auto texts = FormatAlike(dimension, {before, after, difference});
  return fmt::format("{} -> {} ({}{})", texts[0], texts[1], difference > 0 ? "+" : "", texts[2]);
}

// "a/b@1 -> 2" where only the version changes.
std::string FormatImageChange(const v1::NodeChange& change) {
  const std::string& from = change.from_image();
  const std::string& to = change.to_image();
  if (from.empty() || from == to) return to;
  if (to.empty()) return from;
  const size_t at = from.find('@');
  const bool same_variant = at != std::string::npos && to.starts_with(from.substr(0, at + 1));
  return fmt::format("{} -> {}", from, same_variant ? to.substr(at + 1) : to);
}

bool HoldsAnything(const v1::Resources& held) {
  return std::ranges::any_of(kDimensionViews,
                             [&](const DimensionView& d) { return (held.*d.get)() != 0; });
}

void PrintNodeChanges(Context& context, const v1::Changes& changes) {
  const auto& rows = changes.nodes();
  const std::string image = rows.empty() ? "" : FormatImageChange(rows[0]);
  const bool one_image =
      std::ranges::all_of(rows, [&](const auto& row) { return FormatImageChange(row) == image; });
  const bool moves =
      std::ranges::any_of(rows, [](const auto& row) { return !row.from_org().empty(); });
  const bool holds =
      std::ranges::any_of(rows, [](const auto& row) { return HoldsAnything(row.held()); });
  if (one_image && !image.empty()) context.Detail("image: " + image);
  std::vector<Column> columns = {{"NODE", Align::kLeft, true}, {"HOST", Align::kLeft, true}};
  if (!one_image) columns.push_back({"IMAGE", Align::kLeft, true});
  if (moves) columns.push_back({"ORG", Align::kLeft, true});
  for (const char* title : {"CPU", "MEMORY", "DISK"}) columns.push_back({title, Align::kRight});
  if (holds) columns.push_back({"HELD", Align::kLeft, true});
  Table table(std::move(columns), true);
  for (const v1::NodeChange& row : rows) {
    std::vector<Cell> cells = {{row.node()}, {row.host()}};
    if (!one_image) cells.push_back({FormatImageChange(row)});
    if (moves) cells.push_back({fmt::format("{} -> {}", row.from_org(), row.org())});
    for (const DimensionView& d : kDimensionViews) {
      cells.push_back({FormatChange(d, (row.before().*d.get)(), (row.after().*d.get)(),
                                    (row.difference().*d.get)(), row.from_image().empty())});
    }
    if (holds) cells.push_back({HoldsAnything(row.held()) ? FormatResources(row.held()) : ""});
    table.AddRow(std::move(cells));
  }
  context.Detail(table);
}

void AddHostRows(const v1::HostChange& host, bool holds, Table& table) {
  auto coloured = [](std::string text, int64_t value) {
    return Cell{std::move(text), value < 0 ? Colour::kRed : Colour::kNone};
  };
  std::vector<Cell> count = {{host.host()},
                             {"nodes"},
                             {std::to_string(host.books_before().node_count())},
                             {std::to_string(host.books_after().node_count())},
                             {FormatSignedCount(host.difference().node_count())}};
  table.AddRow(std::move(count));
  for (const DimensionView& d : kDimensionViews) {
    const int64_t free = (host.free_after().*d.get)();
    const int64_t difference = (host.difference().allocated().*d.get)();
    std::vector<std::string> texts = FormatAlike(
        d, {(host.books_before().allocated().*d.get)(), (host.books_after().allocated().*d.get)(),
            difference, (host.held_after().*d.get)(), (host.capacity().*d.get)(), free});
    if (difference > 0) texts[2].insert(0, "+");
    if (difference == 0) texts[2] = "0";
    std::vector<Cell> cells = {{}, {std::string(d.word)}, {texts[0]}, {texts[1]}, {texts[2]}};
    if (holds) cells.push_back({texts[3]});
    cells.push_back({texts[4]});
    cells.push_back(coloured(texts[5], free));
    table.AddRow(std::move(cells));
  }
}

bool IsOverCapacity(const v1::HostChange& host) {
  return std::ranges::any_of(kDimensionViews, [&](const DimensionView& dimension) {
    return (host.free_after().*dimension.get)() < 0;
  });
}

void PrintHostChanges(Context& context, const v1::Changes& changes) {
  if (changes.hosts().empty()) return;
  const bool holds = std::ranges::any_of(
      changes.hosts(), [](const auto& host) { return HoldsAnything(host.held_after()); });
  std::vector<Column> columns = {{"HOST", Align::kLeft, true},
                                 {"DIMENSION"},
                                 {"BEFORE", Align::kRight},
                                 {"AFTER", Align::kRight},
                                 {"DIFFERENCE", Align::kRight}};
  if (holds) columns.push_back({"HELD", Align::kRight});
  columns.push_back({"CAPACITY", Align::kRight});
  columns.push_back({"FREE", Align::kRight});
  Table table(std::move(columns), true);
  // A plan is shown whole. Of what is done, some hosts stand for many.
  constexpr int kHostsShownMax = 8;
  constexpr int kHostsShown = 3;
  const bool shows_all =
      !changes.applied() || context.globals().wide || changes.hosts_size() <= kHostsShownMax;
  int left_out = 0;
  for (int i = 0; i < changes.hosts_size(); ++i) {
    if (shows_all || i < kHostsShown || IsOverCapacity(changes.hosts(i))) {
      AddHostRows(changes.hosts(i), holds, table);
    } else {
      ++left_out;
    }
  }
  context.Detail("");
  context.Detail(table);
  if (left_out > 0) context.Detail(Counted(left_out, "more host") + " (-o wide)", Colour::kDim);
}

void PrintCorrections(Context& context, const v1::Changes& changes) {
  google::protobuf::RepeatedPtrField<v1::Drift> drifts;
  for (const v1::HostChange& host : changes.hosts()) drifts.MergeFrom(host.corrections());
  if (drifts.empty()) return;
  context.Detail("");
  context.Detail(changes.applied() ? "drift that was found and settled on the way:"
                                   : "drift that was found and would be settled on the way:",
                 Colour::kYellow);
  context.Detail(DriftTable(drifts));
}

// "+72 cores, ..." over all hosts; empty when nothing changes or the sum is beyond 64 bits.
std::string FormatTotal(const v1::Changes& changes) {
  v1::Resources total;
  int64_t sums[3] = {0, 0, 0};
  for (const v1::HostChange& host : changes.hosts()) {
    for (size_t i = 0; i < kDimensionViews.size(); ++i) {
      const int64_t part = (host.difference().allocated().*kDimensionViews[i].get)();
      if (__builtin_add_overflow(sums[i], part, &sums[i])) return {};
    }
  }
  if (std::ranges::all_of(sums, [](int64_t sum) { return sum == 0; })) return {};
  total.set_cpu_cores(sums[0]);
  total.set_memory_bytes(sums[1]);
  total.set_disk_bytes(sums[2]);
  return ": " + FormatSignedResources(total);
}

// Of one that is gone the last report says nothing any more.
bool IsUnwell(const v1::Node& node) {
  const v1::ReportedNode& said = node.reported();
  if (node.has_released_at()) return false;
  return said.health() == v1::HEALTH_UNHEALTHY || !said.problem().empty();
}

}  // namespace

void PrintFields(Context& context, const std::vector<std::pair<std::string, std::string>>& fields) {
  Table table({{""}, {""}});
  for (const auto& [name, value] : fields) {
    if (!value.empty()) table.AddRow({{name, Colour::kDim}, {value}});
  }
  context.Detail(table);
}

void PrintBlock(Context& context, std::string_view title, std::string_view text, Colour colour) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.empty()) return;
  context.Detail("");
  context.Detail(title, Colour::kDim);
  while (true) {
    const size_t end = text.find('\n');
    context.Detail("  " + Printable(text.substr(0, end)), colour);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

void PrintList(Context& context, const Table& table, std::string_view when_empty) {
  if (table.empty()) {
    context.Detail(when_empty);
  } else {
    context.Detail(table);
  }
}

void PrintBelow(Context& context, const Table& table) {
  if (table.empty()) return;
  context.Detail("");
  context.Detail(table);
}

void PrintOutcome(Context& context, bool applied, std::string_view done,
                  const std::string& plan_token) {
  if (applied) {
    context.Line(done, Colour::kGreen);
    return;
  }
  context.Line("This is only a plan; nothing was changed.");
  if (!plan_token.empty()) context.Line("plan token: " + plan_token);
}

std::vector<Cell> DriftRow(const v1::Drift& drift) {
  return {{EnumWord(drift.kind())},
          {drift.host()},
          {drift.node()},
          {drift.dimension()},
          {std::to_string(drift.stored()), Colour::kRed},
          {std::to_string(drift.true_value())},
          {FormatSignedCount(drift.difference())}};
}

Table DriftTable(const google::protobuf::RepeatedPtrField<v1::Drift>& drifts) {
  Table table({{"WHAT"},
               {"HOST", Align::kLeft, true},
               {"NODE", Align::kLeft, true},
               {"DIMENSION"},
               {"STORED", Align::kRight},
               {"TRUE", Align::kRight},
               {"DIFFERENCE", Align::kRight}},
              true);
  for (const v1::Drift& drift : drifts) table.AddRow(DriftRow(drift));
  return table;
}

Table FirewallTable(const google::protobuf::RepeatedPtrField<v1::FirewallRule>& rules) {
  Table table({{"FIREWALL RULE", Align::kLeft, true},
               {"WAY"},
               {"ACTION"},
               {"TRANSPORT"},
               {"PORTS", Align::kLeft, true},
               {"ADDRESSES", Align::kLeft, true}});
  for (const v1::FirewallRule& rule : rules) {
    table.AddRow({{rule.key()},
                  {EnumWord(rule.direction())},
                  {EnumWord(rule.action())},
                  {EnumWord(rule.transport())},
                  {rule.ports().empty() ? "any" : fmt::format("{}", fmt::join(rule.ports(), ","))},
                  {rule.ips().empty() ? "any" : fmt::format("{}", fmt::join(rule.ips(), ","))}});
  }
  return table;
}

Cell HostState(const v1::Host& host) {
  if (host.has_retired_at()) return {"retired", Colour::kDim};
  std::string state = EnumWord(host.liveness());
  std::ranges::replace(state, '_', ' ');
  if (host.has_drain()) {
    state += host.drain().drained() ? ", drained" : ", draining";
  } else if (host.cordoned()) {
    state += ", cordoned";
  }
  const bool silent = host.liveness() == v1::LIVENESS_SILENT;
  return {std::move(state), silent ? Colour::kRed : Colour::kNone};
}

void PrintClaims(Context& context, const v1::Host& host) {
  if (host.claims().empty()) return;
  Table table(
      {{"CORDONED BY", Align::kLeft, true}, {"SINCE"}, {"REASON", Align::kLeft, true, true}});
  for (const v1::HostClaim& claim : host.claims()) {
    table.AddRow(
        {{claim.owner()}, {FormatTimestamp(claim.created_at())}, {Printable(claim.reason())}});
  }
  context.Detail("");
  context.Detail(table);
}

void PrintDrain(Context& context, const v1::Host& host) {
  const v1::HostDrain& drain = host.drain();
  if (!host.has_drain() || drain.drained()) return;
  Table table({{"WAITS FOR", Align::kLeft, true}, {"BECAUSE", Align::kLeft, true, true}});
  for (const v1::DrainWait& wait : drain.waits())
    table.AddRow({{wait.node().empty() ? wait.node_id() : wait.node()}, {wait.why()}});
  if (const int64_t more = drain.wait_count() - drain.waits_size(); more > 0)
    table.AddRow({{Counted(more, "more")}, {}});
  if (!drain.status_since())
    table.AddRow({{"the host"}, {"it sent no complete status since it was drained"}});
  context.Detail("");
  context.Detail(table);
}

std::vector<Column> NodeColumns(NodeTableOf of) {
  std::vector<Column> columns = {{"NODE", Align::kLeft, true}, {"ORG", Align::kLeft, true}};
  if (of == NodeTableOf::kFleet) columns.push_back({"HOST", Align::kLeft, true});
  columns.push_back({"IMAGE", Align::kLeft, true});
  columns.push_back({"STATE"});
  for (const char* title : {"CPU", "MEMORY", "DISK"}) columns.push_back({title, Align::kRight});
  if (of == NodeTableOf::kFleet) {
    for (const char* title : {"REGION", "HEALTH", "RUNS", "CREATED", "UPDATED", "ID"})
      columns.push_back({.title = title, .is_wide = true});
  }
  return columns;
}

std::vector<Cell> NodeRow(const v1::Node& node, NodeTableOf of) {
  std::string state = EnumWord(node.node_state());
  const std::string next = EnumWord(node.next_state());
  if (!next.empty()) state += " -> " + next;
  std::vector<Cell> row = {{node.name()}, {node.org()}};
  if (of == NodeTableOf::kFleet) row.push_back({node.host()});
  row.push_back({node.image()});
  const bool failed = node.node_state() == v1::NODE_STATE_FAILED;
  const bool unwell = IsUnwell(node);
  const bool unheard = node.has_host_silent_since() && !node.has_released_at();
  // What the host said last may not be so any more.
  if (unheard)
    state += ", host silent";
  else if (unwell)
    state += node.reported().health() == v1::HEALTH_UNHEALTHY ? ", unhealthy" : ", has a problem";
  row.push_back({std::move(state), failed || unwell || unheard ? Colour::kRed : Colour::kNone});
  for (const DimensionView& d : kDimensionViews)
    row.push_back({FormatAmount(d, (node.resources().*d.get)())});
  if (of == NodeTableOf::kFleet) {
    for (std::string text :
         {node.region(), EnumWord(node.reported().health()), node.running_image(),
          FormatTimestamp(node.created_at()), FormatTimestamp(node.updated_at()), node.id()})
      row.push_back({std::move(text)});
  }
  return row;
}

void PrintCharges(Context& context, const v1::Changes& changes) {
  PrintNodeChanges(context, changes);
  PrintHostChanges(context, changes);
  PrintCorrections(context, changes);
}

void PrintChanges(Context& context, const v1::Changes& changes, std::string_view done) {
  PrintCharges(context, changes);
  context.Detail("");
  // Some changes concern no counter of any host, and then there is no row of one.
  const std::string hosts =
      changes.hosts().empty() ? "" : " on " + Counted(changes.hosts_size(), "host");
  PrintOutcome(context, changes.applied(),
               fmt::format("{} {}{}{}.", done, Counted(changes.nodes_size(), "node"), hosts,
                           FormatTotal(changes)),
               changes.plan_token());
}

}  // namespace tallyman::cli
