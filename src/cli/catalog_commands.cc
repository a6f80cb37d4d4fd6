// Commands about protocols and images.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/document.h"
#include "cli/format.h"
#include "cli/import_rows.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/catalog.pb.h"

namespace tallyman {
namespace {

// Unix seconds, or a time such as 2026-03-01T12:00:00Z.
Status ReadCommittedAt(const std::string& text, v1::ImageSpec& spec) {
  if (text.empty()) return {};
  constexpr int64_t kMicrosPerSecond = 1'000'000;
  constexpr int64_t kSecondsMax = 253402300799;  // the end of the year 9999
  if (const auto time = ParseTime(text)) {
    const int64_t micros = ToMicros(*time);
    spec.mutable_committed_at()->set_seconds(micros / kMicrosPerSecond);
    spec.mutable_committed_at()->set_nanos(static_cast<int32_t>(micros % kMicrosPerSecond * 1000));
    return {};
  }
  const auto seconds = ParseCount("--committed-at", text);
  if (!seconds || *seconds > kSecondsMax) {
    return Fail(InvalidArgument(
        "INVALID_TIME", fmt::format("--committed-at is {}: write Unix seconds, or a time such "
                                    "as 2026-03-01T12:00:00Z",
                                    Quote(text))));
  }
  spec.mutable_committed_at()->set_seconds(*seconds);
  return {};
}

// KEY:cpu=2,memory=8GB,disk=1TB; what is left out adds nothing.
Status ReadPropertyAdd(const std::string& text, v1::ImageSpec& spec) {
  auto refuse = [&](std::string_view why) {
    return Fail(InvalidArgument(
        "INVALID_PROPERTY", fmt::format("--property-adds is {}: {}; write KEY:cpu=N,memory=AMOUNT,"
                                        "disk=AMOUNT",
                                        Quote(text), why)));
  };
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return refuse("there is no ':'");
  const std::string key = text.substr(0, colon);
  for (v1::Property& property : *spec.mutable_properties()) {
    if (property.key() != key) continue;
    std::string_view rest = std::string_view(text).substr(colon + 1);
    while (!rest.empty()) {
      const std::string_view part = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), part.size() + 1));
      ASSIGN_OR_RETURN(const auto pair, ParseKeyValue("--property-adds", part));
      const std::string field = "--property-adds " + key + " " + pair.first;
      if (pair.first == "cpu") {
        ASSIGN_OR_RETURN(const int64_t cpu, ParseCount(field, pair.second));
        property.mutable_add()->set_cpu_cores(cpu);
      } else if (pair.first == "memory") {
        ASSIGN_OR_RETURN(const int64_t memory, ParseAmount(field, pair.second));
        property.mutable_add()->set_memory_bytes(memory);
      } else if (pair.first == "disk") {
        ASSIGN_OR_RETURN(const int64_t disk, ParseAmount(field, pair.second));
        property.mutable_add()->set_disk_bytes(disk);
      } else {
        return refuse("the dimensions are cpu, memory and disk");
      }
    }
    return {};
  }
  return refuse("no --property has that key");
}

Result<v1::CreateImagesRequest> ReadImage(const ImageOptions& options) {
  v1::CreateImagesRequest request;
  request.set_create_missing(true);
  v1::ImageSpec& spec = *request.add_images();
  RETURN_IF_ERROR(ReadImageKey(options.reference, spec));
  spec.set_image_uri(options.uri);
  spec.set_org(options.org);
  RETURN_IF_ERROR(ReadCommittedAt(options.committed_at, spec));
  ASSIGN_OR_RETURN(*spec.mutable_minimum(), ReadAmounts(options.minimum));
  ASSIGN_OR_RETURN(const auto properties, ReadKeyValues("--property", options.properties));
  for (const auto& [key, value] : properties) {
    v1::Property& property = *spec.add_properties();
    property.set_key(key);
    property.set_default_value(value);
  }
  for (const std::string& text : options.property_adds)
    RETURN_IF_ERROR(ReadPropertyAdd(text, spec));
  for (const std::string& text : options.firewall_rules) {
    ASSIGN_OR_RETURN(*spec.add_firewall_rules(), ReadFirewallRule("--firewall-rule", text));
  }
  return request;
}

template <class Request>
Request VersionListRequest(const VersionListOptions& options) {
  Request request;
  std::string& filter = *request.mutable_filter();
  AddFilter(filter, "protocol", options.protocol);
  AddFilter(filter, "variant", options.variant);
  AddFilter(filter, "semantic_version", options.version);
  return request;
}

}  // namespace

CommandResult CreateProtocol(Context& context, const ProtocolOptions& options) {
  v1::CreateProtocolRequest request;
  request.set_request_id(context.RequestId(options.request_id));
  request.set_key(options.key);
  request.set_name(options.name);
  request.set_org(options.org);
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::CreateProtocolResponse>(
                                            "tallyman.v1.CatalogService/CreateProtocol", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
  } else {
    context.Line(fmt::format("Created protocol {}.", response.protocol().key()), Colour::kGreen);
  }
  return kExitDone;
}

CommandResult ListProtocols(Context& context, const ListOptions& options) {
  ASSIGN_OR_RETURN(const auto list, ListAll<v1::ListProtocolsResponse>(
                                        context, "tallyman.v1.CatalogService/ListProtocols",
                                        v1::ListProtocolsRequest(), options));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"PROTOCOL", Align::kLeft, true},
               {"NAME", Align::kLeft, true},
               {"PRIVATE TO"},
               {"CREATED"}});
  for (const v1::Protocol& protocol : list.protocols()) {
    table.AddRow({{protocol.key()},
                  {protocol.name()},
                  {protocol.org()},
                  {FormatTimestamp(protocol.created_at())}});
  }
  PrintList(context, table, "There are no protocols; images bring theirs along.");
  return kExitDone;
}

CommandResult ListProtocolVersions(Context& context, const VersionListOptions& options) {
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListProtocolVersionsResponse>(
                       context, "tallyman.v1.CatalogService/ListProtocolVersions",
                       VersionListRequest<v1::ListProtocolVersionsRequest>(options), options.list));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"PROTOCOL", Align::kLeft, true},
               {"VARIANT", Align::kLeft, true},
               {"VERSION"},
               {"BUILDS", Align::kRight},
               {"CREATED"}});
  for (const v1::ProtocolVersion& version : list.protocol_versions()) {
    table.AddRow({{version.protocol()},
                  {version.variant()},
                  {version.semantic_version()},
                  {std::to_string(version.build_count())},
                  {FormatTimestamp(version.created_at())}});
  }
  PrintList(context, table, "There are no protocol versions.");
  return kExitDone;
}

CommandResult ListImages(Context& context, const VersionListOptions& options) {
  auto request = VersionListRequest<v1::ListImagesRequest>(options);
  AddFilter(*request.mutable_filter(), "org", options.org);
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListImagesResponse>(context, "tallyman.v1.CatalogService/ListImages",
                                                   request, options.list));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"IMAGE", Align::kLeft, true},
               {"COMMITTED"},
               {"CPU", Align::kRight},
               {"MEMORY", Align::kRight},
               {"DISK", Align::kRight},
               {"PROPERTIES", Align::kRight},
               {"PRIVATE TO"}});
  for (const v1::Image& image : list.images()) {
    std::vector<Cell> row = {{image.reference()}, {FormatTimestamp(image.committed_at())}};
    for (const DimensionView& d : kDimensionViews) {
      row.push_back({FormatAmount(d, (image.minimum().*d.get)())});
    }
    row.push_back({std::to_string(image.properties_size())});
    row.push_back({image.org()});
    table.AddRow(std::move(row));
  }
  PrintList(context, table,
            "There are no images; add them with \"tallyman image create\" or \"tallyman import "
            "images\".");
  return kExitDone;
}

CommandResult CreateImage(Context& context, const ImageOptions& options) {
  ASSIGN_OR_RETURN(v1::CreateImagesRequest request, ReadImage(options));
  request.set_request_id(context.RequestId(options.change.request_id));
  request.set_dry_run(options.change.dry_run);
  v1::CreateImagesResponse response;
  if (Status done = context.Call("tallyman.v1.CatalogService/CreateImages", request, response);
      !done) {
    Error error = std::move(done).error();
    DropIndex(error);
    return Fail(std::move(error));
  }
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  PrintWarnings(context, response.warnings());
  const std::string reference =
      response.results().empty() ? options.reference : response.results(0).reference();
  PrintOutcome(context, response.applied(),
               fmt::format("Published {}: at least {}.", reference,
                           FormatResources(request.images(0).minimum())),
               "");
  return kExitDone;
}

CommandResult ShowImage(Context& context, const std::string& name) {
  v1::GetImageRequest request;
  request.set_image(name);
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetImageResponse>(
                                            "tallyman.v1.CatalogService/GetImage", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  const v1::Image& image = response.image();
  PrintFields(context, {{"image", image.reference()},
                        {"id", image.id()},
                        {"uri", image.image_uri()},
                        {"build", std::to_string(image.build())},
                        {"committed", FormatTimestamp(image.committed_at())},
                        {"private to", image.org()},
                        {"minimum", FormatResources(image.minimum())}});
  if (!image.properties().empty()) {
    Table table({{"PROPERTY", Align::kLeft, true},
                 {"DEFAULT", Align::kLeft, true},
                 {"ADDS WHEN CHANGED"},
                 {"DESCRIPTION", Align::kLeft, true}});
    for (const v1::Property& property : image.properties()) {
      table.AddRow({{property.key()},
                    {property.default_value()},
                    {property.has_add() ? FormatResources(property.add()) : "nothing"},
                    {property.description()}});
    }
    context.Detail("");
    context.Detail(table);
  }
  if (!image.firewall_rules().empty()) {
    context.Detail("");
    context.Detail(FirewallTable(image.firewall_rules()));
  }
  return kExitDone;
}

}  // namespace tallyman
