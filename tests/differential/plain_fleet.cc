#include "tests/differential/plain_fleet.h"

#include <fmt/core.h>

#include <algorithm>

namespace tallyman {

Resources Plus(const Resources& a, const Resources& b) {
  return {a.cpu_cores + b.cpu_cores, a.memory_bytes + b.memory_bytes, a.disk_bytes + b.disk_bytes};
}
Resources Minus(const Resources& a, const Resources& b) {
  return {a.cpu_cores - b.cpu_cores, a.memory_bytes - b.memory_bytes, a.disk_bytes - b.disk_bytes};
}
Books Plus(const Books& a, const Books& b) {
  return {a.node_count + b.node_count, Plus(a.allocated, b.allocated)};
}
Books Minus(const Books& a, const Books& b) {
  return {a.node_count - b.node_count, Minus(a.allocated, b.allocated)};
}
Resources Largest(const Resources& a, const Resources& b) {
  return {std::max(a.cpu_cores, b.cpu_cores), std::max(a.memory_bytes, b.memory_bytes),
          std::max(a.disk_bytes, b.disk_bytes)};
}

v1::Resources MessageOf(const Resources& r) {
  v1::Resources out;
  out.set_cpu_cores(r.cpu_cores);
  out.set_memory_bytes(r.memory_bytes);
  out.set_disk_bytes(r.disk_bytes);
  return out;
}
v1::Books MessageOf(const Books& b) {
  v1::Books out;
  out.set_node_count(b.node_count);
  *out.mutable_allocated() = MessageOf(b.allocated);
  return out;
}
Resources ValueOf(const v1::Resources& r) {
  return {r.cpu_cores(), r.memory_bytes(), r.disk_bytes()};
}

namespace {

void DifferIn(std::vector<v1::Drift>& drifts, v1::DriftKind kind, const PlainHost& host,
              const PlainNode* node, const char* dimension, int64_t stored, int64_t truth) {
  if (stored == truth) return;
  v1::Drift& drift = drifts.emplace_back();
  drift.set_kind(kind);
  drift.set_host(host.name);
  drift.set_host_id(host.id);
  if (node != nullptr) {
    drift.set_node(node->name);
    drift.set_node_id(node->id);
  }
  drift.set_dimension(dimension);
  drift.set_stored(stored);
  drift.set_true_value(truth);
  drift.set_difference(truth - stored);
}

}  // namespace

void Differ(std::vector<v1::Drift>& drifts, v1::DriftKind kind, const PlainHost& host,
            const PlainNode* node, const Resources& stored, const Resources& truth) {
  DifferIn(drifts, kind, host, node, "cpu_cores", stored.cpu_cores, truth.cpu_cores);
  DifferIn(drifts, kind, host, node, "memory_bytes", stored.memory_bytes, truth.memory_bytes);
  DifferIn(drifts, kind, host, node, "disk_bytes", stored.disk_bytes, truth.disk_bytes);
}

void Differ(std::vector<v1::Drift>& drifts, v1::DriftKind kind, const PlainHost& host,
            const Books& stored, const Books& truth) {
  DifferIn(drifts, kind, host, nullptr, "node_count", stored.node_count, truth.node_count);
  Differ(drifts, kind, host, nullptr, stored.allocated, truth.allocated);
}

void DifferInLedger(std::vector<v1::Drift>& drifts, const PlainHost& host, const Books& truth) {
  const Books& wrong = host.ledger_total == truth ? host.ledger_balance : host.ledger_total;
  Differ(drifts, v1::DRIFT_KIND_LEDGER, host, wrong, truth);
  DifferIn(drifts, v1::DRIFT_KIND_LEDGER, host, nullptr, "ledger_breaks", host.ledger_breaks, 0);
}

std::string PlainImage::Reference() const {
  return fmt::format("{}/{}@{}+{}", protocol, variant, version, build);
}

bool PlainImage::IsVisibleTo(const std::string& viewer_org) const {
  return (org.empty() || org == viewer_org) && (protocol_org.empty() || protocol_org == viewer_org);
}

// The largest of what runs, of what is still to come, and of both ends of what failed; beyond what
// is charged.
Resources PlainNode::HoldNow() const {
  Resources largest = running ? running->needs : Resources{};
  for (const PlainCommand& command : commands) {
    if (!command.IsOfConfigs()) continue;
    if (command.to) largest = Largest(largest, command.to->needs);
    if (command.state == CommandState::kFailed && command.from)
      largest = Largest(largest, command.from->needs);
  }
  return Largest(Minus(largest, config->needs), {});
}

Resources PlainHost::Free() const { return Minus(Minus(capacity, books.allocated), held); }

void PlainHost::Enter(const Books& delta, bool is_correction) {
  if (Plus(ledger_balance, delta) != books) ++ledger_breaks;
  if (is_correction) ledger_breaks = 0;
  ledger_total = Plus(ledger_total, delta);
  ledger_balance = books;
  ++ledger_seq;
}

PlainHost* PlainFleet::FindHost(const std::string& name_or_id) {
  for (auto& [name, host] : hosts) {
    if (name == name_or_id || host.id == name_or_id) return &host;
  }
  return nullptr;
}

PlainNode* PlainFleet::FindNode(const std::string& name_or_id) {
  for (auto& [id, node] : nodes) {
    if (id == name_or_id || (node.name == name_or_id && !node.gone)) return &node;
  }
  return nullptr;
}

namespace {

const std::string* FindNamed(const std::map<std::string, std::string>& all,
                             const std::string& name_or_id) {
  for (const auto& [name, id] : all) {
    if (name == name_or_id || id == name_or_id) return &name;
  }
  return nullptr;
}

}  // namespace

const std::string* PlainFleet::FindOrg(const std::string& name_or_id) const {
  return FindNamed(orgs, name_or_id);
}
const std::string* PlainFleet::FindRegion(const std::string& name_or_id) const {
  return FindNamed(regions, name_or_id);
}

std::vector<PlainNode*> PlainFleet::LiveOn(const std::string& host) {
  std::vector<PlainNode*> live;
  for (auto& [id, node] : nodes) {
    if (!node.gone && node.host == host) live.push_back(&node);
  }
  return live;
}

void PlainFleet::NoteName(const std::string& node_name) {
  size_t dash = node_name.rfind('-');
  if (dash == std::string::npos) return;
  std::string digits = node_name.substr(dash + 1);
  if (digits.empty() || digits.size() > 9 || digits[0] == '0') return;
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) return;
  int64_t& last = last_numbers[node_name.substr(0, dash)];
  last = std::max<int64_t>(last, std::stoll(digits));
}

void PlainFleet::ForgetGone() {
  size_t gone = 0;
  for (const auto& [id, node] : nodes) gone += node.gone ? 1 : 0;
  // Ids rise with time, so the oldest come first.
  for (auto it = nodes.begin(); it != nodes.end() && gone > 10;) {
    if (!it->second.gone) {
      ++it;
      continue;
    }
    it = nodes.erase(it);
    --gone;
  }
}

Books PlainFleet::SumOf(const std::string& host) {
  Books sum;
  for (PlainNode* node : LiveOn(host)) sum = Plus(sum, {1, node->fields});
  return sum;
}

Resources PlainFleet::HeldOf(const std::string& host) {
  Resources sum;
  for (PlainNode* node : LiveOn(host)) sum = Plus(sum, node->held);
  return sum;
}

std::vector<v1::Drift> PlainFleet::DriftsOf(PlainHost& host) {
  std::vector<v1::Drift> drifts;
  for (PlainNode* node : LiveOn(host.name)) {
    Differ(drifts, v1::DRIFT_KIND_NODE_FIELDS, host, node, node->fields, node->config->needs);
    Differ(drifts, v1::DRIFT_KIND_NODE_HOLD, host, node, node->held, node->HoldNow());
  }
  Differ(drifts, v1::DRIFT_KIND_HOST_BOOKS, host, host.books, SumOf(host.name));
  Differ(drifts, v1::DRIFT_KIND_HOST_HOLD, host, nullptr, host.held, HeldOf(host.name));
  DifferInLedger(drifts, host, SumOf(host.name));
  return drifts;
}

std::vector<v1::Drift> PlainFleet::Drifts() {
  std::vector<v1::Drift> drifts;
  for (auto& [name, host] : hosts) {
    for (v1::Drift& drift : DriftsOf(host)) drifts.push_back(std::move(drift));
  }
  return drifts;
}

bool PlainFleet::HasDriftIn(const std::string& region) {
  return std::ranges::any_of(hosts, [&](auto& entry) {
    return entry.second.region == region && !DriftsOf(entry.second).empty();
  });
}

}  // namespace tallyman
