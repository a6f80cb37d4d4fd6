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

// A limit of a quota: how it is called, and where it and what it limits stand in messages.
struct LimitView {
  std::string_view option;
  std::string_view field;
  const DimensionView* dimension;  // null: the number of nodes
  bool (v1::Quota::*has)() const;
  int64_t (v1::Quota::*get)() const;
  void (v1::Quota::*set)(int64_t);

  int64_t Taken(const v1::Books& books) const {
    return dimension == nullptr ? books.node_count() : (books.allocated().*dimension->get)();
  }
  std::string Format(int64_t value) const {
    return dimension == nullptr ? std::to_string(value) : FormatAmount(*dimension, value);
  }
};

constexpr std::array<LimitView, 4> kLimitViews = {{
    {"--nodes", "node_count", nullptr, &v1::Quota::has_node_count, &v1::Quota::node_count,
     &v1::Quota::set_node_count},
    {"--cpu", "cpu_cores", &kDimensionViews[0], &v1::Quota::has_cpu_cores, &v1::Quota::cpu_cores,
     &v1::Quota::set_cpu_cores},
    {"--memory", "memory_bytes", &kDimensionViews[1], &v1::Quota::has_memory_bytes,
     &v1::Quota::memory_bytes, &v1::Quota::set_memory_bytes},
    {"--disk", "disk_bytes", &kDimensionViews[2], &v1::Quota::has_disk_bytes,
     &v1::Quota::disk_bytes, &v1::Quota::set_disk_bytes},
}};

std::string_view WordOf(const LimitView& limit) { return limit.option.substr(2); }

// "nodes 3 of 10, cpu 24 of 200"; "none" without a quota.
std::string FormatQuota(const v1::Org& org) {
  std::string text;
  for (const LimitView& limit : kLimitViews) {
    if (!(org.quota().*limit.has)()) continue;
    text += fmt::format("{}{} {} of {}", text.empty() ? "" : ", ", WordOf(limit),
                        limit.Format(limit.Taken(org.taken())),
                        limit.Format((org.quota().*limit.get)()));
  }
  return text.empty() ? "none" : text;
}

// The dimensions in which the nodes take more than the quota.
std::string BeyondQuota(const v1::Org& org) {
  std::string words;
  for (const LimitView& limit : kLimitViews) {
    if (!(org.quota().*limit.has)()) continue;
    if (limit.Taken(org.taken()) <= (org.quota().*limit.get)()) continue;
    words += fmt::format("{}{}", words.empty() ? "" : ", ", WordOf(limit));
  }
  return words;
}

ExitStatus SetQuota(Context& context, v1::SetQuotaRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::SetQuotaResponse>(context, request));
  return context.Answer(response, [&] {
    const v1::Org& org = response.org();
    const std::string beyond = BeyondQuota(org);
    context.Line(fmt::format("Quota of org {}: {}.", org.name(), FormatQuota(org)));
    if (beyond.empty()) return;
    context.Line(
        fmt::format("Its nodes take more already ({}): they stay, and cannot grow.", beyond));
  });
}

ExitStatus ShowOrg(Context& context, v1::GetOrgRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetOrgResponse>(request));
  return context.Answer(response, [&] {
    PrintFields(context, {{"org", response.org().name()},
                          {"id", response.org().id()},
                          {"created", FormatTimestamp(response.org().created_at())},
                          {"uses", FormatBooks(response.usage())},
                          {"quota", FormatQuota(response.org())}});
  });
}

void DefineOrgList(Word noun) {
  const ListCommand<v1::ListOrgsRequest, v1::ListOrgsResponse, v1::Org> list = {
      .description = "List orgs",
      .examples = "  tallyman org list -o json",
      .item = "org",
      .fields = "name, created_at",
      .by_name = true,
      .columns = {{"ORG", Align::kLeft, true}, {"CREATED"}, {"ID"}, {"QUOTA"}},
      .items = &v1::ListOrgsResponse::orgs,
      .row = [](Context&, const v1::Org& org) -> std::vector<Cell> {
        return {{org.name()}, {FormatTimestamp(org.created_at())}, {org.id()}, {FormatQuota(org)}};
      },
      .when_empty = "There are no orgs; create one with \"tallyman org create NAME\".",
  };
  list.Define(noun);
}

void DefineSetQuota(Word noun) {
  auto [set, request] = noun.Verb<v1::SetQuotaRequest>(
      "set-quota", "Limit what an org's nodes may take in the fleet",
      "  tallyman org set-quota acme --nodes 100 --cpu 200 --memory 1TiB --disk 10TiB\n"
      "  tallyman org set-quota acme --cpu none",
      SetQuota);
  set.Argument("ORG", request.mutable_org(), "Name or id");
  for (const LimitView& limit : kLimitViews) {
    const Reader reader = [&request, &limit](const auto& name, const auto& value) -> Status {
      if (value == "none") {
        request.add_reset(std::string(limit.field));
        return {};
      }
      ASSIGN_OR_RETURN(const int64_t amount, limit.dimension == nullptr
                                                 ? ParseCount(name, value)
                                                 : ParseDimension(*limit.dimension, name, value));
      (request.mutable_set()->*limit.set)(amount);
      return {};
    };
    set.Value(std::string(limit.option), "LIMIT", reader,
              limit.dimension == nullptr
                  ? "The most nodes; \"none\" for no limit"
                  : fmt::format("The most {} that they may take, holds included; \"none\" for no "
                                "limit",
                                WordOf(limit)));
  }
  AddRequestId(set, request);
}

}  // namespace

void DefineOrg(Word root) {
  Word org = root.Noun("org", "Orgs: the tenants that own nodes",
                       "  tallyman org create acme\n"
                       "  tallyman org list\n"
                       "  tallyman org show acme\n"
                       "  tallyman org set-quota acme --nodes 100 --cpu 200");
  auto [create, created] = org.Verb<v1::CreateOrgRequest>("create", "Create an org",
                                                          "  tallyman org create acme", CreateOrg);
  create.Argument("NAME", created.mutable_name(), "Its name");
  AddRequestId(create, created);
  DefineOrgList(org);
  DefineSetQuota(org);
  auto [show, shown] =
      org.Verb<v1::GetOrgRequest>("show", "Show an org: what its nodes use, and its quota",
                                  "  tallyman org show acme", ShowOrg);
  show.Argument("ORG", shown.mutable_org(), "Name or id");
}

}  // namespace tallyman::cli
