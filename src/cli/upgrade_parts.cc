#include "cli/upgrade_parts.h"

#include <fmt/core.h>

#include <vector>

#include "base/digest.h"
#include "cli/list.h"
#include "cli/progress.h"
#include "tallyman/v1/catalog.pb.h"

namespace tallyman::cli {
namespace {

// Those that an upgrade by this selector would take: not those that have the image already, nor
// those that are being deleted.
Result<std::vector<std::string>> SelectedNodes(Context& context,
                                               const v1::UpgradeNodesRequest& request) {
  v1::GetImageRequest image;
  image.set_image(request.image());
  ASSIGN_OR_RETURN(const auto found, context.Call<v1::GetImageResponse>(image));
  const v1::NodeSelector& selector = request.selector();
  ListRequest<v1::ListNodesRequest> list;
  AddFilter(list.filter, "protocol", selector.protocol());
  AddFilter(list.filter, "variant", selector.variant());
  AddFilter(list.filter, "semantic_version", selector.semantic_version());
  AddFilter(list.filter, "region", selector.region());
  AddFilter(list.filter, "org", selector.org());
  std::vector<std::string> nodes;
  RETURN_IF_ERROR(EachPage<v1::ListNodesResponse>(context, list, [&](const auto& page) {
    for (const v1::Node& node : page.nodes()) {
      if (node.image_id() != found.image().id() && node.next_state() != v1::NEXT_STATE_DELETING &&
          node.node_state() != v1::NODE_STATE_DELETING && !node.has_released_at())
        nodes.push_back(node.id());
    }
  }));
  return nodes;
}

std::vector<v1::UpgradeNodesRequest> PartsOf(const v1::UpgradeNodesRequest& request,
                                             const std::vector<std::string>& nodes) {
  std::vector<v1::UpgradeNodesRequest> parts;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (i % kNodesInPart == 0) {
      parts.push_back(request);
      parts.back().clear_selector();
      parts.back().clear_nodes();
    }
    parts.back().add_nodes(nodes[i]);
  }
  for (v1::UpgradeNodesRequest& part : parts) {
    std::string names;
    for (const std::string& node : part.nodes()) names += node + "\n";
    constexpr size_t kDigits = 16;
    part.set_request_id(request.request_id() + "-" + Sha256Hex(names).substr(0, kDigits));
  }
  return parts;
}

// The same error, with what was done before it and how to go on.
Error PartFailed(Error error, size_t part, size_t parts, int64_t done,
                 const v1::UpgradeNodesRequest& request) {
  error.message = fmt::format(
      "part {} of {}: {}; {} upgraded, this part and those after it were not: repeat the command "
      "with --request-id {} to go on",
      part, parts, error.message,
      done == 0
          ? "nothing was"
          : Counted(done, "node of the parts before it is", "nodes of the parts before it are"),
      request.request_id());
  return std::move(error)
      .With("part", std::to_string(part))
      .With("parts", std::to_string(parts))
      .With("nodes_done", std::to_string(done));
}

void PrintPart(Context& context, const v1::UpgradeNodesResponse& response, size_t part,
               size_t parts) {
  if (!context.is_table()) {
    if (context.globals().output == OutputFormat::kYaml) context.environment().out << "---\n";
    context.PrintDocument(response);
  } else {
    const bool applied = response.changes().applied();
    context.Line(
        fmt::format("Part {} of {}: {} {}.", part, parts, applied ? "upgraded" : "would upgrade",
                    Counted(response.changes().nodes_size(), "node")),
        applied ? Colour::kGreen : Colour::kNone);
  }
  context.environment().out.flush();
}

}  // namespace

ExitStatus UpgradeInParts(Context& context, const v1::UpgradeNodesRequest& asked) {
  if (!asked.plan_token().empty()) {
    return Fail(InvalidArgument("INVALID_ARGUMENTS",
                                "a plan token is that of one request, and --in-parts sends "
                                "several: leave one of them out"));
  }
  v1::UpgradeNodesRequest request = asked;
  request.set_request_id(context.RequestId(asked.request_id()));
  std::vector<std::string> nodes(request.nodes().begin(), request.nodes().end());
  if (request.has_selector()) {
    ASSIGN_OR_RETURN(nodes, SelectedNodes(context, request));
  }
  const std::vector<v1::UpgradeNodesRequest> parts = PartsOf(request, nodes);
  int64_t done = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    Result<v1::UpgradeNodesResponse> response;
    {
      const Progress progress(context, fmt::format("part {} of {}", i + 1, parts.size()));
      response = context.Call<v1::UpgradeNodesResponse>(parts[i]);
    }
    if (!response) return Fail(PartFailed(response.error(), i + 1, parts.size(), done, request));
    if (!request.dry_run()) done += response->changes().nodes_size();
    PrintPart(context, *response, i + 1, parts.size());
    if (!context.environment().out) break;
  }
  if (parts.empty() && context.is_table())
    context.Line("There is nothing to upgrade.", Colour::kGreen);
  return kExitDone;
}

}  // namespace tallyman::cli
