// Commands that take a whole CSV file or nothing of it.
#include <fmt/core.h>

#include "base/bytes.h"
#include "cli/files.h"
#include "cli/format.h"
#include "cli/import_rows.h"
#include "cli/progress.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman {
namespace {

constexpr size_t kFileBytesMax = size_t{256} << 20;
constexpr const char* kDefaultRegion = "default";

// True when it has to be created.
Result<bool> RegionIsMissing(Context& context, const std::string& region) {
  ASSIGN_OR_RETURN(const auto regions, ListAll<v1::ListRegionsResponse>(
                                           context, "tallyman.v1.RegionService/ListRegions",
                                           v1::ListRegionsRequest(), {}));
  return std::ranges::none_of(regions.regions(), [&](const v1::Region& r) {
    return r.name() == region || r.id() == region;
  });
}

// A host that exists stands elsewhere than in a region that does not: it is found before the region
// is created, so that a refused file leaves no region behind.
Status CheckNoneExists(Context& context, const std::string& file,
                       const ImportRows<v1::HostSpec>& read) {
  ASSIGN_OR_RETURN(const auto hosts,
                   ListAll<v1::ListHostsResponse>(context, "tallyman.v1.HostService/ListHosts",
                                                  v1::ListHostsRequest(), {}));
  std::map<std::string, const v1::Host*> by_name;
  for (const v1::Host& host : hosts.hosts()) by_name[host.name()] = &host;
  for (size_t i = 0; i < read.specs.size(); ++i) {
    const auto found = by_name.find(read.specs[i].name());
    if (found == by_name.end()) continue;
    Error error(Code::kAlreadyExists, "HOST_EXISTS",
                fmt::format("host {} exists in region {}, not in {}", found->first,
                            found->second->region(), read.specs[i].region()));
    return Fail(AtPosition(file, read.rows[i][0].position, std::move(error)));
  }
  return {};
}

// Creates it; not in a dry run.
Status CreateMissingRegion(Context& context, const std::string& file, const std::string& region,
                           const ImportRows<v1::HostSpec>& read, bool dry_run) {
  RETURN_IF_ERROR(CheckNoneExists(context, file, read));
  if (dry_run) return {};
  v1::CreateRegionRequest request;
  request.set_request_id(context.environment().new_request_id());
  request.set_name(region);
  v1::CreateRegionResponse response;
  return context.Call("tallyman.v1.RegionService/CreateRegion", request, response);
}

}  // namespace

CommandResult ImportImages(Context& context, const ImportOptions& options) {
  ASSIGN_OR_RETURN(const std::string text, ReadInput(context, options.file, kFileBytesMax));
  ASSIGN_OR_RETURN(const auto read, ReadImageRows(options.file, text, options.org));
  if (!options.change.dry_run) context.MayCreateDatabase();
  v1::CreateImagesRequest request;
  request.set_request_id(context.RequestId(options.change.request_id));
  request.set_dry_run(options.change.dry_run);
  request.set_create_missing(true);
  request.set_skip_existing(true);
  request.mutable_images()->Assign(read.specs.begin(), read.specs.end());
  v1::CreateImagesResponse response;
  if (!read.specs.empty()) {
    const Progress progress(
        context, "importing " + Counted(static_cast<int64_t>(read.specs.size()), "image"));
    if (Status done = context.Call("tallyman.v1.CatalogService/CreateImages", request, response);
        !done) {
      return Fail(PlaceError(options.file, read.rows, kImageColumns, std::move(done).error()));
    }
  }
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  PrintWarnings(context, response.warnings());
  context.Line(fmt::format("{}mported {} ({}, {}), skipped {} that {} there already.",
                           options.change.dry_run ? "Would have i" : "I",
                           Counted(response.created_count(), "image"),
                           Counted(response.protocols_created_count(), "new protocol"),
                           Counted(response.protocol_versions_created_count(), "new version"),
                           response.skipped_count() + read.repeated,
                           response.skipped_count() + read.repeated == 1 ? "was" : "were"),
               Colour::kGreen);
  return kExitDone;
}

CommandResult ImportHosts(Context& context, const ImportOptions& options) {
  ASSIGN_OR_RETURN(const int64_t disk_gb, ParseCount("--disk-gb", options.disk_gb));
  if (disk_gb == 0)
    return Fail(InvalidArgument("INVALID_NUMBER", "--disk-gb is 0: write 1 or more"));
  ASSIGN_OR_RETURN(const int64_t disk_bytes, ScaleAmount("--disk-gb", disk_gb, kGiga));
  ASSIGN_OR_RETURN(const std::string text, ReadInput(context, options.file, kFileBytesMax));
  const std::string region = options.region.empty() ? kDefaultRegion : options.region;
  ASSIGN_OR_RETURN(const auto read, ReadHostRows(options.file, text, region, disk_bytes));
  if (!options.change.dry_run) context.MayCreateDatabase();
  v1::CreateHostsRequest request;
  request.set_request_id(context.RequestId(options.change.request_id));
  request.set_dry_run(options.change.dry_run);
  request.set_skip_existing(true);
  request.mutable_hosts()->Assign(read.specs.begin(), read.specs.end());
  v1::CreateHostsResponse response;
  if (!read.specs.empty()) {
    const Progress progress(
        context, "importing " + Counted(static_cast<int64_t>(read.specs.size()), "host"));
    ASSIGN_OR_RETURN(const bool missing, RegionIsMissing(context, region));
    const bool dry_run = options.change.dry_run;
    if (missing) {
      RETURN_IF_ERROR(CreateMissingRegion(context, options.file, region, read, dry_run));
    }
    if (missing && dry_run) {
      // The server knows nothing yet of the region that the hosts would stand in.
      response.set_created_count(request.hosts_size());
    } else if (Status done = context.Call("tallyman.v1.HostService/CreateHosts", request, response);
               !done) {
      return Fail(PlaceError(options.file, read.rows, kHostColumns, std::move(done).error()));
    }
  }
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  PrintWarnings(context, response.warnings());
  const int64_t skipped = response.skipped_count() + read.repeated;
  context.Line(fmt::format("{}mported {} into region {}, skipped {} that {} there already.",
                           options.change.dry_run ? "Would have i" : "I",
                           Counted(response.created_count(), "host"), region, skipped,
                           skipped == 1 ? "was" : "were"),
               Colour::kGreen);
  return kExitDone;
}

}  // namespace tallyman
