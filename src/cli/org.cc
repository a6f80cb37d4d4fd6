// The words about orgs.
#include <fmt/core.h>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "tallyman/v1/org.pb.h"

namespace tallyman::cli {
namespace {

ExitStatus CreateOrg(Context& context, v1::CreateOrgRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::CreateOrgResponse>(context, request));
  return context.Answer(
      response, [&] { context.Line(fmt::format("Created org {}.", response.org().name())); });
}

ExitStatus ShowOrg(Context& context, v1::GetOrgRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetOrgResponse>(request));
  return context.Answer(response, [&] {
    PrintFields(context, {{"org", response.org().name()},
                          {"id", response.org().id()},
                          {"created", FormatTimestamp(response.org().created_at())},
                          {"uses", FormatBooks(response.usage())}});
  });
}

void DefineOrgList(Word noun) {
  const ListCommand<v1::ListOrgsRequest, v1::ListOrgsResponse, v1::Org> list = {
      .description = "List orgs",
      .examples = "  tallyman org list -o json",
      .fields = "name",
      .orders = "name, created_at",
      .columns = {{"ORG", Align::kLeft, true}, {"CREATED"}, {"ID"}},
      .items = &v1::ListOrgsResponse::orgs,
      .row = [](Context&, const v1::Org& org) -> std::vector<Cell> {
        return {{org.name()}, {FormatTimestamp(org.created_at())}, {org.id()}};
      },
      .when_empty = "There are no orgs; create one with \"tallyman org create NAME\".",
  };
  list.Define(noun);
}

}  // namespace

void DefineOrg(Word root) {
  Word org = root.Noun("org", "Orgs: the tenants that own nodes",
                       "  tallyman org create acme\n"
                       "  tallyman org list\n"
                       "  tallyman org show acme");
  auto [create, created] = org.Verb<v1::CreateOrgRequest>("create", "Create an org",
                                                          "  tallyman org create acme", CreateOrg);
  create.Argument("NAME", created.mutable_name(), "Its name");
  AddRequestId(create, created);
  DefineOrgList(org);
  auto [show, shown] = org.Verb<v1::GetOrgRequest>("show", "Show an org and what its nodes use",
                                                   "  tallyman org show acme", ShowOrg);
  show.Argument("ORG", shown.mutable_org(), "Name or id");
}

}  // namespace tallyman::cli
