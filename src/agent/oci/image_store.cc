#include "agent/oci/image_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "agent/file.h"
#include "agent/oci/process.h"
#include "agent/system_error.h"
#include "base/text.h"

namespace tallyman {
namespace {

constexpr std::chrono::minutes kUnpackTimeout(30);
constexpr size_t kUriBytesMax = 1000;

bool IsPlain(std::string_view text, std::string_view also) {
  return std::ranges::all_of(text, [&](char c) {
    bool letter_or_digit =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter_or_digit || also.find(c) != std::string_view::npos;
  });
}

bool IsLayoutUri(std::string_view uri) {
  if (!uri.starts_with("oci:/")) return false;
  std::string_view rest = uri.substr(4);
  size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == rest.size()) return false;
  return IsPlain(rest.substr(0, colon), "/._-+") && IsPlain(rest.substr(colon + 1), "._-+");
}

bool IsRegistryUri(std::string_view uri) {
  constexpr std::string_view kScheme = "docker://";
  return uri.starts_with(kScheme) && uri.size() > kScheme.size() && uri[kScheme.size()] != '-' &&
         IsPlain(uri.substr(kScheme.size()), "/._-:");
}

// DIR:TAG@sha256:HEX or NAME@sha256:HEX.
struct ImageUri {
  std::string name;    // without the digest
  std::string digest;  // "sha256:HEX"; empty: any
};

std::optional<ImageUri> Split(std::string_view uri) {
  size_t at = uri.find('@');
  if (at == std::string_view::npos) return ImageUri{std::string(uri), ""};
  constexpr std::string_view kAlgorithm = "sha256:";
  std::string_view digest = uri.substr(at + 1);
  bool known = digest.starts_with(kAlgorithm) && digest.size() == kAlgorithm.size() + 64 &&
               std::ranges::all_of(digest.substr(kAlgorithm.size()), [](char c) {
                 return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
               });
  if (!known) return std::nullopt;
  return ImageUri{std::string(uri.substr(0, at)), std::string(digest)};
}

// What skopeo is to copy. A registry is asked by digest, and skopeo compares; a tag beside it is
// for people.
std::string SourceOf(const ImageUri& uri) {
  if (uri.digest.empty() || !uri.name.starts_with("docker://")) return uri.name;
  size_t colon = uri.name.rfind(':');
  bool has_tag = colon != std::string::npos && uri.name.find('/', colon) == std::string::npos;
  return (has_tag ? uri.name.substr(0, colon) : uri.name) + "@" + uri.digest;
}

// That the manifest of a layout with one image is the one that was asked for.
Status CheckDigest(const std::filesystem::path& layout, const ImageUri& uri) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(layout / "index.json"));
  boost::system::error_code error;
  const auto index = boost::json::parse(text, error);
  const boost::json::value* digest =
      error ? nullptr : index.find_pointer("/manifests/0/digest", error);
  const std::string found =
      digest != nullptr && digest->is_string() ? std::string(digest->as_string()) : "none";
  if (found == uri.digest) return {};
  return Fail(FailedPrecondition("IMAGE_DIGEST_DIFFERS",
                                 fmt::format("{} has digest {}, not {}: it was replaced, or the "
                                             "digest is not that of this platform's manifest",
                                             uri.name, Quote(found), uri.digest))
                  .With("digest", Quote(found)));
}

// What made it fail is worth knowing, but one code says what happened to the node.
Error Wrap(Code code, std::string reason, const std::string& what, const Error& cause) {
  Error error(code, std::move(reason), what + ": " + cause.message);
  error.facts = cause.facts;
  return error;
}

}  // namespace

Status CheckImageUri(const std::string& uri) {
  auto parts = uri.size() <= kUriBytesMax ? Split(uri) : std::nullopt;
  if (parts && (IsLayoutUri(parts->name) || IsRegistryUri(parts->name))) return {};
  return Fail(Error(Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
                    fmt::format("image_uri {} is neither oci:/DIRECTORY:TAG nor docker://NAME:TAG, "
                                "nor one of them with @sha256:DIGEST behind",
                                Quote(uri)))
                  .With("field", "image_uri")
                  .With("value", Quote(uri)));
}

bool ImageStore::Has(const ImageId& id) const {
  std::error_code error;
  return std::filesystem::exists(ConfigOf(id), error);
}

Status ImageStore::Fetch(const ImageId& id, const std::string& uri) {
  {
    std::unique_lock lock(mutex_);
    fetched_.wait(lock, [&] { return !fetching_.contains(id); });
    if (Has(id)) return {};
    fetching_.insert(id);
  }
  Status fetched = FetchAlone(id, uri);
  {
    std::lock_guard lock(mutex_);
    fetching_.erase(id);
  }
  fetched_.notify_all();
  return fetched;
}

Status ImageStore::FetchAlone(const ImageId& id, const std::string& uri) {
  RETURN_IF_ERROR(CheckImageUri(uri));
  const ImageUri parts = *Split(uri);
  std::filesystem::path beside = PathOf(id).string() + ".new";
  RETURN_IF_ERROR(RemoveTree(beside));
  RETURN_IF_ERROR(MakeDirectories(beside));
  std::string layout = (beside / "layout").string();

  std::vector<std::string> pull = {"skopeo", "copy", "--quiet", "--retry-times", "2"};
  if (!options_.authfile.empty()) pull.push_back("--src-authfile=" + options_.authfile);
  if (options_.plain_http) pull.emplace_back("--src-tls-verify=false");
  pull.push_back(SourceOf(parts));
  pull.push_back("oci:" + layout + ":image");
  // Both tools work on what is thrown away if they do not come to their end.
  ProcessOptions as_ours{
      .timeout = options_.pull_timeout, .dies_with_caller = true, .stop = options_.stop};
  auto pulled = RunTool(pull, as_ours);
  if (!pulled && pulled.error().code == Code::kCanceled) return Fail(pulled.error());
  if (!pulled) {
    return Fail(Wrap(Code::kUnavailable, "IMAGE_NOT_PULLED", fmt::format("pulling {}", Quote(uri)),
                     pulled.error()));
  }

  const bool by_layout = !parts.digest.empty() && !parts.name.starts_with("docker://");
  if (by_layout) RETURN_IF_ERROR(CheckDigest(layout, parts));

  std::string bundle = (beside / "bundle").string();
  as_ours.timeout = kUnpackTimeout;
  auto unpacked = RunTool({"umoci", "unpack", "--image", layout + ":image", bundle}, as_ours);
  if (!unpacked && unpacked.error().code == Code::kCanceled) return Fail(unpacked.error());
  if (!unpacked) {
    return Fail(Wrap(Code::kInternal, "IMAGE_NOT_UNPACKED", fmt::format("unpacking {}", Quote(uri)),
                     unpacked.error()));
  }
  RETURN_IF_ERROR(RemoveTree(layout));
  RETURN_IF_ERROR(RemoveTree(PathOf(id)));
  if (::rename(bundle.c_str(), PathOf(id).c_str()) != 0)
    return Fail(SystemError("FILE_NOT_WRITTEN", PathOf(id).string()));
  return RemoveTree(beside);
}

Status ImageStore::DropAllExcept(const std::set<ImageId>& kept) {
  std::lock_guard lock(mutex_);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
    std::string name = entry.path().filename().string();
    auto id = ImageId::Parse(std::string_view(name).substr(0, name.find('.')));
    if (!id || kept.contains(*id) || fetching_.contains(*id)) continue;
    RETURN_IF_ERROR(RemoveTree(entry.path()));
  }
  return {};
}

}  // namespace tallyman
