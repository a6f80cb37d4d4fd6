// The word that says whether the fleet is well.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "cli/format.h"
#include "cli/nouns.h"
#include "cli/views.h"
#include "tallyman/v1/fleet.pb.h"

namespace tallyman::cli {
namespace {

// What shows more of a concern.
struct More {
  std::string_view reason;
  std::string_view command;
  bool by_org;  // takes --org
};

constexpr std::array<More, 10> kMore = {{
    {"BOOKS_DRIFTED", "tallyman audit", false},
    {"HOSTS_SILENT", "tallyman host list --filter liveness=silent", false},
    {"HOSTS_NEVER_HEARD", "tallyman host list --filter liveness=never_heard", false},
    {"HOSTS_WITH_PROBLEMS", "tallyman host list --filter has_problem=yes", false},
    {"HOSTS_OVER_CAPACITY", "tallyman host list --filter over_capacity=yes", false},
    {"NODES_FAILED", "tallyman node list --state failed", true},
    {"NODES_UNHEALTHY", "tallyman node list --filter unwell=yes", true},
    {"NODES_WITH_PROBLEMS", "tallyman node list --filter unwell=yes", true},
    {"COMMANDS_UNKNOWN", "tallyman command list --state unknown", false},
    {"COMMANDS_LATE", "tallyman command list --state open --order-by created_at --limit 20", false},
}};

// A server that is newer may know more concerns than this program.
std::string MoreOf(const v1::Concern& concern, const std::string& org) {
  const auto more = std::ranges::find(kMore, std::string_view(concern.reason()), &More::reason);
  if (more == kMore.end()) return {};
  return fmt::format("{}{}", more->command,
                     more->by_org && !org.empty() ? " --org " + org : std::string());
}

// "3 silent" after what comes before it; nothing for none.
void AddCount(std::string& text, int64_t count, std::string_view word) {
  if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, word);
}

// "12: 10 live, 2 silent"; "0".
std::string Total(int64_t total, const std::string& parts) {
  return parts.empty() ? std::to_string(total) : fmt::format("{}: {}", total, parts);
}

std::string FormatHosts(const v1::HostCounts& hosts) {
  std::string parts;
  AddCount(parts, hosts.live(), "live");
  AddCount(parts, hosts.silent(), "silent");
  AddCount(parts, hosts.never_heard(), "never heard");
  std::string among;
  AddCount(among, hosts.cordoned(), "cordoned");
  AddCount(among, hosts.draining(), "drained");
  AddCount(among, hosts.over_capacity(), "over capacity");
  AddCount(among, hosts.with_problems(), "with a problem");
  return Total(hosts.total(), parts) + (among.empty() ? "" : "; among them " + among);
}

std::string FormatNodes(const v1::NodeCounts& nodes) {
  std::string parts;
  for (const v1::NodeStateCount& state : nodes.states())
    AddCount(parts, state.nodes(), EnumWord(state.state()));
  std::string among;
  AddCount(among, nodes.unhealthy(), "unhealthy");
  AddCount(among, nodes.with_problems(), "with a problem");
  return Total(nodes.total(), parts) + (among.empty() ? "" : "; among them " + among);
}

std::string FormatCommands(const v1::CommandCounts& commands) {
  std::string parts;
  AddCount(parts, commands.open(), "open");
  AddCount(parts, commands.taken(), "taken");
  AddCount(parts, commands.unknown(), "in doubt");
  if (parts.empty()) return "none is under way";
  if (!commands.has_oldest_open_at()) return parts;
  return fmt::format("{}; the oldest open one is from {}", parts,
                     FormatTimestamp(commands.oldest_open_at()));
}

std::string FormatBooks(const v1::HostCounts& hosts) {
  const std::string said = hosts.drifted() == 0 ? "agree with the nodes on every host"
                                                : fmt::format("do not agree with the nodes on {}",
                                                              Counted(hosts.drifted(), "host"));
  return said + " (\"tallyman audit\" compares more)";
}

ExitStatus ShowStatus(Context& context, v1::GetOverviewRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetOverviewResponse>(request));
  context.Answer(response, [&] {
    PrintFields(context, {{"hosts", FormatHosts(response.hosts())},
                          {"nodes", FormatNodes(response.nodes())},
                          {"commands", FormatCommands(response.commands())},
                          {"books", FormatBooks(response.hosts())}});
    Table table({{"NOT WELL", Align::kLeft, true, true}, {"SEE", Align::kLeft}});
    for (const v1::Concern& concern : response.concerns())
      table.AddRow({{concern.message(), Colour::kRed}, {MoreOf(concern, request.org())}});
    PrintBelow(context, table);
    context.Detail("");
    if (response.concerns().empty()) {
      context.Line("The fleet is well.", Colour::kGreen);
    } else {
      context.Line(
          fmt::format("The fleet is not well: {}.", Counted(response.concerns_size(), "concern")),
          Colour::kRed);
    }
  });
  return response.concerns().empty() ? kExitDone : kExitUnwell;
}

}  // namespace

void DefineStatus(Word root) {
  auto [status, request] = root.Verb<v1::GetOverviewRequest>(
      "status", "Say whether the fleet is well: exit status 0, or 10 when something is not",
      "  tallyman status\n"
      "  tallyman status --org acme\n"
      "  tallyman -q status || tallyman status",
      ShowStatus);
  status.Text("--org", "ORG", request.mutable_org(),
              "Only what this org has (default: all that you may see)");
}

}  // namespace tallyman::cli
