// Hosts that get no new nodes: host cordon, host uncordon, host retire.
#include <fmt/core.h>

#include <boost/json.hpp>

#include "cli/document.h"
#include "cli/format.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/host.pb.h"

namespace tallyman::cli {
namespace {

// One request a host.
template <class Request>
struct HostClaims {
  Request request;
  google::protobuf::RepeatedPtrField<std::string> hosts;
};

struct HostRetire {
  v1::RetireHostRequest request;
  bool yes = false;
};

// `say` puts what became of a host into words.
template <class Response, class Request, class Say>
ExitStatus SendForEach(Context& context, const HostClaims<Request>& claims,
                       const std::string& doing, const Say& say) {
  if (claims.hosts.size() > 1 && !claims.request.request_id().empty()) {
    return Fail(InvalidArgument("ONE_ID_FOR_MANY",
                                "--request-id is for one request, and each host is one: name one "
                                "host, or leave it out"));
  }
  boost::json::array documents;
  for (const std::string& host : claims.hosts) {
    Request request = claims.request;
    request.set_host(host);
    ASSIGN_OR_RETURN(const auto response, Change<Response>(context, request, doing + " " + host));
    if (context.is_table()) {
      context.Line(say(response), Colour::kGreen);
    } else {
      documents.push_back(ToDocument(response));
    }
  }
  if (!context.is_table()) context.PrintDocument({{"hosts", std::move(documents)}});
  return kExitDone;
}

ExitStatus CordonHosts(Context& context, HostClaims<v1::CordonHostRequest>& claims) {
  return SendForEach<v1::CordonHostResponse>(
      context, claims, "cordoning", [](const v1::CordonHostResponse& response) {
        const std::string& host = response.host().name();
        return response.changed() ? fmt::format("Cordoned host {}.", host)
                                  : fmt::format("Host {} was cordoned already.", host);
      });
}

ExitStatus UncordonHosts(Context& context, HostClaims<v1::UncordonHostRequest>& claims) {
  return SendForEach<v1::UncordonHostResponse>(
      context, claims, "uncordoning", [](const v1::UncordonHostResponse& response) {
        const v1::Host& host = response.host();
        if (!response.changed()) return fmt::format("Host {} was not cordoned.", host.name());
        if (!host.cordoned()) return fmt::format("Uncordoned host {}.", host.name());
        return fmt::format("Took the claim away; host {} stays cordoned by {}.", host.name(),
                           host.claims_size() == 1 ? host.claims(0).owner()
                                                   : Counted(host.claims_size(), "other"));
      });
}

ExitStatus RetireHost(Context& context, HostRetire& options) {
  v1::RetireHostRequest& request = options.request;
  // Without --yes it is only shown; a plan token proves that it was shown before.
  const bool confirmed = options.yes || request.dry_run() || !request.plan_token().empty();
  if (!confirmed) request.set_dry_run(true);
  ASSIGN_OR_RETURN(const auto response,
                   Change<v1::RetireHostResponse>(context, request, "retiring " + request.host()));
  const int status = context.Answer(response, [&] {
    PrintChanges(context, response.changes(), "Gave up");
    if (!response.changes().applied()) return;
    context.Line(
        fmt::format("Retired host {}; it is called {} now.", request.host(), response.name()),
        Colour::kGreen);
  });
  if (confirmed) return status;
  return Fail(InvalidArgument("NOT_CONFIRMED",
                              "nothing was retired: add --yes to do what is shown, or --dry-run "
                              "to see it without this error"));
}

template <class Request>
void AddClaimOptions(Word verb, HostClaims<Request>& claims) {
  verb.Arguments("HOST", &claims.hosts, "Names or ids").Required();
  verb.Text("--owner", "NAME", claims.request.mutable_owner(),
            "Whose claim it is (default: yours)");
  AddRequestId(verb, claims.request);
}

}  // namespace

void DefineHostClaims(Word host) {
  auto [cordon, cordoned] = host.Verb<HostClaims<v1::CordonHostRequest>>(
      "cordon", "Keep new nodes off hosts; what runs there goes on",
      "  tallyman host cordon h1 h2 --reason \"disk is to be replaced\"", CordonHosts);
  AddClaimOptions(cordon, cordoned);
  cordon.Text("--reason", "TEXT", cordoned.request.mutable_reason(), "Why, for whoever wonders");

  auto [uncordon, uncordoned] = host.Verb<HostClaims<v1::UncordonHostRequest>>(
      "uncordon", "Take your claim on hosts away, or that of --owner",
      "  tallyman host uncordon h1 h2", UncordonHosts);
  AddClaimOptions(uncordon, uncordoned);

  auto [retire, retired] = host.Verb<HostRetire>(
      "retire",
      "Give up a host whose machine is gone for good: its nodes are deleted, what they kept is "
      "lost, its name becomes free",
      "  tallyman host retire h1 --lost\n"
      "  tallyman host retire h1 --lost --yes",
      RetireHost);
  retire.Argument("HOST", retired.request.mutable_host(), "Name or id");
  retire.Flag("--lost", retired.request, &v1::RetireHostRequest::set_lost,
              "You know that the machine and the data of its nodes are gone");
  AddChange(retire, retired.request);
  retire.Flag("-y,--yes", &retired.yes, "Do it; without it, it is only shown");
}

}  // namespace tallyman::cli
