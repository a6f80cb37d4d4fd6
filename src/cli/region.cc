// The words about regions.
#include <fmt/core.h>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman::cli {
namespace {

ExitStatus CreateRegion(Context& context, v1::CreateRegionRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::CreateRegionResponse>(context, request));
  return context.Answer(
      response, [&] { context.Line(fmt::format("Created region {}.", response.region().name())); });
}

void DefineRegionList(Word noun) {
  const ListCommand<v1::ListRegionsRequest, v1::ListRegionsResponse, v1::Region> list = {
      .description = "List regions",
      .examples = "  tallyman region list",
      .item = "region",
      .fields = "name, created_at",
      .by_name = true,
      .columns = {{"REGION", Align::kLeft, true}, {"CREATED"}, {"ID"}},
      .items = &v1::ListRegionsResponse::regions,
      .row = [](Context&, const v1::Region& region) -> std::vector<Cell> {
        return {{region.name()}, {FormatTimestamp(region.created_at())}, {region.id()}};
      },
      .when_empty = "There are no regions; create one with \"tallyman region create NAME\".",
  };
  list.Define(noun);
}

}  // namespace

void DefineRegion(Word root) {
  Word region = root.Noun("region", "Regions: groups of hosts",
                          "  tallyman region create eu-west\n"
                          "  tallyman region list");
  auto [create, created] = region.Verb<v1::CreateRegionRequest>(
      "create", "Create a region", "  tallyman region create eu-west", CreateRegion);
  create.Argument("NAME", created.mutable_name(), "Its name");
  AddRequestId(create, created);
  DefineRegionList(region);
}

}  // namespace tallyman::cli
