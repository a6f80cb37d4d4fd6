#include "agent/oci/image_store.h"

#include <fmt/format.h>

#include <algorithm>

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
         IsPlain(uri.substr(kScheme.size()), "/._-:@");
}

// What made it fail is worth knowing, but one code says what happened to the node.
Error Wrap(Code code, std::string reason, const std::string& what, const Error& cause) {
  Error error(code, std::move(reason), what + ": " + cause.message);
  error.facts = cause.facts;
  return error;
}

}  // namespace

Status CheckImageUri(const std::string& uri) {
  if (uri.size() <= kUriBytesMax && (IsLayoutUri(uri) || IsRegistryUri(uri))) return {};
  return Fail(Error(Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
                    fmt::format("image_uri {} is neither oci:/DIRECTORY:TAG nor docker://NAME:TAG",
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
  std::filesystem::path beside = PathOf(id).string() + ".new";
  RETURN_IF_ERROR(RemoveTree(beside));
  RETURN_IF_ERROR(MakeDirectories(beside));
  std::string layout = (beside / "layout").string();

  std::vector<std::string> pull = {"skopeo", "copy", "--quiet", "--retry-times", "2"};
  if (!options_.authfile.empty()) pull.push_back("--src-authfile=" + options_.authfile);
  if (options_.plain_http) pull.emplace_back("--src-tls-verify=false");
  pull.push_back(uri);
  pull.push_back("oci:" + layout + ":image");
  auto pulled = RunTool(pull, {.timeout = options_.pull_timeout});
  if (!pulled) {
    return Fail(Wrap(Code::kUnavailable, "IMAGE_NOT_PULLED", fmt::format("pulling {}", Quote(uri)),
                     pulled.error()));
  }

  std::string bundle = (beside / "bundle").string();
  auto unpacked = RunTool({"umoci", "unpack", "--image", layout + ":image", bundle},
                          {.timeout = kUnpackTimeout});
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
