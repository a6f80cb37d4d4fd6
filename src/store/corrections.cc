#include "store/corrections.h"

#include <boost/json.hpp>

#include "base/json_text.h"

namespace tallyman::store {
namespace {

void AppendText(std::string& out, std::string_view key, std::string_view text) {
  AppendJsonKey(out, key);
  AppendJsonString(out, text);
  out += ',';
}

bool Take(const boost::json::object& from, std::string_view key, std::string& to) {
  const boost::json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_string()) return false;
  to = std::string_view(value->get_string());
  return true;
}

bool Take(const boost::json::object& from, std::string_view key, int64_t& to) {
  const boost::json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_int64()) return false;
  to = value->get_int64();
  return true;
}

bool ReadDrift(const boost::json::value& from, Drift& drift) {
  const boost::json::object* object = from.if_object();
  std::string kind, host, node;
  if (object == nullptr || !Take(*object, "kind", kind) || !Take(*object, "host_id", host) ||
      !Take(*object, "node_id", node) || !Take(*object, "host", drift.host_name) ||
      !Take(*object, "node", drift.node_name) || !Take(*object, "dimension", drift.dimension) ||
      !Take(*object, "stored", drift.stored) || !Take(*object, "true", drift.true_value)) {
    return false;
  }
  auto kind_word = FromText<DriftKind>(kind);
  auto host_id = HostId::Parse(host);
  if (!node.empty()) drift.node_id = NodeId::Parse(node);
  if (!kind_word || !host_id || (!node.empty() && !drift.node_id)) return false;
  drift.kind = *kind_word;
  drift.host_id = *host_id;
  return true;
}

}  // namespace

std::string CorrectionsToJson(const std::vector<Drift>& corrections) {
  std::string out = "[";
  for (const Drift& drift : corrections) {
    if (out.size() > 1) out += ',';
    out += '{';
    AppendText(out, "kind", ToText(drift.kind));
    AppendText(out, "host_id", drift.host_id.ToString());
    AppendText(out, "host", drift.host_name);
    AppendText(out, "node_id", drift.node_id ? drift.node_id->ToString() : "");
    AppendText(out, "node", drift.node_name);
    AppendText(out, "dimension", drift.dimension);
    AppendJsonKey(out, "stored");
    out += std::to_string(drift.stored) + ',';
    AppendJsonKey(out, "true");
    out += std::to_string(drift.true_value) + '}';
  }
  return out + "]";
}

bool CorrectionsFromJson(std::string_view text, std::vector<Drift>& corrections) {
  boost::system::error_code error;
  boost::json::value root =
      boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  if (error || !root.is_array()) return false;
  for (const boost::json::value& item : root.get_array()) {
    if (!ReadDrift(item, corrections.emplace_back())) return false;
  }
  return true;
}

}  // namespace tallyman::store
