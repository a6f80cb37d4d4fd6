#include "agent/oci/image_pull.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <set>

#include "agent/file.h"
#include "agent/oci/aside.h"
#include "agent/oci/image_errors.h"
#include "agent/oci/image_layout.h"
#include "agent/oci/image_uri.h"
#include "agent/oci/image_volumes.h"
#include "agent/oci/layer_scan.h"
#include "agent/oci/process.h"
#include "agent/oci/tree_sum.h"
#include "agent/oci/within.h"
#include "agent/system_error.h"
#include "base/digest.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kManifestBytesMax = 8 << 20;
constexpr std::chrono::milliseconds kLookEvery(200);

// A number with its unit, for people.
std::string Mebibytes(int64_t bytes) { return fmt::format("{} MiB", bytes >> 20); }

Error TooLarge(const std::string& uri, std::string what) {
  return FailedPrecondition("IMAGE_TOO_LARGE",
                            fmt::format("image {} {}: make it smaller, or give the agent a larger "
                                        "--image-room-gb",
                                        Quote(uri), what))
      .With("uri", Quote(uri));
}

// Watches the size of a pull, and whether data still arrives.
class Download {
 public:
  Download(std::filesystem::path directory, const PullRequest& request)
      : directory_(std::move(directory)),
        uri_(request.uri),
        limits_(request.limits),
        grew_(std::chrono::steady_clock::now()) {}

  // The error to end it with.
  Status Look() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return {};
    next_ = now + kLookEvery;
    int64_t bytes = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
      const auto size = entry.file_size(error);
      if (!error) bytes += static_cast<int64_t>(size);
    }
    if (bytes != bytes_) grew_ = now;
    bytes_ = bytes;
    if (bytes > limits_.download_bytes_max) {
      return Fail(TooLarge(uri_, fmt::format("has more than the {} that one image may have",
                                             Mebibytes(limits_.download_bytes_max))));
    }
    if (now - grew_ < limits_.stall_timeout) return {};
    return Fail(
        Error(Code::kUnavailable, "IMAGE_NOT_PULLED",
              fmt::format("pulling {}: the registry sent nothing for {} s; the agent tries again",
                          Quote(uri_), limits_.stall_timeout.count() / 1000))
            .With("uri", Quote(uri_)));
  }

 private:
  std::filesystem::path directory_;
  std::string uri_;
  PullLimits limits_;
  int64_t bytes_ = 0;
  std::chrono::steady_clock::time_point grew_;
  std::chrono::steady_clock::time_point next_{};
};

// Both tools may be killed, because their unfinished work is discarded.
ProcessOptions ForThrowAway(const PullRequest& request, std::chrono::milliseconds timeout) {
  return {.timeout = timeout,
          .dies_with_caller = true,
          .stop = request.stop,
          .variables = request.registries.variables};
}

Job<void> CopyImage(PullRequest request, ImageUri uri, std::filesystem::path directory) {
  std::vector<std::string> words = {"skopeo", "--tmpdir", request.work.string(), "copy", "--quiet"};
  if (!request.registries.authfile.empty())
    words.push_back("--src-authfile=" + request.registries.authfile);
  if (IsPlainHttp(request.registries, request.uri)) words.emplace_back("--src-tls-verify=false");
  words.push_back(SourceOf(uri));
  words.push_back("dir:" + directory.string());
  auto started = Process::Start(words, ForThrowAway(request, request.limits.pull_timeout));
  if (!started) co_return Fail(started.error());
  Download download(directory, request);
  std::optional<Result<ProcessResult>> ended;
  Status looked;
  co_await Await([&] {
    ended = started->Poll();
    if (!ended) looked = download.Look();
    return ended.has_value() || !looked;
  });
  CO_RETURN_IF_ERROR(looked);
  if (!*ended) co_return Fail(PullFailed(request.uri, ended->error()));
  if ((*ended)->exit_status != 0)
    co_return Fail(PullFailed(request.uri, ToolFailed(words, **ended)));
  co_return {};
}

struct Published {
  std::string digest;
  std::string manifest;
  std::string config;
  ImageManifest parts;
  ImageFacts facts;
};

Result<Published> ReadPublished(const std::filesystem::path& directory, const ImageUri& uri,
                                const PullLimits& limits) {
  Published image;
  ASSIGN_OR_RETURN(image.manifest, ReadFile(directory / "manifest.json", kManifestBytesMax));
  image.digest = "sha256:" + Sha256Hex(image.manifest);
  // A registry that is asked by digest may answer with an index, of which skopeo takes the image
  // for this platform.
  if (!uri.digest.empty() && !uri.name.starts_with("docker://") && uri.digest != image.digest) {
    return Fail(FailedPrecondition("IMAGE_DIGEST_DIFFERS",
                                   fmt::format("{} has digest {}, not {}: it was replaced, or the "
                                               "digest is not that of this platform's manifest",
                                               uri.name, Quote(image.digest), uri.digest))
                    .With("digest", Quote(image.digest)));
  }
  ASSIGN_OR_RETURN(image.parts, ReadImageManifest(image.manifest, limits.layers_max));
  ASSIGN_OR_RETURN(image.config, ReadFile(directory / image.parts.config, kManifestBytesMax));
  ASSIGN_OR_RETURN(image.facts, ReadImageFacts(image.config));
  RETURN_IF_ERROR(CheckPlatform(image.facts));
  if (auto volumes = CleanVolumes(image.facts.volumes); !volumes) return Fail(volumes.error());
  for (const std::string& sum : image.facts.layer_sums) {
    if (!SplitImageUri("docker://x@" + sum)) {
      return Fail(ImageNotSupported(fmt::format(
          "the image's config lists {} as a layer, which is not a sha256 digest: build it again",
          Quote(sum))));
    }
  }
  if (image.facts.layer_sums.size() == image.parts.layers.size()) return image;
  return Fail(ImageNotSupported(
      fmt::format("the image's config lists {} layers and its manifest {}: build it again",
                  image.facts.layer_sums.size(), image.parts.layers.size())));
}

// umoci does not support zstd.
Job<void> UnpackZstd(PullRequest request, std::filesystem::path from, std::filesystem::path to) {
  std::vector<std::string> words = {
      "prlimit",     fmt::format("--fsize={}", request.limits.unpacked_bytes_max),
      "--",          "zstd",
      "-d",          "-q",
      "--no-sparse", "-o",
      to.string(),   from.string()};
  auto result = co_await RunProcessJob(words, ForThrowAway(request, request.limits.unpack_timeout));
  if (!result) co_return Fail(UnpackFailed(request.uri, result.error()));
  constexpr int kFileTooLarge = 128 + 25;
  if (result->exit_status == kFileTooLarge ||
      result->err.find("File too large") != std::string::npos) {
    co_return Fail(TooLarge(
        request.uri,
        fmt::format("unpacks to more than {}", Mebibytes(request.limits.unpacked_bytes_max))));
  }
  if (result->exit_status != 0)
    co_return Fail(UnpackFailed(request.uri, ToolFailed(words, *result)));
  co_return {};
}

// Counts all layers together; the bytes that they unpack to.
Result<int64_t> CountLayers(const std::vector<UnpackedLayer>& layers, const PullRequest& request,
                            const std::stop_token& stop) {
  LayerSize left{request.limits.entries_max, request.limits.unpacked_bytes_max};
  for (const UnpackedLayer& layer : layers) {
    ASSIGN_OR_RETURN(LayerSize size, CountLayer(layer.file, layer.form, left, stop));
    left.entries -= size.entries;
    left.bytes -= size.bytes;
    if (left.entries < 0) {
      return Fail(
          TooLarge(request.uri, fmt::format("has more than {} files", request.limits.entries_max)));
    }
    if (left.bytes < 0) {
      return Fail(TooLarge(request.uri, fmt::format("unpacks to more than {}",
                                                    Mebibytes(request.limits.unpacked_bytes_max))));
    }
  }
  return request.limits.unpacked_bytes_max - left.bytes;
}

Job<std::vector<UnpackedLayer>> ReadyLayers(PullRequest request, std::filesystem::path directory,
                                            Published image) {
  std::vector<UnpackedLayer> layers;
  for (size_t i = 0; i < image.parts.layers.size(); ++i) {
    UnpackedLayer layer{.file = directory / image.parts.layers[i], .digest = image.parts.layers[i]};
    CO_ASSIGN_OR_RETURN(layer.form, FormOfLayer(layer.file));
    if (layer.form == LayerForm::kUnknown) {
      co_return Fail(ImageNotSupported(fmt::format(
          "layer {} of image {} is neither tar nor gzip nor zstd: publish it in one of these forms",
          i + 1, Quote(request.uri))));
    }
    if (layer.form == LayerForm::kZstd) {
      std::filesystem::path tar = directory / fmt::format("{}.tar", layer.digest);
      // The same layer may be there twice.
      std::error_code error;
      if (!std::filesystem::exists(tar, error))
        CO_RETURN_IF_ERROR(co_await UnpackZstd(request, layer.file, tar));
      // umoci compares it.
      layer = {.file = tar, .digest = image.facts.layer_sums[i].substr(7), .form = LayerForm::kTar};
    }
    layers.push_back(std::move(layer));
  }
  co_return layers;
}

// A volume is a directory, regardless of what the image has there.
Status CheckVolumePlaces(const ImageFacts& facts, const std::filesystem::path& root) {
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, CleanVolumes(facts.volumes));
  for (const std::string& path : paths) {
    if (OpenWithin(root, path, O_PATH | O_DIRECTORY).is_open() || errno != ENOTDIR) continue;
    return Fail(
        ImageNotSupported(fmt::format("VOLUME {} of the image is not a directory in it, or lies "
                                      "below something that is not: declare another path",
                                      Quote(path))));
  }
  return {};
}

// Writes the files beside the unpacked root, all of which must exist before the image counts.
Status Finish(const std::filesystem::path& image_directory, const Published& image, int64_t bytes,
              const std::stop_token& stop) {
  const std::filesystem::path root = image_directory / "rootfs";
  ASSIGN_OR_RETURN(ContainerUser user, ResolveUser(image.facts.user, root));
  RETURN_IF_ERROR(CheckVolumePlaces(image.facts, root));
  ASSIGN_OR_RETURN(std::string sum, SumOfTree(root, stop));
  RETURN_IF_ERROR(WriteFileAtomically(image_directory / "manifest.json", image.manifest));
  RETURN_IF_ERROR(WriteFileAtomically(image_directory / "image.json", image.config));
  RETURN_IF_ERROR(
      WriteFileAtomically(image_directory / "config.json", RenderRuntimeConfig(image.facts, user)));
  const boost::json::object record = {
      {"digest", image.digest}, {"tree_sum", sum}, {"bytes", bytes}};
  return WriteFileAtomically(image_directory / "record.json", boost::json::serialize(record));
}

Status GiveName(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return Fail(SystemError("FILE_NOT_WRITTEN", to.string()));
  FileDescriptor parent(::open(to.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open() || ::fsync(parent.get()) != 0)
    return Fail(SystemError("FILE_NOT_WRITTEN", to.string()));
  return {};
}

// Reports a full file system for images with one error, wherever it shows.
Error InWords(const std::string& uri, const Error& error) {
  if (error.Fact("errno") != std::to_string(ENOSPC)) return error;
  return UnpackFailed(uri, Internal(kToolFailed, "no space left on device"));
}

Job<void> PullInto(PullRequest request, ImageUri uri) {
  CO_RETURN_IF_ERROR(MakeDirectories(request.work));
  const std::filesystem::path directory = request.work / "published";
  const std::filesystem::path made = request.work / "image";
  CO_RETURN_IF_ERROR(MakeDirectories(made));
  CO_RETURN_IF_ERROR(co_await CopyImage(request, uri, directory));
  CO_ASSIGN_OR_RETURN(Published image, ReadPublished(directory, uri, request.limits));
  CO_ASSIGN_OR_RETURN(std::vector<UnpackedLayer> layers,
                      co_await ReadyLayers(request, directory, image));
  std::function<Result<int64_t>(const std::stop_token&)> count = [&](const std::stop_token& stop) {
    return CountLayers(layers, request, stop);
  };
  CO_ASSIGN_OR_RETURN(int64_t bytes, co_await RunAside(count));

  const std::filesystem::path layout = request.work / "layout";
  CO_RETURN_IF_ERROR(WriteLayout(layout, image.facts, layers));
  std::vector<std::string> unpack = {
      "umoci", "raw", "unpack", "--image", layout.string() + ":image", (made / "rootfs").string()};
  auto unpacked = co_await RunToolJob(unpack, ForThrowAway(request, request.limits.unpack_timeout));
  if (!unpacked) co_return Fail(UnpackFailed(request.uri, unpacked.error()));

  std::function<Status(const std::stop_token&)> finish = [&](const std::stop_token& stop) {
    return Finish(made, image, bytes, stop);
  };
  CO_RETURN_IF_ERROR(co_await RunAside(finish));
  // Its final name marks it as complete, so everything else comes first.
  std::vector<std::string> sync = {"sync", "-f", made.string()};
  CO_RETURN_IF_ERROR(
      co_await RunToolJob(sync, ForThrowAway(request, request.limits.unpack_timeout)));
  co_return GiveName(made, request.place);
}

}  // namespace

Status CheckImageUri(const std::string& uri) {
  if (SplitImageUri(uri)) return {};
  return Fail(
      ImageNotSupported(fmt::format("image_uri {} is neither oci:/DIRECTORY:TAG nor "
                                    "docker://NAME:TAG, nor one of them followed by @sha256:DIGEST",
                                    Quote(uri)))
          .With("field", "image_uri")
          .With("value", Quote(uri)));
}

Job<void> PullImage(PullRequest request) {
  CO_RETURN_IF_ERROR(CheckImageUri(request.uri));
  const ImageUri uri = *SplitImageUri(request.uri);
  Status pulled = co_await PullInto(request, uri);
  if (!pulled) co_return Fail(InWords(request.uri, pulled.error()));
  co_return {};
}

Result<ImageRecord> ReadImageRecord(const std::filesystem::path& place) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(place / "record.json"));
  boost::system::error_code error;
  const boost::json::value parsed = boost::json::parse(text, error);
  const boost::json::object* record = error ? nullptr : parsed.if_object();
  const auto* digest = record == nullptr ? nullptr : record->if_contains("digest");
  const auto* sum = record == nullptr ? nullptr : record->if_contains("tree_sum");
  const auto* bytes = record == nullptr ? nullptr : record->if_contains("bytes");
  if (digest == nullptr || !digest->is_string() || sum == nullptr || !sum->is_string() ||
      bytes == nullptr || !bytes->is_int64()) {
    return Fail(DataLoss("IMAGE_UNREADABLE", "the record of image " + place.string() +
                                                 " is damaged: the agent pulls it again"));
  }
  return ImageRecord{.digest = std::string(digest->as_string()),
                     .tree_sum = std::string(sum->as_string()),
                     .bytes = bytes->as_int64()};
}

}  // namespace tallyman::agent::oci
