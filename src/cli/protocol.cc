// The words about protocols and their versions.
#include <fmt/core.h>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "tallyman/v1/catalog.pb.h"

namespace tallyman::cli {
namespace {

ExitStatus CreateProtocol(Context& context, v1::CreateProtocolRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::CreateProtocolResponse>(context, request));
  return context.Answer(response, [&] {
    context.Line(fmt::format("Created protocol {}.", response.protocol().key()), Colour::kGreen);
  });
}

void DefineProtocolList(Word noun) {
  const ListCommand<v1::ListProtocolsRequest, v1::ListProtocolsResponse, v1::Protocol> list = {
      .description = "List protocols",
      .examples = "  tallyman protocol list",
      .item = "protocol",
      .fields = "key, org, created_at",
      .by_name = true,
      .columns = {{"PROTOCOL", Align::kLeft, true},
                  {"NAME", Align::kLeft, true},
                  {"PRIVATE TO"},
                  {"CREATED"}},
      .items = &v1::ListProtocolsResponse::protocols,
      .row = [](Context&, const v1::Protocol& protocol) -> std::vector<Cell> {
        return {{protocol.key()},
                {protocol.name()},
                {protocol.org()},
                {FormatTimestamp(protocol.created_at())}};
      },
      .when_empty = "There are no protocols; publishing an image creates its protocol.",
  };
  list.Define(noun);
}

void DefineVersions(Word noun) {
  const ListCommand<v1::ListProtocolVersionsRequest, v1::ListProtocolVersionsResponse,
                    v1::ProtocolVersion>
      list = {
          .name = "versions",
          .description = "List versions of protocols",
          .examples = "  tallyman protocol versions ethereum --variant reth-mainnet-full",
          .item = "protocol version",
          .filters = {{"PROTOCOL", "", "protocol", "Only of this protocol"},
                      {"--variant", "VARIANT", "variant", "Only of this variant"}},
          .fields = "id, protocol, variant, semantic_version, created_at",
          .columns = {{"PROTOCOL", Align::kLeft, true},
                      {"VARIANT", Align::kLeft, true},
                      {"VERSION"},
                      {"BUILDS", Align::kRight},
                      {"CREATED"}},
          .items = &v1::ListProtocolVersionsResponse::protocol_versions,
          .row = [](Context&, const v1::ProtocolVersion& version) -> std::vector<Cell> {
            return {{version.protocol()},
                    {version.variant()},
                    {version.semantic_version()},
                    {std::to_string(version.build_count())},
                    {FormatTimestamp(version.created_at())}};
          },
          .when_empty = "There are no protocol versions.",
      };
  list.Define(noun);
}

}  // namespace

void DefineProtocol(Word root) {
  Word protocol = root.Noun("protocol", "Protocols: the products that nodes run",
                            "  tallyman protocol list\n"
                            "  tallyman protocol versions ethereum");
  auto [create, created] = protocol.Verb<v1::CreateProtocolRequest>(
      "create", "Create a protocol", "  tallyman protocol create ethereum --name Ethereum",
      CreateProtocol);
  create.Argument("KEY", created.mutable_key(), "The first part of image references");
  create.Text("--name", "NAME", created.mutable_name(), "For people (default: the key)");
  create.Text("--org", "ORG", created.mutable_org(), "Make it private to this org");
  AddRequestId(create, created);
  DefineProtocolList(protocol);
  DefineVersions(protocol);
}

}  // namespace tallyman::cli
