#include "cli/requests.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "model/reference.h"
#include "tallyman/v1/org.pb.h"

namespace tallyman {
namespace {

std::vector<std::string> Split(std::string_view text, char separator, size_t parts_max = SIZE_MAX) {
  std::vector<std::string> parts;
  while (parts.size() + 1 < parts_max) {
    const size_t end = text.find(separator);
    if (end == std::string_view::npos) break;
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.emplace_back(text);
  return parts;
}

Error BadRule(std::string_view field, std::string_view text, std::string_view why) {
  return InvalidArgument(
             "INVALID_FIREWALL_RULE",
             fmt::format("{} is {}: {}; write KEY:DIRECTION:ACTION[:TRANSPORT[:PORTS[:IPS]]], "
                         "such as p2p:in:allow:both:30303",
                         field, Quote(text), why))
      .With("field", std::string(field));
}

// Sets an enum from its word; false when there is none of that word.
template <class Enum, class Parse>
bool ParseWord(std::string_view word, std::string_view prefix, Parse parse, Enum& value) {
  std::string name(prefix);
  for (const char c : word) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return parse(name, &value) && value != Enum{};
}

}  // namespace

void AddFilter(std::string& filter, std::string_view field, std::string_view value) {
  if (value.empty()) return;
  const bool quoted = value.find_first_of(" \t\n\"") != std::string_view::npos;
  filter += fmt::format("{}{}={}{}{}", filter.empty() ? "" : " ", field, quoted ? "\"" : "", value,
                        quoted ? "\"" : "");
}

Result<v1::Resources> ReadAmounts(const AmountOptions& options) {
  v1::Resources resources;
  ASSIGN_OR_RETURN(const int64_t cpu, ParseCount("--cpu", options.cpu));
  ASSIGN_OR_RETURN(const int64_t memory, ParseAmount("--memory", options.memory));
  ASSIGN_OR_RETURN(const int64_t disk, ParseAmount("--disk", options.disk));
  resources.set_cpu_cores(cpu);
  resources.set_memory_bytes(memory);
  resources.set_disk_bytes(disk);
  return resources;
}

Result<v1::FirewallRule> ReadFirewallRule(std::string_view field, std::string_view text) {
  const std::vector<std::string> parts = Split(text, ':', 6);
  if (parts.size() < 3 || parts[0].empty()) return Fail(BadRule(field, text, "a part is missing"));
  v1::FirewallRule rule;
  rule.set_key(parts[0]);
  v1::FirewallDirection direction = {};
  if (!ParseWord(parts[1], "FIREWALL_DIRECTION_", v1::FirewallDirection_Parse, direction)) {
    return Fail(BadRule(field, text, "the direction is in or out"));
  }
  rule.set_direction(direction);
  v1::FirewallAction action = {};
  if (!ParseWord(parts[2], "FIREWALL_ACTION_", v1::FirewallAction_Parse, action)) {
    return Fail(BadRule(field, text, "the action is allow, deny or reject"));
  }
  rule.set_action(action);
  v1::FirewallTransport transport = v1::FIREWALL_TRANSPORT_BOTH;
  if (parts.size() > 3 && !parts[3].empty() &&
      !ParseWord(parts[3], "FIREWALL_TRANSPORT_", v1::FirewallTransport_Parse, transport)) {
    return Fail(BadRule(field, text, "the transport is tcp, udp or both"));
  }
  rule.set_transport(transport);
  if (parts.size() > 4 && !parts[4].empty()) {
    for (const std::string& port : Split(parts[4], ',')) {
      const auto number = ParseCount("port", port);
      if (!number || *number < 1 || *number > 65535) {
        return Fail(BadRule(field, text, "a port is 1 to 65535"));
      }
      rule.add_ports(static_cast<uint32_t>(*number));
    }
  }
  if (parts.size() > 5 && !parts[5].empty()) {
    for (const std::string& ip : Split(parts[5], ',')) rule.add_ips(ip);
  }
  return rule;
}

Status ReadImageKey(std::string_view reference, v1::ImageSpec& spec) {
  ASSIGN_OR_RETURN(const ImageReference parsed, ParseImageReference(reference));
  if (parsed.build) {
    return Fail(
        InvalidArgument("INVALID_IMAGE_REFERENCE",
                        fmt::format("image {} names a build: builds are numbered by order of "
                                    "publication, leave +{} out",
                                    Quote(reference), *parsed.build))
            .With("field", "image"));
  }
  spec.set_protocol(parsed.protocol);
  spec.set_variant(parsed.variant);
  spec.set_semantic_version(parsed.version);
  return {};
}

namespace {

// The first org of a database that has none: most fleets have one owner, who need not name himself.
Result<std::string> CreateDefaultOrg(Context& context, bool dry_run) {
  if (dry_run) {
    return Fail(InvalidArgument("ORG_REQUIRED",
                                "there is no org yet to own the nodes, and a dry run makes none: "
                                "create one with \"tallyman org create NAME\""));
  }
  v1::CreateOrgRequest request;
  request.set_request_id(context.environment().new_request_id());
  request.set_name(kDefaultOrg);
  ASSIGN_OR_RETURN(const auto created, context.Call<v1::CreateOrgResponse>(
                                           "tallyman.v1.OrgService/CreateOrg", request));
  context.environment().err << "note: there was no org to own the nodes: created one called "
                            << created.org().name() << "\n";
  return created.org().name();
}

}  // namespace

Result<std::string> ChooseOrg(Context& context, const std::string& given, bool dry_run) {
  if (!given.empty()) return given;
  if (const auto org = context.environment().variable("TALLYMAN_ORG"); org && !org->empty())
    return *org;
  ASSIGN_OR_RETURN(const auto orgs,
                   ListAll<v1::ListOrgsResponse>(context, "tallyman.v1.OrgService/ListOrgs",
                                                 v1::ListOrgsRequest(),
                                                 {.filter = {}, .order_by = {}, .limit = "20"}));
  if (orgs.orgs_size() == 1) return orgs.orgs(0).name();
  if (orgs.orgs().empty()) return CreateDefaultOrg(context, dry_run);
  std::vector<std::string> names;
  for (const v1::Org& org : orgs.orgs()) names.push_back(org.name());
  return Fail(InvalidArgument(
      "ORG_REQUIRED",
      fmt::format("there are several orgs: add --org NAME or set TALLYMAN_ORG; "
                  "they are {}{}",
                  fmt::join(names, ", "), orgs.next_page_token().empty() ? "" : ", ...")));
}

Result<std::vector<std::pair<std::string, std::string>>> ReadKeyValues(
    std::string_view field, const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(auto pair, ParseKeyValue(field, text));
    if (std::ranges::find(pairs, pair.first, &std::pair<std::string, std::string>::first) !=
        pairs.end()) {
      return Fail(InvalidArgument(
          "INVALID_KEY_VALUE", fmt::format("{}: key {} is there twice", field, Quote(pair.first))));
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace tallyman
