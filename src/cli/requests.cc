#include "cli/requests.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <utility>

#include "base/text.h"
#include "base/time.h"
#include "cli/files.h"
#include "model/reference.h"
#include "tallyman/v1/org.pb.h"

namespace tallyman::cli {
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
template <class Enum>
bool SetEnum(std::string_view word, Enum& value) {
  value = static_cast<Enum>(EnumNumber(*google::protobuf::GetEnumDescriptor<Enum>(), word));
  return value != Enum{};
}

// PROTOCOL/VARIANT[@VERSION] or PROTOCOL/*. INVALID_ARGUMENT, reason INVALID_SELECTOR.
Status ReadSelector(const std::string& text, v1::NodeSelector& selector) {
  const size_t slash = text.find('/');
  const size_t at = text.find('@');
  const bool dangling = text.empty() || slash == 0 || slash + 1 == text.size() ||
                        at + 1 == text.size() || (slash != std::string::npos && at == slash + 1);
  if (dangling || (at != std::string::npos && (slash == std::string::npos || at < slash))) {
    return Fail(InvalidArgument("INVALID_SELECTOR",
                                fmt::format("--all-of is {}: write PROTOCOL/VARIANT, "
                                            "PROTOCOL/VARIANT@VERSION or \"PROTOCOL/*\"",
                                            Quote(text))));
  }
  selector.set_protocol(text.substr(0, slash));
  if (slash == std::string::npos) {
    return Fail(InvalidArgument(
        "INVALID_SELECTOR",
        fmt::format("--all-of is {}, which is every variant: write {}/VARIANT for one of them, or "
                    "\"{}/*\" if you mean all",
                    Quote(text), text, text)));
  }
  if (text.substr(slash + 1) == "*") return {};
  if (slash != std::string::npos) {
    const size_t length = at == std::string::npos ? std::string::npos : at - slash - 1;
    selector.set_variant(text.substr(slash + 1, length));
  }
  if (at != std::string::npos) selector.set_semantic_version(text.substr(at + 1));
  return {};
}

}  // namespace

void AddAmounts(Word verb, v1::Resources* amounts, const std::string& what, bool required,
                std::vector<const DimensionView*>* given) {
  static constexpr std::string_view kSuch[] = {"whole cores", "memory, such as 64GB or 256GiB",
                                               "disk, such as 2TB"};
  for (size_t i = 0; i < kDimensionViews.size(); ++i) {
    const DimensionView& dimension = kDimensionViews[i];
    const Reader reader = [&dimension, amounts, given](const auto& name,
                                                       const auto& value) -> Status {
      ASSIGN_OR_RETURN(const int64_t amount, ParseDimension(dimension, name, value));
      (amounts->*dimension.set)(amount);
      if (given != nullptr) given->push_back(&dimension);
      return {};
    };
    verb.Value(fmt::format("--{}", dimension.word), dimension.is_bytes ? "AMOUNT" : "CORES", reader,
               fmt::format("{}: {}", what, kSuch[i]))
        .Required(required);
  }
}

Option AddKeyValues(Word verb, const std::string& name, const std::string& type,
                    std::function<bool(const std::string& key, const std::string& value)> add,
                    const std::string& description) {
  const Reader reader = [add = std::move(add)](const auto& option, const auto& text) -> Status {
    ASSIGN_OR_RETURN(const auto pair, ParseKeyValue(option, text));
    if (add(pair.first, pair.second)) return {};
    return Fail(InvalidArgument(
        "INVALID_KEY_VALUE", fmt::format("{}: key {} is given twice", option, Quote(pair.first))));
  };
  return verb.Value(name, type, reader, description, true);
}

void AddValues(Word verb, google::protobuf::Map<std::string, std::string>* values,
               ValueFiles* files, const std::string& description) {
  const auto add = [values, files](const std::string& key, const std::string& value) {
    return !files->paths.contains(key) && values->insert({key, value}).second;
  };
  AddKeyValues(verb, "--set", "KEY=VALUE", add, description);
  const auto add_file = [values, files](const std::string& key, const std::string& path) {
    return !values->contains(key) && files->paths.emplace(key, path).second;
  };
  AddKeyValues(verb, "--set-file", "KEY=PATH", add_file,
               "The same with the text of a file, which other users do not see; - reads standard "
               "input");
}

Result<std::string> ReadValueFile(Context& context, const std::string& path) {
  constexpr size_t kValueBytesMax = size_t{1} << 20;
  ASSIGN_OR_RETURN(std::string text, ReadInput(context, path, kValueBytesMax));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Status ReadValueFiles(Context& context, const ValueFiles& files,
                      google::protobuf::Map<std::string, std::string>& values) {
  std::string reads_input;
  for (const auto& [key, path] : files.paths) {
    if (path == "-" && !std::exchange(reads_input, key).empty()) {
      return Fail(InvalidArgument("INVALID_KEY_VALUE",
                                  "--set-file: two keys have the value -, and there is only one "
                                  "standard input: put one of the values into a file"));
    }
    ASSIGN_OR_RETURN(values[key], ReadValueFile(context, path));
  }
  return {};
}

Option AddFirewallRules(Word verb, google::protobuf::RepeatedPtrField<v1::FirewallRule>* rules) {
  const Reader reader = [rules](const auto& name, const auto& text) -> Status {
    ASSIGN_OR_RETURN(*rules->Add(), ReadFirewallRule(name, text));
    return {};
  };
  return verb.Value(
      "--firewall-rule", "RULE", reader,
      "KEY:DIRECTION:ACTION[:TRANSPORT[:PORTS[:IPS]]], such as p2p:in:allow:both:30303", true);
}

Result<v1::FirewallRule> ReadFirewallRule(std::string_view field, std::string_view text) {
  const std::vector<std::string> parts = Split(text, ':', 6);
  if (parts.size() < 3 || parts[0].empty()) return Fail(BadRule(field, text, "a part is missing"));
  v1::FirewallRule rule;
  rule.set_key(parts[0]);
  v1::FirewallDirection direction = {};
  if (!SetEnum(parts[1], direction)) {
    return Fail(BadRule(field, text, "the direction is in or out"));
  }
  rule.set_direction(direction);
  v1::FirewallAction action = {};
  if (!SetEnum(parts[2], action)) {
    return Fail(BadRule(field, text, "the action is allow, deny or reject"));
  }
  rule.set_action(action);
  v1::FirewallTransport transport = v1::FIREWALL_TRANSPORT_BOTH;
  if (parts.size() > 3 && !parts[3].empty() && !SetEnum(parts[3], transport)) {
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

Result<Time> ReadSince(Context& context, const std::string& text) {
  if (auto time = ParseTypedTime(text)) return *time;
  auto seconds = ParseLifetime("--since", text);
  if (seconds) {
    // What is longer ago than all time is the beginning of time.
    const Time now = context.environment().clock.Now();
    const auto all = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
    return now - std::min(std::chrono::seconds(*seconds), all);
  }
  return Fail(InvalidArgument("INVALID_SINCE",
                              fmt::format("--since is {}: write how long ago, such as 10m or 2h, "
                                          "or a time such as 2026-03-01T12:00:00Z",
                                          Quote(text)))
                  .With("field", "since"));
}

Status ReadCommittedAt(std::string_view name, std::string_view text, v1::ImageSpec& spec) {
  constexpr int64_t kSecondsMax = 253402300799;  // the end of the year 9999
  if (const auto time = ParseTypedTime(text)) {
    *spec.mutable_committed_at() = ToTimestamp(*time);
    return {};
  }
  const auto seconds = ParseCount(name, text);
  if (!seconds || *seconds > kSecondsMax) {
    return Fail(InvalidArgument(
        "INVALID_TIME",
        fmt::format("{} is {}: write Unix seconds, or a time such as 2026-03-01T12:00:00Z", name,
                    Quote(text))));
  }
  spec.mutable_committed_at()->set_seconds(*seconds);
  return {};
}

void SetNames(std::span<const std::string> names, v1::CreateNodesRequest& request) {
  if (names.size() == 1) return request.set_name(names[0]);
  request.mutable_names()->Assign(names.begin(), names.end());
}

Status CheckNames(const v1::CreateNodesRequest& request, const v1::Changes& changes) {
  if (request.names().empty()) return {};
  std::set<std::string> asked(request.names().begin(), request.names().end());
  std::set<std::string> others;
  for (const v1::NodeChange& node : changes.nodes())
    if (asked.erase(node.node()) == 0) others.insert(node.node());
  if (asked.empty() && others.empty()) return {};
  return Fail(Error(
      Code::kUnimplemented, "SERVER_TOO_OLD",
      fmt::format("the server is older than this command line and does not take names: in place of "
                  "{} it {} {}; {}ask for one node at a time, or upgrade the server",
                  fmt::join(asked, ", "), changes.applied() ? "created" : "would create",
                  fmt::join(others, ", "), changes.applied() ? "delete these, and " : "")));
}

namespace {

// The first org of a database that has none: most fleets have one owner, which needs no naming.
Result<std::string> CreateDefaultOrg(Context& context, bool dry_run) {
  if (dry_run) {
    return Fail(InvalidArgument("ORG_REQUIRED",
                                "there is no org yet to own the nodes, and a dry run creates none: "
                                "create one with \"tallyman org create NAME\""));
  }
  v1::CreateOrgRequest request;
  request.set_request_id(context.environment().new_request_id());
  request.set_name(kDefaultOrg);
  ASSIGN_OR_RETURN(const auto created, context.Call<v1::CreateOrgResponse>(request));
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
                   ReadPages<v1::ListOrgsResponse>(context, v1::ListOrgsRequest(), 20));
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

Error BadArguments(std::string what) {
  return InvalidArgument("INVALID_ARGUMENTS", std::move(what));
}

void AddNodesOf(Word verb, NodesOf* chosen) {
  verb.Text("--all-of", "PROTOCOL/VARIANT[@VERSION]", &chosen->all_of,
            "All nodes of this protocol, variant and version; PROTOCOL/* for every variant");
  verb.Text("--region", "REGION", chosen->within.mutable_region(),
            "With --all-of: in this region only");
  verb.Text("--org", "ORG", chosen->within.mutable_org(), "With --all-of: of this org only");
}

Result<std::optional<v1::NodeSelector>> ChooseNodes(const NodesOf& chosen, bool names_nodes) {
  if (names_nodes != chosen.all_of.empty())
    return Fail(BadArguments("name the nodes either as NODE... or with --all-of PROTOCOL/VARIANT"));
  if (names_nodes) {
    if (chosen.within.region().empty() && chosen.within.org().empty())
      return std::optional<v1::NodeSelector>();
    return Fail(
        BadArguments("--region and --org narrow --all-of: leave them out where nodes are named"));
  }
  std::optional<v1::NodeSelector> selector = chosen.within;
  RETURN_IF_ERROR(ReadSelector(chosen.all_of, *selector));
  return selector;
}

}  // namespace tallyman::cli
