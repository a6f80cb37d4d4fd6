// Pieces that the requests of many commands are made of.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/amounts.h"
#include "cli/list.h"
#include "cli/progress.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/common.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {

// Calls a method that changes something, under the request's id or a fresh one. `doing` is shown
// while it takes long.
template <class Response, class Request>
Result<Response> Change(Context& context, Request& request, const std::string& doing = "working") {
  request.set_request_id(context.RequestId(request.request_id()));
  const Progress progress(context, doing);
  return context.Call<Response>(request);
}

template <class Request>
void AddRequestId(Word verb, Request& request) {
  verb.Text("--request-id", "ID", request.mutable_request_id(),
            "Idempotency key: repeated with the same id, it happens once (default: a new id)");
}

template <class Request>
void AddDryRun(Word verb, Request& request) {
  verb.Flag("--dry-run", request, &Request::set_dry_run,
            "Show what would change, and change nothing");
}

// --dry-run, --plan-token, --request-id.
template <class Request>
void AddChange(Word verb, Request& request) {
  AddDryRun(verb, request);
  verb.Text("--plan-token", "TOKEN", request.mutable_plan_token(),
            "Apply only if the result is exactly what the dry run with this token showed");
  AddRequestId(verb, request);
}

template <class Request>
void AddExpectedVersion(Word verb, Request& request) {
  verb.Number("--expected-version", request, &Request::set_expected_version,
              "Fail if it has changed since this version");
}

// --cpu, --memory and --disk. Those that are given are added to `given`, if that is not null.
void AddAmounts(Word verb, v1::Resources* amounts, const std::string& what, bool required,
                std::vector<const DimensionView*>* given = nullptr);

// KEY=VALUE, several times. `add` returns false for a key that was given before, which is
// INVALID_ARGUMENT, reason INVALID_KEY_VALUE.
Option AddKeyValues(Word verb, const std::string& name, const std::string& type,
                    std::function<bool(const std::string& key, const std::string& value)> add,
                    const std::string& description);

// Values of properties: those of --set, and the files of --set-file that have the others.
struct ValueFiles {
  std::map<std::string, std::string> paths;  // by key
};

// --set and --set-file. The command calls ReadValueFiles() for the files.
void AddValues(Word verb, google::protobuf::Map<std::string, std::string>* values,
               ValueFiles* files, const std::string& description);

// One value from a file; "-" is standard input. One line end at the end of the file is no part of
// it. Errors of ReadInput(), which show nothing of the value.
Result<std::string> ReadValueFile(Context& context, const std::string& path);

// Adds what is in the files. INVALID_ARGUMENT INVALID_KEY_VALUE where two are standard input.
Status ReadValueFiles(Context& context, const ValueFiles& files,
                      google::protobuf::Map<std::string, std::string>& values);

// As ReadFirewallRule() reads them.
Option AddFirewallRules(Word verb, google::protobuf::RepeatedPtrField<v1::FirewallRule>* rules);

// KEY:DIRECTION:ACTION[:TRANSPORT[:PORTS[:IPS]]], lists separated by commas, such as
// "p2p:in:allow:both:30303" or "rpc:in:deny". INVALID_ARGUMENT, reason INVALID_FIREWALL_RULE.
Result<v1::FirewallRule> ReadFirewallRule(std::string_view field, std::string_view text);

// PROTOCOL/VARIANT@VERSION without +BUILD, into the fields of `spec`.
Status ReadImageKey(std::string_view reference, v1::ImageSpec& spec);

// How long ago, such as 10m, or a time. INVALID_ARGUMENT, reason INVALID_SINCE.
Result<Time> ReadSince(Context& context, const std::string& text);

Error BadArguments(std::string what);

// All nodes of a protocol, and what narrows them down.
struct NodesOf {
  std::string all_of;       // PROTOCOL/VARIANT[@VERSION] or PROTOCOL/*
  v1::NodeSelector within;  // the region and the org
};
// --all-of, --region and --org.
void AddNodesOf(Word verb, NodesOf* chosen);
// The selector of a request; nullopt where it names its nodes. INVALID_ARGUMENT, reason
// INVALID_ARGUMENTS unless nodes are chosen in one of the two ways, reason INVALID_SELECTOR.
Result<std::optional<v1::NodeSelector>> ChooseNodes(const NodesOf& chosen, bool names_nodes);

// A length of time, such as 10m, in whole seconds.
template <class Request>
Option AddSpan(Word verb, const std::string& names, Request& request,
               google::protobuf::Duration* (Request::*field)(), const std::string& description) {
  const Reader reader = [&request, field](const auto& name, const auto& text) -> Status {
    ASSIGN_OR_RETURN(const int64_t seconds, ParseLifetime(name, text));
    (request.*field)()->set_seconds(seconds);
    return {};
  };
  return verb.Value(names, "TIME", reader, description);
}

// Unix seconds, or a time such as 2026-03-01T12:00:00Z, into `spec`. INVALID_ARGUMENT, reason
// INVALID_TIME.
Status ReadCommittedAt(std::string_view name, std::string_view text, v1::ImageSpec& spec);

// Asks for nodes of these names, whichever way servers of before know. REQUIRES: !names.empty().
void SetNames(std::span<const std::string> names, v1::CreateNodesRequest& request);

// Whether the nodes have the names that were asked for; a server that does not know `names` gives
// others. UNIMPLEMENTED, reason SERVER_TOO_OLD, lists those that were, or would be, created.
Status CheckNames(const v1::CreateNodesRequest& request, const v1::Changes& changes);

// The org that is made when there is none.
inline constexpr const char* kDefaultOrg = "default";

// The org that is meant: `given`, else TALLYMAN_ORG, else the only one there is, else, where there
// is none yet, one called "default" that is created here (not in a dry run). INVALID_ARGUMENT,
// reason ORG_REQUIRED, lists them when there are several.
Result<std::string> ChooseOrg(Context& context, const std::string& given, bool dry_run);

}  // namespace tallyman::cli
