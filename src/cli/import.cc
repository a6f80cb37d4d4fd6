// The words that import a CSV file: all of it or nothing.
#include <fmt/core.h>

#include "base/bytes.h"
#include "cli/files.h"
#include "cli/format.h"
#include "cli/import_rows.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman::cli {
namespace {

constexpr size_t kFileBytesMax = size_t{256} << 20;

// True when it has to be created.
Result<bool> RegionIsMissing(Context& context, const std::string& region) {
  ASSIGN_OR_RETURN(const auto regions,
                   ListAll<v1::ListRegionsResponse>(context, v1::ListRegionsRequest()));
  return std::ranges::none_of(regions.regions(), [&](const v1::Region& r) {
    return r.name() == region || r.id() == region;
  });
}

// A host that exists cannot be in a region that does not: such a host is found before the region is
// created, so that a refused file leaves no region.
Status CheckNoneExists(Context& context, const std::string& file,
                       const ImportRows<v1::HostSpec>& read) {
  ASSIGN_OR_RETURN(const auto hosts,
                   ListAll<v1::ListHostsResponse>(context, v1::ListHostsRequest()));
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
  return context.Call(request, response);
}

struct ImagesFile {
  v1::CreateImagesRequest request;
  std::string file;
  std::string org;
};

struct HostsFile {
  v1::CreateHostsRequest request;
  std::string file;
  std::string region;
  int64_t disk_gb = 0;
};

// Sends the specs of a file; an error is put at its row. Nothing is sent for a file without rows.
template <class Response, class Request, class Spec>
Result<Response> SendRows(Context& context, Request& request, const std::string& file,
                          const std::vector<std::string>& columns, const ImportRows<Spec>& read,
                          std::string_view what) {
  if (read.specs.empty()) return Response();
  const auto count = static_cast<int64_t>(read.specs.size());
  auto sent = Change<Response>(context, request, "importing " + Counted(count, what));
  if (!sent) return Fail(PlaceError(file, read.rows, columns, std::move(sent).error()));
  return sent;
}

// "Imported 3 hosts into region eu, skipped 1 that already exists."
void PrintImported(Context& context, bool dry_run, const std::string& what, int64_t skipped) {
  context.Line(fmt::format("{} {}, skipped {} that already {}.",
                           dry_run ? "Would have imported" : "Imported", what, skipped,
                           skipped == 1 ? "exists" : "exist"),
               Colour::kGreen);
}

ExitStatus ImportImages(Context& context, ImagesFile& options) {
  v1::CreateImagesRequest& request = options.request;
  ASSIGN_OR_RETURN(const std::string text, ReadInput(context, options.file, kFileBytesMax));
  ASSIGN_OR_RETURN(const auto read, ReadImageRows(options.file, text, options.org));
  if (!request.dry_run()) context.MayCreateDatabase();
  request.set_create_missing(true);
  request.set_skip_existing(true);
  request.mutable_images()->Assign(read.specs.begin(), read.specs.end());
  ASSIGN_OR_RETURN(const auto response,
                   SendRows<v1::CreateImagesResponse>(context, request, options.file, kImageColumns,
                                                      read, "image"));
  return context.Answer(response, [&] {
    PrintImported(context, request.dry_run(),
                  fmt::format("{} ({}, {})", Counted(response.created_count(), "image"),
                              Counted(response.protocols_created_count(), "new protocol"),
                              Counted(response.protocol_versions_created_count(), "new version")),
                  response.skipped_count() + read.repeated);
  });
}

ExitStatus ImportHosts(Context& context, HostsFile& options) {
  v1::CreateHostsRequest& request = options.request;
  ASSIGN_OR_RETURN(const int64_t disk_bytes, ScaleAmount("--disk-gb", options.disk_gb, kGiga));
  ASSIGN_OR_RETURN(const std::string text, ReadInput(context, options.file, kFileBytesMax));
  const std::string region = options.region.empty() ? "default" : options.region;
  ASSIGN_OR_RETURN(const auto read, ReadHostRows(options.file, text, region, disk_bytes));
  if (!request.dry_run()) context.MayCreateDatabase();
  request.set_skip_existing(true);
  request.mutable_hosts()->Assign(read.specs.begin(), read.specs.end());
  bool missing = false;
  if (!read.specs.empty()) {
    ASSIGN_OR_RETURN(missing, RegionIsMissing(context, region));
    if (missing) {
      RETURN_IF_ERROR(CreateMissingRegion(context, options.file, region, read, request.dry_run()));
    }
  }
  v1::CreateHostsResponse response;
  if (missing && request.dry_run()) {
    // The server knows nothing yet of the region that the hosts would stand in.
    response.set_created_count(request.hosts_size());
  } else {
    ASSIGN_OR_RETURN(response, SendRows<v1::CreateHostsResponse>(context, request, options.file,
                                                                 kHostColumns, read, "host"));
  }
  return context.Answer(response, [&] {
    PrintImported(
        context, request.dry_run(),
        fmt::format("{} into region {}", Counted(response.created_count(), "host"), region),
        response.skipped_count() + read.repeated);
  });
}

}  // namespace

void DefineImport(Word root) {
  Word import = root.Noun("import", "Import images or hosts from a CSV file: all of it or nothing",
                          "  tallyman import images images.csv\n"
                          "  tallyman import hosts hosts.csv --disk-gb 8000 --region eu-west");
  auto [images, from] = import.Verb<ImagesFile>(
      "images",
      "Import images; columns committed_at,protocol_key,image,variant_key,semantic_version,\n"
      "cpu_cores,memory_mb,disk_gb (10^6 and 10^9 bytes)",
      "  tallyman import images images.csv", ImportImages);
  images.Argument("FILE", &from.file, "CSV file, - for standard input");
  images.Text("--org", "ORG", &from.org, "Make them private to this org");
  AddDryRun(images, from.request);
  AddRequestId(images, from.request);

  auto [hosts, rows] = import.Verb<HostsFile>(
      "hosts", "Import hosts; columns sn,cpu_milli,memory_mib (thousandths of a core, 2^20 bytes)",
      "  tallyman import hosts hosts.csv --disk-gb 8000 --region eu-west", ImportHosts);
  hosts.Argument("FILE", &rows.file, "CSV file, - for standard input");
  hosts.Number("--disk-gb", &rows.disk_gb, "Disk of each host, in 10^9 bytes").Required();
  hosts.Text("--region", "REGION", &rows.region,
             "Their region, created if it does not exist (default: default)");
  AddDryRun(hosts, rows.request);
  AddRequestId(hosts, rows.request);
}

}  // namespace tallyman::cli
