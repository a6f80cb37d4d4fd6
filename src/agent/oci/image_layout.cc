#include "agent/oci/image_layout.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/file.h"
#include "agent/system_error.h"
#include "base/digest.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr std::string_view kSha256 = "sha256:";
constexpr std::string_view kConfigTypes[] = {"application/vnd.oci.image.config.v1+json",
                                             "application/vnd.docker.container.image.v1+json"};

std::string TextOf(const json::value& object, std::string_view key) {
  const json::object* fields = object.if_object();
  const json::value* value = fields == nullptr ? nullptr : fields->if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

Result<std::string> HexOf(const json::value& descriptor) {
  const std::string digest = TextOf(descriptor, "digest");
  const bool known = digest.size() == kSha256.size() + 64 && digest.starts_with(kSha256) &&
                     std::ranges::all_of(digest.substr(kSha256.size()), [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                     });
  if (known) return digest.substr(kSha256.size());
  return Fail(ImageNotSupported(fmt::format(
      "the image's manifest names a part by {}, and only sha256 is supported", Quote(digest))));
}

// Writes a blob of the layout and returns its descriptor.
Result<json::object> WriteBlob(const std::filesystem::path& blobs, const json::value& value,
                               std::string_view type) {
  const std::string text = json::serialize(value);
  const std::string digest = Sha256Hex(text);
  RETURN_IF_ERROR(WriteFileAtomically(blobs / digest, text));
  return json::object{
      {"mediaType", type}, {"digest", std::string(kSha256) + digest}, {"size", text.size()}};
}

}  // namespace

Result<ImageManifest> ReadImageManifest(std::string_view manifest_json, size_t layers_max) {
  boost::system::error_code error;
  const json::value manifest =
      json::parse(json::string_view(manifest_json.data(), manifest_json.size()), error);
  const json::value* config = error ? nullptr : manifest.find_pointer("/config", error);
  const json::value* layers = error ? nullptr : manifest.find_pointer("/layers", error);
  if (error || !layers->is_array()) {
    return Fail(
        ImageNotSupported("the image's manifest is neither Docker's schema 2 nor OCI's: publish it "
                          "again with a current tool"));
  }
  const std::string type = TextOf(*config, "mediaType");
  if (std::ranges::find(kConfigTypes, type) == std::end(kConfigTypes)) {
    return Fail(
        ImageNotSupported(fmt::format("this is not a container image, but {}", Quote(type))));
  }
  ImageManifest read;
  ASSIGN_OR_RETURN(read.config, HexOf(*config));
  if (layers->as_array().size() > layers_max) {
    return Fail(ImageNotSupported(fmt::format("the image has {} layers, and at most {} are allowed",
                                              layers->as_array().size(), layers_max)));
  }
  for (const json::value& layer : layers->as_array()) {
    ASSIGN_OR_RETURN(std::string hex, HexOf(layer));
    read.layers.push_back(std::move(hex));
  }
  return read;
}

Status WriteLayout(const std::filesystem::path& layout, const ImageFacts& facts,
                   const std::vector<UnpackedLayer>& layers) {
  const std::filesystem::path blobs = layout / "blobs" / "sha256";
  RETURN_IF_ERROR(MakeDirectories(blobs));
  json::array described;
  for (const UnpackedLayer& layer : layers) {
    const std::filesystem::path blob = blobs / layer.digest;
    std::error_code error;
    // The same layer may be there twice.
    if (std::filesystem::exists(layer.file, error))
      std::filesystem::rename(layer.file, blob, error);
    const auto size = error ? 0 : std::filesystem::file_size(blob, error);
    if (error) return Fail(SystemError("FILE_NOT_WRITTEN", blob.string(), error.value()));
    described.push_back(json::object{
        {"mediaType", layer.form == LayerForm::kGzip ? "application/vnd.oci.image.layer.v1.tar+gzip"
                                                     : "application/vnd.oci.image.layer.v1.tar"},
        {"digest", std::string(kSha256) + layer.digest},
        {"size", size}});
  }
  const json::object config = {
      {"architecture", "amd64"},
      {"os", "linux"},
      {"config", json::object()},
      {"rootfs",
       json::object{{"type", "layers"}, {"diff_ids", json::value_from(facts.layer_sums)}}}};
  ASSIGN_OR_RETURN(json::object config_blob, WriteBlob(blobs, config, kConfigTypes[0]));
  const json::object manifest = {
      {"schemaVersion", 2}, {"config", config_blob}, {"layers", described}};
  ASSIGN_OR_RETURN(json::object manifest_blob,
                   WriteBlob(blobs, manifest, "application/vnd.oci.image.manifest.v1+json"));
  manifest_blob["annotations"] = json::object{{"org.opencontainers.image.ref.name", "image"}};
  const json::object index = {{"schemaVersion", 2}, {"manifests", json::array{manifest_blob}}};
  RETURN_IF_ERROR(WriteFileAtomically(layout / "index.json", json::serialize(index)));
  return WriteFileAtomically(layout / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
}

}  // namespace tallyman::agent::oci
