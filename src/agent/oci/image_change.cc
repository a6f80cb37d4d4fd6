#include "agent/oci/image_change.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/oci/image_volumes.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

// The node's value, or the image's label.
std::string SaidBy(const json::object& config, const NodeSpec& spec, std::string_view value,
                   std::string_view label) {
  auto found = spec.values.find(std::string(value));
  if (found != spec.values.end() && !found->second.empty()) return found->second;
  const json::value* all = config.if_contains("annotations");
  const json::value* text =
      all != nullptr && all->is_object() ? all->as_object().if_contains(label) : nullptr;
  return text != nullptr && text->is_string() ? std::string(text->as_string()) : "";
}

std::vector<std::string> PathsIn(std::string_view text) {
  std::vector<std::string> paths;
  while (!text.empty()) {
    const size_t blank = std::min(text.find(' '), text.size());
    if (blank > 0) paths.push_back(CleanPath(text.substr(0, blank)));
    text.remove_prefix(std::min(blank + 1, text.size()));
  }
  return paths;
}

std::string Listed(const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) text += (text.empty() ? "" : ", ") + Quote(path);
  return text;
}

Status CheckVolumes(const json::object& config, const NodeSpec& spec,
                    const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const std::vector<std::string> declared, DeclaredVolumes(config));
  std::vector<std::string> used;
  for (const std::string& name : names) {
    if (auto path = VolumePathOf(name)) used.push_back(std::move(*path));
  }
  const std::vector<std::string> accepted =
      PathsIn(SaidBy(config, spec, "accept_new_volumes", "tallyman.accept-new-volumes"));
  // A path within a volume that the node has is on its disk already.
  std::vector<std::string> fresh;
  for (const std::string& path : declared) {
    const auto covers = [&](const std::string& other) { return IsWithin(path, other); };
    if (std::ranges::none_of(used, covers) && std::ranges::find(accepted, path) == accepted.end())
      fresh.push_back(path);
  }
  std::vector<std::string> gone;
  for (const std::string& path : used) {
    const auto covers = [&](const std::string& other) { return IsWithin(path, other); };
    if (std::ranges::none_of(declared, covers)) gone.push_back(path);
  }
  if (fresh.empty() || gone.empty()) return {};
  return Fail(
      FailedPrecondition(
          "VOLUMES_CHANGED",
          fmt::format("image {} declares the volume {}, which the node never had, and no longer "
                      "{}, which holds its data: the node would start with an empty directory. "
                      "Declare the old path in the image too; or, if this is intended, confirm it "
                      "by the image's label tallyman.accept-new-volumes or the node's value "
                      "accept_new_volumes, with the new paths",
                      Quote(spec.image), Listed(fresh), Listed(gone)))
          .With("new_volumes", Listed(fresh))
          .With("old_volumes", Listed(gone)));
}

}  // namespace

bool MayChown(const json::object& image_config, const NodeSpec& spec, const DataOwner& to) {
  return ParseDataOwner(SaidBy(image_config, spec, "chown_data", "tallyman.chown-data")) == to;
}

Status CheckImageChange(std::string_view image_config, const NodeSpec& spec, const DataUse& use) {
  boost::system::error_code error;
  const json::value parsed =
      json::parse(json::string_view(image_config.data(), image_config.size()), error);
  if (error || !parsed.is_object())
    return Fail(InvalidArgument("IMAGE_CONFIG_INVALID", "the image's config cannot be read"));
  const json::object& config = parsed.as_object();
  if (!use.volume_names.empty()) RETURN_IF_ERROR(CheckVolumes(config, spec, use.volume_names));
  const DataOwner owner = OwnerOf(config);
  if (!use.owner || owner.uid == use.owner->uid || owner.uid == 0) return {};
  if (MayChown(config, spec, owner)) return {};
  return Fail(
      FailedPrecondition(
          "IMAGE_USER_CHANGED",
          fmt::format(
              "image {} runs as user {}, and the node's data belong to user {}: the node could not "
              "write to them. Keep the user; or hand the data over to the new one by the image's "
              "label tallyman.chown-data or the node's value chown_data = {}",
              Quote(spec.image), ToText(owner), ToText(*use.owner), ToText(owner)))
          .With("user", ToText(owner))
          .With("data_user", ToText(*use.owner)));
}

}  // namespace tallyman::agent::oci
