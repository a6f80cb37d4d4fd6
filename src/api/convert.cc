#include "api/convert.h"

#include <fmt/core.h>

#include <chrono>

#include "base/checked.h"

namespace tallyman::api {
namespace {

using google::protobuf::Timestamp;

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the range of a Timestamp.
constexpr int64_t kSecondsMin = -62'135'596'800;
constexpr int64_t kSecondsMax = 253'402'300'799;

Result<FirewallRule> RuleOf(const std::string& field, const v1::FirewallRule& rule) {
  auto refuse = [&](std::string_view part, std::string_view what) {
    return Fail(InvalidField("INVALID_FIREWALL_RULE", fmt::format("{}.{}", field, part), what));
  };
  FirewallRule out;
  out.key = rule.key();
  out.ips = Texts(rule.ips());
  for (uint32_t port : rule.ports()) {
    if (port < 1 || port > 65535)
      return refuse("ports", fmt::format("has {}: a port is 1 to 65535", port));
    out.ports.push_back(port);
  }
  switch (rule.direction()) {
    case v1::FIREWALL_DIRECTION_IN:
      out.direction = Direction::kIn;
      break;
    case v1::FIREWALL_DIRECTION_OUT:
      out.direction = Direction::kOut;
      break;
    default:
      return refuse("direction", "is missing: say in or out");
  }
  switch (rule.action()) {
    case v1::FIREWALL_ACTION_ALLOW:
      out.action = FirewallAction::kAllow;
      break;
    case v1::FIREWALL_ACTION_DENY:
      out.action = FirewallAction::kDeny;
      break;
    case v1::FIREWALL_ACTION_REJECT:
      out.action = FirewallAction::kReject;
      break;
    default:
      return refuse("action", "is missing: say allow, deny or reject");
  }
  switch (rule.transport()) {
    case v1::FIREWALL_TRANSPORT_TCP:
      out.transport = Transport::kTcp;
      break;
    case v1::FIREWALL_TRANSPORT_UDP:
      out.transport = Transport::kUdp;
      break;
    default:
      out.transport = Transport::kBoth;
      break;
  }
  return out;
}

}  // namespace

v1::Resources ToMessage(const Resources& resources) {
  v1::Resources out;
  out.set_cpu_cores(resources.cpu_cores);
  out.set_memory_bytes(resources.memory_bytes);
  out.set_disk_bytes(resources.disk_bytes);
  return out;
}

v1::Books ToMessage(const Books& books) {
  v1::Books out;
  out.set_node_count(books.node_count);
  *out.mutable_allocated() = ToMessage(books.allocated);
  return out;
}

v1::Drift ToMessage(const Drift& drift) {
  v1::Drift out;
  out.set_kind(ToMessage(drift.kind));
  out.set_host(drift.host_name);
  out.set_host_id(drift.host_id.ToString());
  out.set_node(drift.node_name);
  out.set_node_id(TextOf(drift.node_id));
  out.set_dimension(drift.dimension);
  out.set_stored(drift.stored);
  out.set_true_value(drift.true_value);
  // A difference beyond 64 bits is left out: it follows from the two numbers beside it.
  out.set_difference(CheckedSub(drift.true_value, drift.stored).value_or(0));
  return out;
}

v1::Warning ToMessage(const planner::Warning& warning) {
  v1::Warning out;
  out.set_reason(warning.reason);
  out.set_message(warning.message);
  out.set_host(warning.host_name);
  out.set_dimension(warning.dimension);
  return out;
}

v1::FirewallRule ToMessage(const FirewallRule& rule) {
  v1::FirewallRule out;
  out.set_key(rule.key);
  out.set_direction(rule.direction == Direction::kIn ? v1::FIREWALL_DIRECTION_IN
                                                     : v1::FIREWALL_DIRECTION_OUT);
  switch (rule.action) {
    case FirewallAction::kAllow:
      out.set_action(v1::FIREWALL_ACTION_ALLOW);
      break;
    case FirewallAction::kDeny:
      out.set_action(v1::FIREWALL_ACTION_DENY);
      break;
    case FirewallAction::kReject:
      out.set_action(v1::FIREWALL_ACTION_REJECT);
      break;
  }
  switch (rule.transport) {
    case Transport::kTcp:
      out.set_transport(v1::FIREWALL_TRANSPORT_TCP);
      break;
    case Transport::kUdp:
      out.set_transport(v1::FIREWALL_TRANSPORT_UDP);
      break;
    case Transport::kBoth:
      out.set_transport(v1::FIREWALL_TRANSPORT_BOTH);
      break;
  }
  for (const std::string& ip : rule.ips) out.add_ips(ip);
  for (int64_t port : rule.ports) out.add_ports(static_cast<uint32_t>(port));
  return out;
}

google::protobuf::Duration ToMessage(std::chrono::microseconds duration) {
  google::protobuf::Duration out;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  out.set_seconds(seconds.count());
  out.set_nanos(static_cast<int32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(duration - seconds).count()));
  return out;
}

std::optional<std::chrono::microseconds> FromMessage(const google::protobuf::Duration& duration) {
  constexpr int64_t kLengthMax = 1'000'000'000'000;  // in seconds
  if (duration.seconds() < 0 || duration.seconds() > kLengthMax || duration.nanos() < 0 ||
      duration.nanos() > 999'999'999)
    return std::nullopt;
  return std::chrono::seconds(duration.seconds()) +
         std::chrono::microseconds(duration.nanos() / 1000);
}

Status TakeSpan(std::string_view reason, std::string_view field, bool has,
                const google::protobuf::Duration& from,
                std::optional<std::chrono::microseconds>& to) {
  if (!has) return {};
  to = FromMessage(from);
  if (to) return {};
  return Fail(InvalidField(std::string(reason), std::string(field),
                           fmt::format("is {} seconds and {} nanoseconds: that is no duration",
                                       from.seconds(), from.nanos())));
}

control::NodeSelector FromMessage(const v1::NodeSelector& selector) {
  return {.protocol = selector.protocol(),
          .variant = selector.variant(),
          .semantic_version = selector.semantic_version(),
          .region = selector.region(),
          .org = selector.org()};
}

Timestamp ToMessage(Time time) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  Timestamp out;
  out.set_seconds(seconds.time_since_epoch().count());
  out.set_nanos(static_cast<int32_t>((time - seconds).count() * 1000));
  return out;
}

Error InvalidField(std::string reason, const std::string& field, std::string_view what) {
  Error error =
      InvalidArgument(std::move(reason), fmt::format("{} {}", field, what)).With("field", field);
  // The index in a batch, if the path begins with one: "images[3].minimum".
  size_t open = field.find('['), close = field.find(']');
  if (open == std::string::npos || close == std::string::npos || field.find('.') < open)
    return error;
  return std::move(error).With("index", field.substr(open + 1, close - open - 1));
}

Resources FromMessage(const v1::Resources& resources) {
  return {resources.cpu_cores(), resources.memory_bytes(), resources.disk_bytes()};
}

Result<Time> FromMessage(const std::string& field, const Timestamp& timestamp) {
  if (timestamp.seconds() < kSecondsMin || timestamp.seconds() > kSecondsMax) {
    return Fail(
        InvalidField("INVALID_TIME", field,
                     fmt::format("is {} seconds from 1970: use a time in the years 1 to 9999",
                                 timestamp.seconds())));
  }
  if (timestamp.nanos() < 0 || timestamp.nanos() > 999'999'999) {
    return Fail(
        InvalidField("INVALID_TIME", field,
                     fmt::format("has {} nanoseconds: use 0 to 999999999", timestamp.nanos())));
  }
  return Time(std::chrono::seconds(timestamp.seconds()) +
              std::chrono::microseconds(timestamp.nanos() / 1000));
}

Result<std::vector<FirewallRule>> FromMessage(
    const std::string& field, const google::protobuf::RepeatedPtrField<v1::FirewallRule>& rules) {
  std::vector<FirewallRule> out;
  for (int i = 0; i < rules.size(); ++i) {
    ASSIGN_OR_RETURN(FirewallRule rule, RuleOf(fmt::format("{}[{}]", field, i), rules[i]));
    out.push_back(std::move(rule));
  }
  return out;
}

}  // namespace tallyman::api
