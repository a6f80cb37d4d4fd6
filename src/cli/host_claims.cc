// Hosts that get no new nodes: host cordon, host uncordon, host retire.
#include <fmt/core.h>

#include "cli/definitions.h"
#include "cli/document.h"
#include "cli/format.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/host.pb.h"

namespace tallyman {
namespace {

struct ClaimOptions {
  std::vector<std::string> hosts;
  std::string reason;
  std::string owner;
  std::string request_id;
};

// One request a host; `say` puts what became of it into words.
template <class Response, class Request, class Say>
CommandResult SendForEach(Context& context, const std::string& method, const ClaimOptions& options,
                          Request request, const Say& say) {
  if (options.hosts.size() > 1 && !options.request_id.empty()) {
    return Fail(InvalidArgument("ONE_ID_FOR_MANY",
                                "--request-id is for one request, and each host is one: name one "
                                "host, or leave it out"));
  }
  boost::json::array documents;
  for (const std::string& host : options.hosts) {
    request.set_request_id(context.RequestId(options.request_id));
    request.set_host(host);
    request.set_owner(options.owner);
    ASSIGN_OR_RETURN(const auto response, context.Call<Response>(method, request));
    if (context.is_table()) {
      context.Line(say(response), Colour::kGreen);
    } else {
      documents.push_back(ToDocument(response));
    }
  }
  if (!context.is_table()) context.PrintDocument({{"hosts", std::move(documents)}});
  return kExitDone;
}

CommandResult CordonHosts(Context& context, const ClaimOptions& options) {
  v1::CordonHostRequest request;
  request.set_reason(options.reason);
  return SendForEach<v1::CordonHostResponse>(
      context, "tallyman.v1.HostService/CordonHost", options, request, [](const auto& response) {
        return fmt::format(
            response.changed() ? "Cordoned host {}." : "Host {} was cordoned already.",
            response.host().name());
      });
}

CommandResult UncordonHosts(Context& context, const ClaimOptions& options) {
  return SendForEach<v1::UncordonHostResponse>(
      context, "tallyman.v1.HostService/UncordonHost", options, v1::UncordonHostRequest(),
      [](const auto& response) {
        const v1::Host& host = response.host();
        if (!response.changed()) return fmt::format("Host {} was not cordoned.", host.name());
        if (!host.cordoned()) return fmt::format("Uncordoned host {}.", host.name());
        return fmt::format("Took the claim away; host {} stays cordoned by {}.", host.name(),
                           host.claims_size() == 1 ? host.claims(0).owner()
                                                   : Counted(host.claims_size(), "other"));
      });
}

void AddClaimOptions(CLI::App* command, ClaimOptions& options) {
  AddPositionals(command, "HOST", options.hosts, "Names or ids")->required();
  AddText(command, "--owner", options.owner, "NAME", "Whose claim it is (default: yours)");
  AddRequestId(command, options.request_id);
}

struct RetireOptions {
  std::string host;
  bool lost = false;
  ChangeOptions change;
};

CommandResult RetireHost(Context& context, const RetireOptions& options) {
  v1::RetireHostRequest request;
  SetChange(context, options.change, request);
  request.set_host(options.host);
  request.set_lost(options.lost);
  // Without a yes it is shown, not done; a plan token says that it was seen.
  const bool confirmed = options.change.yes || !options.change.plan_token.empty();
  if (!confirmed) request.set_dry_run(true);
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::RetireHostResponse>(
                                            "tallyman.v1.HostService/RetireHost", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
  } else {
    PrintChanges(context, response.changes(), "Gave up");
    if (response.changes().applied()) {
      context.Line(
          fmt::format("Retired host {}; it is called {} now.", options.host, response.name()),
          Colour::kGreen);
    }
  }
  if (confirmed || options.change.dry_run) return kExitDone;
  return Fail(InvalidArgument("NOT_CONFIRMED",
                              "nothing was retired: add --yes to do what is shown, or --dry-run "
                              "only to see it"));
}

}  // namespace

void DefineHostClaims(CLI::App& noun, Chosen& chosen) {
  auto cordon = std::make_shared<ClaimOptions>();
  CLI::App* command =
      AddCommand(noun, "cordon", "Keep new nodes off hosts; what runs there goes on",
                 "  tallyman host cordon h1 h2 --reason \"disk is to be replaced\"", cordon, chosen,
                 CordonHosts);
  AddClaimOptions(command, *cordon);
  AddText(command, "--reason", cordon->reason, "TEXT", "Why, for whoever wonders");

  auto uncordon = std::make_shared<ClaimOptions>();
  command = AddCommand(noun, "uncordon", "Take your claim on hosts away, or that of --owner",
                       "  tallyman host uncordon h1 h2", uncordon, chosen, UncordonHosts);
  AddClaimOptions(command, *uncordon);

  auto retire = std::make_shared<RetireOptions>();
  command = AddCommand(
      noun, "retire",
      "Give up a host whose machine is gone for good: its nodes are deleted, what they kept is "
      "lost, its name becomes free",
      "  tallyman host retire h1 --lost\n"
      "  tallyman host retire h1 --lost --yes",
      retire, chosen, RetireHost);
  AddPositional(command, "HOST", retire->host, "Name or id");
  command->add_flag("--lost", retire->lost,
                    "You know that the machine and the data of its nodes are gone");
  AddChange(command, retire->change);
  command->add_flag("-y,--yes", retire->change.yes, "Do it; without it, it is only shown");
}

}  // namespace tallyman
