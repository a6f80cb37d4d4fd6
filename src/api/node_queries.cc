#include "api/node_queries.h"

#include "api/convert.h"
#include "api/list_message.h"
#include "control/read.h"
#include "control/reads/queries.h"
#include "model/reference.h"

namespace tallyman::api {
namespace {

v1::NodeConfig MessageOf(const NodeConfig& config, const std::string& image) {
  v1::NodeConfig out;
  out.set_id(config.id.ToString());
  out.set_image(image);
  out.set_image_id(config.image_id.ToString());
  for (const auto& [key, value] : config.values) (*out.mutable_values())[key] = value;
  for (const auto& [key, sealed] : config.secrets) (*out.mutable_secrets())[key] = !sealed.empty();
  for (const FirewallRule& rule : config.firewall_rules)
    *out.add_firewall_rules() = ToMessage(rule);
  *out.mutable_resources() = ToMessage(config.resources);
  *out.mutable_created_at() = ToMessage(config.created_at);
  out.set_forgotten(config.forgotten);
  return out;
}

void PutPlace(const control::NodeView& view, v1::Node& out) {
  const store::NodeRow& row = view.row;
  const Node& node = row.node;
  out.set_org(row.org);
  out.set_org_id(node.org_id.ToString());
  out.set_host(row.host);
  out.set_host_id(node.host_id.ToString());
  out.set_region(row.region);
  out.set_region_id(TextOf(row.region_id));
  if (row.host_silent_since) *out.mutable_host_silent_since() = ToMessage(*row.host_silent_since);
}

void PutImage(const store::NodeRow& row, v1::Node& out) {
  const Node& node = row.node;
  out.set_image(row.image);
  out.set_image_id(node.image_id.ToString());
  if (auto reference = ParseImageReference(row.image)) {
    out.set_protocol(reference->protocol);
    out.set_variant(reference->variant);
  }
  out.set_protocol_id(node.protocol_id.ToString());
  out.set_semantic_version(node.semantic_version);
  out.set_protocol_version_id(node.protocol_version_id.ToString());
}

v1::ReportedNode MessageOf(const ReportedNode& reported) {
  const NodeReport& report = reported.report;
  v1::ReportedNode out;
  out.set_run_state(ToMessage(report.run_state));
  out.set_health(ToMessage(report.health));
  out.set_health_message(report.health_message);
  out.set_problem(report.problem);
  out.set_restarts(report.restarts);
  out.set_crashes(reported.crashes);
  out.set_out_of_memory(reported.out_of_memory);
  if (report.last_end) {
    v1::ContainerEnd& end = *out.mutable_last_end();
    end.set_exit_code(static_cast<int32_t>(report.last_end->exit_code));
    end.set_signal(static_cast<int32_t>(report.last_end->signal));
    end.set_out_of_memory(report.last_end->out_of_memory);
    *end.mutable_at() = ToMessage(report.last_end->at);
    end.set_output(report.last_end->output);
  }
  out.set_image_digest(report.image_digest);
  out.set_disk_used_bytes(report.disk_used_bytes);
  // Zero when incidents were counted for a node that its host does not report.
  if (reported.changed_at != Time()) *out.mutable_since() = ToMessage(reported.changed_at);
  return out;
}

v1::ReportedNode MessageOf(const NodeCondition& condition) {
  v1::ReportedNode out;
  out.set_run_state(ToMessage(condition.run_state));
  out.set_health(ToMessage(condition.health));
  out.set_problem(condition.problem);
  out.set_restarts(condition.restarts);
  return out;
}

v1::Node MessageOf(const control::NodeView& view) {
  const Node& node = view.row.node;
  v1::Node out;
  out.set_id(node.id.ToString());
  out.set_name(node.name);
  PutPlace(view, out);
  PutImage(view.row, out);
  out.set_auto_upgrade(node.auto_upgrade);
  out.set_node_state(ToMessage(node.node_state));
  out.set_next_state(ToMessage(node.next_state));
  *out.mutable_resources() = ToMessage(node.resources);
  *out.mutable_held() = ToMessage(node.held);
  out.set_config_id(node.config_id.ToString());
  if (view.config) *out.mutable_config() = MessageOf(*view.config, view.row.image);
  out.set_running_config_id(TextOf(node.running_config_id));
  out.set_running_image(view.running_image);
  out.set_version(node.version);
  *out.mutable_created_at() = ToMessage(node.created_at);
  *out.mutable_updated_at() = ToMessage(node.updated_at);
  if (node.released_at) *out.mutable_released_at() = ToMessage(*node.released_at);
  if (node.deleted_at) *out.mutable_deleted_at() = ToMessage(*node.deleted_at);
  out.set_upgrade_policy(view.upgrade_policy);
  if (view.reported) *out.mutable_reported() = MessageOf(*view.reported);
  if (view.condition) *out.mutable_reported() = MessageOf(*view.condition);
  return out;
}

}  // namespace

Result<v1::GetNodeResponse> GetNodeMessage(control::Control& control, const control::Call& call,
                                           const v1::GetNodeRequest& request) {
  ASSIGN_OR_RETURN(control::NodeView view,
                   control::Read(control, call, control::GetNode, request.node()));
  v1::GetNodeResponse response;
  *response.mutable_node() = MessageOf(view);
  return response;
}

Result<v1::ListNodesResponse> ListNodeMessages(control::Control& control, const control::Call& call,
                                               const v1::ListNodesRequest& request) {
  control::ListRequest list = ListOf(request);
  list.with_deleted = request.show_deleted();
  ASSIGN_OR_RETURN(control::Page<control::NodeView> page,
                   control::Read(control, call, control::ListNodes, list));
  v1::ListNodesResponse response;
  for (const control::NodeView& view : page.rows) *response.add_nodes() = MessageOf(view);
  response.set_next_page_token(page.next_page_token);
  return response;
}

}  // namespace tallyman::api
