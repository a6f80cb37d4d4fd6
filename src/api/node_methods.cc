// NodeService: the methods that change nodes. Those that only read are in node_queries.cc.
#include <fmt/core.h>

#include <algorithm>

#include "api/convert.h"
#include "api/method.h"
#include "api/node_queries.h"
#include "base/checked.h"
#include "control/nodes/nodes.h"

namespace tallyman::api {
namespace {

// Every mutation of nodes answers with Changes.
template <class Response>
control::Encode<control::Changes> EncodeAs() {
  return [](const control::Changes& changes) {
    Response response;
    *response.mutable_changes() = ToMessage(changes);
    if constexpr (requires { response.set_same_config(true); })
      response.set_same_config(changes.same_config);
    return Serialize(response);
  };
}

std::map<std::string, std::string> MapOf(
    const google::protobuf::Map<std::string, std::string>& values) {
  return {values.begin(), values.end()};
}

Status SetNaming(const v1::CreateNodesRequest& request, control::CreateNodesRequest& wanted) {
  wanted.names = Texts(request.names());
  if (!wanted.names.empty() && request.naming_case() != v1::CreateNodesRequest::NAMING_NOT_SET) {
    return Fail(InvalidField("NAMES_AND_NAME", "names",
                             "is set together with name or name_prefix: leave those out"));
  }
  switch (request.naming_case()) {
    case v1::CreateNodesRequest::kName:
      wanted.name = request.name();
      if (wanted.name.empty()) return Fail(InvalidField("INVALID_NAME", "name", "is empty"));
      break;
    case v1::CreateNodesRequest::kNamePrefix:
      wanted.name_prefix = request.name_prefix();
      if (wanted.name_prefix.empty())
        return Fail(InvalidField("INVALID_NAME", "name_prefix", "is empty"));
      break;
    case v1::CreateNodesRequest::NAMING_NOT_SET:
      break;
  }
  return {};
}

Status SetHosts(const v1::CreateNodesRequest& request, control::CreateNodesRequest& wanted) {
  if (request.by_hosts().hosts().empty())
    return Fail(InvalidField("NO_HOSTS", "by_hosts.hosts", "is empty"));
  int64_t sum = 0;
  for (const v1::HostCount& item : request.by_hosts().hosts()) {
    wanted.by_hosts.emplace_back(item.host(), item.count());
    auto next = CheckedAdd(sum, item.count());
    if (!next || item.count() < 1) {
      return Fail(InvalidField(
          "INVALID_COUNT", fmt::format("by_hosts.hosts[{}].count", wanted.by_hosts.size() - 1),
          fmt::format("is {}: ask for at least 1 node on each host", item.count())));
    }
    sum = *next;
  }
  if (request.count() != 0 && request.count() != sum) {
    return Fail(
        InvalidField("INVALID_COUNT", "count",
                     fmt::format("is {}, but the counts in by_hosts add up to {}: leave it out",
                                 request.count(), sum)));
  }
  wanted.count = sum;
  return {};
}

Status SetPlacement(const v1::CreateNodesRequest& request, control::CreateNodesRequest& wanted) {
  switch (request.placement_case()) {
    case v1::CreateNodesRequest::kByHosts:
      return SetHosts(request, wanted);
    case v1::CreateNodesRequest::kByRegion:
      wanted.region = request.by_region().region();
      if (wanted.region.empty())
        return Fail(InvalidField("NO_REGION", "by_region.region", "is empty"));
      if (request.by_region().strategy() == v1::PLACEMENT_STRATEGY_PACK)
        wanted.strategy = PlacementStrategy::kPack;
      wanted.count = request.count();
      if (wanted.count == 0) wanted.count = std::max<int64_t>(1, request.names_size());
      return {};
    case v1::CreateNodesRequest::PLACEMENT_NOT_SET:
      break;
  }
  return Fail(InvalidField("NO_PLACEMENT", "placement", "is missing: say by_hosts or by_region"));
}

Status DoCreateNodes(control::Control& control, control::Call call,
                     const v1::CreateNodesRequest& request, control::Done done) {
  control::CreateNodesRequest wanted;
  wanted.image = request.image();
  wanted.org = request.org();
  RETURN_IF_ERROR(SetNaming(request, wanted));
  RETURN_IF_ERROR(SetPlacement(request, wanted));
  wanted.config.set = MapOf(request.values());
  if (!request.firewall_rules().empty()) {
    ASSIGN_OR_RETURN(wanted.config.firewall_rules,
                     FromMessage("firewall_rules", request.firewall_rules()));
  }
  wanted.auto_upgrade = request.auto_upgrade();
  wanted.plan = PlanOf(request);
  control::Run(control, std::move(call), control::CreateNodes, wanted,
               EncodeAs<v1::CreateNodesResponse>(), std::move(done));
  return {};
}

Status DoUpdateNode(control::Control& control, control::Call call,
                    const v1::UpdateNodeRequest& request, control::Done done) {
  control::UpdateNodeRequest wanted;
  wanted.node = request.node();
  wanted.set_values = MapOf(request.set_values());
  wanted.reset_values = Texts(request.reset_values());
  ASSIGN_OR_RETURN(wanted.set_firewall_rules,
                   FromMessage("set_firewall_rules", request.set_firewall_rules()));
  wanted.reset_firewall_rules = Texts(request.reset_firewall_rules());
  if (request.has_auto_upgrade()) wanted.auto_upgrade = request.auto_upgrade();
  wanted.expected_version = request.expected_version();
  wanted.plan = PlanOf(request);
  control::Run(control, std::move(call), control::UpdateNode, wanted,
               EncodeAs<v1::UpdateNodeResponse>(), std::move(done));
  return {};
}

Status DoUpgradeNodes(control::Control& control, control::Call call,
                      const v1::UpgradeNodesRequest& request, control::Done done) {
  control::UpgradeNodesRequest wanted;
  wanted.nodes = Texts(request.nodes());
  if (request.has_selector()) {
    if (!wanted.nodes.empty()) {
      return Fail(InvalidField("NODES_AND_SELECTOR", "selector",
                               "is set together with nodes: name nodes or select them"));
    }
    wanted.selector = FromMessage(request.selector());
  }
  wanted.image = request.image();
  RETURN_IF_ERROR(TakeSpan("INVALID_BEGIN_WITHIN", "begin_within", request.has_begin_within(),
                           request.begin_within(), wanted.begin_within));
  wanted.plan = PlanOf(request);
  auto encode = [](const control::Changes& changes) {
    v1::UpgradeNodesResponse response;
    *response.mutable_changes() = ToMessage(changes);
    response.set_same_image_count(changes.same_image_count);
    response.set_deleting_count(changes.deleting_count);
    return Serialize(response);
  };
  control::Run(control, std::move(call), control::UpgradeNodes, wanted, encode, std::move(done));
  return {};
}

Status DoRetryUpgrade(control::Control& control, control::Call call,
                      const v1::RetryUpgradeRequest& request, control::Done done) {
  control::RetryUpgradeRequest wanted{.node = request.node(),
                                      .expected_version = request.expected_version(),
                                      .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::RetryUpgrade, wanted,
               EncodeAs<v1::RetryUpgradeResponse>(), std::move(done));
  return {};
}

Status DoMoveNodes(control::Control& control, control::Call call,
                   const v1::MoveNodesRequest& request, control::Done done) {
  control::MoveNodesRequest wanted{
      .nodes = Texts(request.nodes()), .org = request.org(), .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::MoveNodes, wanted,
               EncodeAs<v1::MoveNodesResponse>(), std::move(done));
  return {};
}

template <class Response, CommandKind kKind, class Request>
Status DoCommandNodes(control::Control& control, control::Call call, const Request& request,
                      control::Done done) {
  control::NodeCommandRequest wanted{
      .nodes = Texts(request.nodes()), .kind = kKind, .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::CommandNodes, wanted, EncodeAs<Response>(),
               std::move(done));
  return {};
}

Status DoDeleteNodes(control::Control& control, control::Call call,
                     const v1::DeleteNodesRequest& request, control::Done done) {
  control::DeleteNodesRequest wanted{.nodes = Texts(request.nodes()), .plan = PlanOf(request)};
  control::Run(control, std::move(call), control::DeleteNodes, wanted,
               EncodeAs<v1::DeleteNodesResponse>(), std::move(done));
  return {};
}

}  // namespace

std::vector<Method> NodeMethods() {
  return {
      WriteMethod<v1::CreateNodesResponse>("tallyman.v1.NodeService/CreateNodes", DoCreateNodes),
      ReadMethod("tallyman.v1.NodeService/GetNode", GetNodeMessage),
      ReadMethod("tallyman.v1.NodeService/ListNodes", ListNodeMessages),
      WriteMethod<v1::UpdateNodeResponse>("tallyman.v1.NodeService/UpdateNode", DoUpdateNode),
      WriteMethod<v1::UpgradeNodesResponse>("tallyman.v1.NodeService/UpgradeNodes", DoUpgradeNodes),
      WriteMethod<v1::RetryUpgradeResponse>("tallyman.v1.NodeService/RetryUpgrade", DoRetryUpgrade),
      WriteMethod<v1::MoveNodesResponse>("tallyman.v1.NodeService/MoveNodes", DoMoveNodes),
      WriteMethod<v1::StartNodesResponse>(
          "tallyman.v1.NodeService/StartNodes",
          DoCommandNodes<v1::StartNodesResponse, CommandKind::kStart, v1::StartNodesRequest>),
      WriteMethod<v1::StopNodesResponse>(
          "tallyman.v1.NodeService/StopNodes",
          DoCommandNodes<v1::StopNodesResponse, CommandKind::kStop, v1::StopNodesRequest>),
      WriteMethod<v1::RestartNodesResponse>(
          "tallyman.v1.NodeService/RestartNodes",
          DoCommandNodes<v1::RestartNodesResponse, CommandKind::kRestart, v1::RestartNodesRequest>),
      WriteMethod<v1::DeleteNodesResponse>("tallyman.v1.NodeService/DeleteNodes", DoDeleteNodes),
  };
}

}  // namespace tallyman::api
