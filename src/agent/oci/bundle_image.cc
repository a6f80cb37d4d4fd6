#include "agent/oci/bundle_image.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/oci/image_facts.h"
#include "agent/oci/image_volumes.h"
#include "base/checked.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr std::string_view kHealthLabel = "tallyman.health";

// An empty tmpfs marks a declared volume; ours are directories on the node's disk.
bool IsDeclaredVolume(const json::value& mount) {
  const json::object* fields = mount.if_object();
  const json::value* type = fields == nullptr ? nullptr : fields->if_contains("type");
  const json::value* source = fields == nullptr ? nullptr : fields->if_contains("source");
  return type != nullptr && source != nullptr && *type == "tmpfs" && *source == "none";
}

std::string AnnotationOf(const json::object& config, std::string_view key) {
  const json::value* all = config.if_contains("annotations");
  const json::value* value =
      all != nullptr && all->is_object() ? all->as_object().if_contains(key) : nullptr;
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

// A command is a JSON array of words, or a line for the image's shell.
Result<json::array> CommandOf(const std::string& text) {
  if (!text.starts_with('[')) return json::array{"/bin/sh", "-c", json::string(text)};
  boost::system::error_code error;
  json::value parsed = json::parse(text, error);
  bool words = !error && parsed.is_array() && !parsed.as_array().empty() &&
               std::ranges::all_of(parsed.as_array(),
                                   [](const json::value& word) { return word.is_string(); });
  if (words) return parsed.as_array();
  return Fail(InvalidArgument(
      "IMAGE_CONFIG_INVALID",
      fmt::format("the image's config: health command {} is not a list of words", Quote(text))));
}

json::object Bind(std::string_view destination, const std::filesystem::path& source) {
  return {{"destination", destination},
          {"type", "bind"},
          {"source", source.string()},
          {"options", json::array{"rbind", "rw", "nosuid", "nodev"}}};
}

int64_t NumberOf(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

}  // namespace

std::string ToText(const DataOwner& owner) { return fmt::format("{}:{}", owner.uid, owner.gid); }

std::optional<DataOwner> ParseDataOwner(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto uid = ParseInt64(text.substr(0, colon));
  auto gid = ParseInt64(text.substr(colon + 1));
  if (!uid || !gid || *uid < 0 || *gid < 0) return std::nullopt;
  return DataOwner{*uid, *gid};
}

DataOwner OwnerOf(const json::object& config) {
  const json::value* process = config.if_contains("process");
  const json::value* user = process != nullptr && process->is_object()
                                ? process->as_object().if_contains("user")
                                : nullptr;
  if (user == nullptr || !user->is_object()) return {};
  return {NumberOf(user->as_object(), "uid"), NumberOf(user->as_object(), "gid")};
}

Result<HealthPlan> PlanHealth(const json::object& config, std::string_view value) {
  HealthPlan plan;
  const std::string label = AnnotationOf(config, kHealthLabel);
  if (!value.empty() || !label.empty()) {
    ASSIGN_OR_RETURN(plan.command, CommandOf(value.empty() ? label : std::string(value)));
    return plan;
  }
  const std::string docker = AnnotationOf(config, kHealthAnnotation);
  if (docker.empty()) return plan;
  boost::system::error_code error;
  const json::value parsed = json::parse(docker, error);
  const json::object* health = error ? nullptr : parsed.if_object();
  const json::value* command = health == nullptr ? nullptr : health->if_contains("command");
  if (command == nullptr || !command->is_array()) return plan;
  plan.command = command->as_array();
  plan.timing = {.timeout = std::chrono::milliseconds(NumberOf(*health, "timeout_ms")),
                 .interval = std::chrono::milliseconds(NumberOf(*health, "interval_ms")),
                 .start_period = std::chrono::milliseconds(NumberOf(*health, "start_period_ms")),
                 .retries = std::max<int64_t>(NumberOf(*health, "retries"), 1)};
  return plan;
}

Result<std::vector<std::string>> DeclaredVolumes(const json::object& config) {
  std::vector<std::string> declared;
  for (const json::value& mount : config.at("mounts").as_array()) {
    if (IsDeclaredVolume(mount))
      declared.emplace_back(mount.as_object().at("destination").as_string());
  }
  if (declared.empty()) declared.emplace_back("/data");
  return CleanVolumes(declared);
}

Result<std::vector<std::string>> PlanVolumes(json::object& config,
                                             const std::filesystem::path& directory,
                                             const std::vector<std::string>& used) {
  std::vector<std::string> paths;
  for (const std::string& name : used) {
    if (auto path = VolumePathOf(name)) paths.push_back(std::move(*path));
  }
  ASSIGN_OR_RETURN(std::vector<std::string> declared, DeclaredVolumes(config));
  const size_t used_count = paths.size();
  for (std::string& path : declared) {
    const auto holds = [&](const std::string& outer) { return IsWithin(path, outer); };
    if (std::none_of(paths.begin(), paths.begin() + static_cast<ptrdiff_t>(used_count), holds))
      paths.push_back(std::move(path));
  }
  std::ranges::sort(paths);
  json::array& mounts = config.at("mounts").as_array();
  mounts.erase(std::remove_if(mounts.begin(), mounts.end(), IsDeclaredVolume), mounts.end());
  std::vector<std::string> names;
  for (const std::string& path : paths) {
    names.push_back(VolumeNameOf(path));
    mounts.push_back(Bind(path, directory / names.back()));
  }
  return names;
}

}  // namespace tallyman::agent::oci
