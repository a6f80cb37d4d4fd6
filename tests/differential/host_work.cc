#include "tests/differential/host_work.h"

#include <algorithm>

namespace tallyman {
namespace {

struct Amount {
  const char* dimension;
  int64_t Resources::* of;
};
constexpr Amount kAmounts[] = {{"cpu_cores", &Resources::cpu_cores},
                               {"memory_bytes", &Resources::memory_bytes},
                               {"disk_bytes", &Resources::disk_bytes}};

v1::Warning Over(const PlainHost& host, const char* dimension) {
  v1::Warning warning;
  warning.set_reason("OVER_CAPACITY");
  warning.set_host(host.name);
  warning.set_dimension(dimension);
  return warning;
}

}  // namespace

std::vector<v1::Warning> OverCapacity(const PlainHost& host) {
  std::vector<v1::Warning> warnings;
  for (const Amount& amount : kAmounts) {
    if (host.Free().*amount.of < 0) warnings.push_back(Over(host, amount.dimension));
  }
  return warnings;
}

void HostWork::Open(const std::set<std::string>& hosts, const std::vector<PlainNode*>& at_hand,
                    bool looks) {
  PlainFleet& fleet = p_.after;
  for (const std::string& name : hosts) {
    const PlainHost& host = fleet.hosts.at(name);
    work_[name] = {.stored = host, .settled = host, .touched = false};
  }
  for (const PlainNode* node : at_hand) looks |= node->fields != node->config->needs;
  for (const std::string& name : hosts) {
    const PlainHost& host = fleet.hosts.at(name);
    looks |= host.books != fleet.SumOf(name) || host.held != fleet.HeldOf(name);
  }
  if (!looks) return;
  for (auto& [name, work] : work_) Settle(name, work, at_hand);
}

void HostWork::Settle(const std::string& name, Work& work, const std::vector<PlainNode*>& at_hand) {
  PlainFleet& fleet = p_.after;
  PlainHost& host = fleet.hosts.at(name);
  for (PlainNode* node : at_hand) {
    if (node->host != name) continue;
    Differ(work.corrections, v1::DRIFT_KIND_NODE_FIELDS, host, node, node->fields,
           node->config->needs);
    node->fields = node->config->needs;
  }
  Books truth = fleet.SumOf(name);
  Differ(work.corrections, v1::DRIFT_KIND_HOST_BOOKS, host, host.books, truth);
  Differ(work.corrections, v1::DRIFT_KIND_HOST_HOLD, host, nullptr, host.held, fleet.HeldOf(name));
  Differ(work.corrections, v1::DRIFT_KIND_LEDGER, host, host.ledger_balance, truth);
  if (work.corrections.empty()) return;
  if (fleet.policies.abort_on_drift) {
    p_.Refuse("HOST_BOOKS_DRIFTED");
    return;
  }
  host.books = truth;
  host.held = fleet.HeldOf(name);
  work.settled = host;
  // The correction brings the ledger to the truth, whatever it said before.
  host.Enter(Minus(truth, host.ledger_balance), true);
  Touch(name);
}

PlainHost& HostWork::Touch(const std::string& name) {
  Work& work = work_.at(name);
  PlainHost& host = p_.after.hosts.at(name);
  work.touched = true;
  host.version = work.stored.version + 1;
  return host;
}

void HostWork::Move(const PlainNode& node, const Books& before, const Books& after) {
  PlainHost& host = Touch(node.host);
  Books delta = Minus(after, before);
  host.books = Plus(host.books, delta);
  host.Enter(delta, false);
}

void HostWork::SetHold(PlainNode& node, const Resources& held) {
  if (node.held == held) return;
  PlainHost& host = Touch(node.host);
  host.held = Plus(Minus(host.held, node.held), held);
  node.held = held;
}

void HostWork::CheckCapacity() {
  std::vector<PlainHost*> hosts;
  for (auto& [name, work] : work_) hosts.push_back(&p_.after.hosts.at(name));
  std::ranges::sort(hosts, {}, &PlainHost::id);
  for (PlainHost* host : hosts) {
    bool enforce = host->policy ? host->policy == CapacityPolicy::kEnforce
                                : p_.after.policies.enforce_capacity;
    Resources free_before = work_.at(host->name).settled.Free(), free = host->Free();
    for (const Amount& amount : kAmounts) {
      bool grows = free.*amount.of < free_before.*amount.of;
      if (!grows || free.*amount.of >= 0) continue;
      if (enforce) p_.Refuse("HOST_CAPACITY_EXCEEDED");
      warnings_.push_back(Over(*host, amount.dimension));
    }
  }
}

void HostWork::WarnOfUnheard(const std::vector<std::string>& placed) {
  const auto warn = [this](const char* reason, const std::string& host) {
    v1::Warning& warning = warnings_.emplace_back();
    warning.set_reason(reason);
    warning.set_host(host);
  };
  std::string first_never_heard;
  for (const std::string& name : std::set<std::string>(placed.begin(), placed.end())) {
    const PlainHost& host = p_.after.hosts.at(name);
    if (host.silent) warn("HOST_SILENT", name);
    if (!host.heard && first_never_heard.empty()) first_never_heard = name;
  }
  const bool has_agents =
      std::ranges::any_of(p_.after.hosts, [](const auto& entry) { return entry.second.heard; });
  if (has_agents && !first_never_heard.empty()) warn("HOST_NEVER_HEARD", first_never_heard);
}

void HostWork::Hear(const std::string& name) {
  PlainHost& host = p_.after.hosts.at(name);
  if (!host.heard || host.silent) Touch(name);
  host.heard = true;
  host.silent = false;
}

void HostWork::Finish(v1::Changes& changes) {
  for (const v1::Warning& warning : warnings_) *changes.add_warnings() = warning;
  for (const auto& [name, work] : work_) {
    if (!work.touched) continue;
    p_.hosts_touched.insert(name);
    const PlainHost& after = p_.after.hosts.at(name);
    v1::HostChange& out = *changes.add_hosts();
    out.set_host(name);
    out.set_host_id(after.id);
    *out.mutable_capacity() = MessageOf(after.capacity);
    *out.mutable_books_before() = MessageOf(work.stored.books);
    *out.mutable_books_after() = MessageOf(after.books);
    *out.mutable_difference() = MessageOf(Minus(after.books, work.settled.books));
    *out.mutable_held_before() = MessageOf(work.stored.held);
    *out.mutable_held_after() = MessageOf(after.held);
    *out.mutable_free_after() = MessageOf(after.Free());
    for (const v1::Warning& warning : OverCapacity(after))
      out.add_over_capacity(warning.dimension());
    for (const v1::Warning& warning : warnings_) {
      if (warning.host() == name) *out.add_warnings() = warning;
    }
    for (const v1::Drift& drift : work.corrections) *out.add_corrections() = drift;
  }
}

}  // namespace tallyman
