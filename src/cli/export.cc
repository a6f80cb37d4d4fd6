// The word that declares in a file what is there.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/text.h"
#include "cli/document.h"
#include "cli/fleet_document.h"
#include "cli/fleet_state.h"
#include "cli/nouns.h"
#include "cli/progress.h"

namespace tallyman::cli {
namespace {

struct FleetExport {
  std::string file = "-";
};

Status ReadConfigs(Context& context, FleetState& state) {
  Progress progress(context, "reading nodes", static_cast<int64_t>(state.nodes.size()));
  int64_t done = 0;
  for (auto at = state.nodes.begin(); at != state.nodes.end(); progress.Advance(++done)) {
    v1::GetNodeRequest request;
    request.set_node(at->second.id());
    const auto response = context.Call<v1::GetNodeResponse>(request);
    // Deleted since it was listed.
    if (!response && response.error().code == Code::kNotFound) {
      at = state.nodes.erase(at);
      continue;
    }
    if (!response) return Fail(response.error());
    at->second = response->node();
    ++at;
  }
  return {};
}

Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const bool is_open = file.is_open();
  file << text;
  if (file) file.close();
  if (file) return {};
  return Fail(InvalidArgument(
      "FILE_UNWRITABLE", fmt::format("the file {} cannot be written: {}{}", Quote(path),
                                     std::strerror(errno), is_open ? "; it is not whole" : "")));
}

void WarnOf(Context& context, const std::vector<std::string>& left_out) {
  if (left_out.empty()) return;
  v1::Changes changes;
  v1::Warning& warning = *changes.add_warnings();
  warning.set_reason("VALUES_LEFT_OUT");
  warning.set_message(fmt::format(
      "values that nodes have kept of older images are left out, as no new node can be given them: "
      "{}",
      fmt::join(left_out, ", ")));
  context.TakeWarnings(changes);
}

ExitStatus ExportFleet(Context& context, FleetExport& options) {
  ASSIGN_OR_RETURN(FleetState state, ReadState(context));
  RETURN_IF_ERROR(ReadConfigs(context, state));
  const FleetDocument fleet = DocumentOf(state);
  WarnOf(context, fleet.left_out);
  const bool is_json = context.globals().output == OutputFormat::kJson;
  const std::string text = is_json ? ToJsonText(fleet.document) : ToYamlText(fleet.document);
  if (options.file == "-") {
    context.environment().out << text;
    return kExitDone;
  }
  RETURN_IF_ERROR(WriteFile(options.file, text));
  context.Confirm("file", options.file, fmt::format("Wrote {}.", Printable(options.file)));
  return kExitDone;
}

}  // namespace

void DefineExport(Word root) {
  auto [verb, options] = root.Verb<FleetExport>(
      "export", "Write a fleet file of what is there, for apply and diff; secrets are only named",
      "  tallyman export > fleet.yaml\n"
      "  tallyman export -f fleet.yaml\n"
      "  tallyman apply -f fleet.yaml --dry-run",
      ExportFleet);
  verb.Text("-f,--file", "FILE", &options.file, "Where to, - for standard output (default)");
}

}  // namespace tallyman::cli
