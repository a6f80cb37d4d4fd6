#include "agent/oci/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "agent/oci/environment.h"
#include "base/checked.h"
#include "base/json_text.h"
#include "base/text.h"

namespace tallyman {
namespace {

namespace json = boost::json;

constexpr int64_t kCpuPeriodMicros = 100'000;
constexpr size_t kVolumesMax = 32;
constexpr int64_t kStopGraceSecondsMax = 3600;

// Labels of an image and values of a node that the agent itself understands.
constexpr std::string_view kHealthLabel = "tallyman.health";
constexpr std::string_view kHealthValue = "health_command";
constexpr std::string_view kGraceLabel = "tallyman.stop-grace-seconds";
constexpr std::string_view kStopSignal = "org.opencontainers.image.stopSignal";

Error Invalid(std::string message) {
  return InvalidArgument("IMAGE_CONFIG_INVALID", "the image's config: " + std::move(message));
}

// /var/lib/x is var+lib+x: one name below the volumes' directory, and no two paths the same.
Result<std::string> VolumeName(std::string_view path) {
  bool plain = path.size() > 1 && path.size() <= 200 && path.front() == '/' && path.back() != '/' &&
               path.find("..") == std::string_view::npos &&
               path.find("//") == std::string_view::npos &&
               path.find("/.") == std::string_view::npos;
  std::string name;
  for (char c : path.substr(std::min<size_t>(1, path.size()))) {
    bool letter_or_digit =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    plain = plain && (letter_or_digit || c == '/' || c == '.' || c == '_' || c == '-');
    name += c == '/' ? '+' : c;
  }
  if (plain) return name;
  return Fail(Invalid(fmt::format("volume {} is not a plain absolute path", Quote(path))));
}

json::object Bind(std::string_view destination, const std::filesystem::path& source,
                  std::string_view access) {
  return {{"destination", destination},
          {"type", "bind"},
          {"source", source.string()},
          {"options", json::array{"rbind", access, "nosuid", "nodev"}}};
}

// umoci turns declared volumes into empty tmpfs mounts; ours are directories of the node's disk.
bool IsDeclaredVolume(const json::object& mount) {
  const json::value* type = mount.if_contains("type");
  const json::value* source = mount.if_contains("source");
  return type != nullptr && source != nullptr && *type == "tmpfs" && *source == "none";
}

Status PlanMounts(json::object& config, const BundlePlaces& places,
                  std::vector<std::string>& volume_names) {
  json::array& mounts = config.at("mounts").as_array();
  json::array planned;
  for (json::value& value : mounts) {
    json::object& mount = value.as_object();
    std::string destination(mount.at("destination").as_string());
    if (!IsDeclaredVolume(mount)) {
      planned.push_back(std::move(mount));
      continue;
    }
    ASSIGN_OR_RETURN(std::string name, VolumeName(destination));
    if (volume_names.size() >= kVolumesMax) return Fail(Invalid("too many volumes"));
    planned.push_back(Bind(destination, places.volumes / name, "rw"));
    volume_names.push_back(std::move(name));
  }
  if (volume_names.empty()) {
    volume_names.emplace_back("data");
    planned.push_back(Bind("/data", places.volumes / "data", "rw"));
  }
  planned.push_back(Bind("/tallyman", places.info, "ro"));
  planned.push_back(Bind("/tallyman/jobs", places.jobs, "rw"));
  mounts = std::move(planned);
  return {};
}

void PlanProcess(json::object& config, const NodeSpec& spec) {
  json::object& process = config.at("process").as_object();
  process["terminal"] = false;
  json::value& environment = process["env"];
  PlanEnvironment(environment.is_array() ? environment.as_array() : environment.emplace_array(),
                  spec);
}

Status PlanLimits(json::object& config, const NodeSpec& spec, const BundlePlaces& places) {
  auto quota = CheckedMul(spec.resources.cpu_cores, kCpuPeriodMicros);
  if (!quota || *quota <= 0 || spec.resources.memory_bytes <= 0)
    return Fail(Invalid("the node's resources are not positive"));
  json::object memory = {{"limit", spec.resources.memory_bytes}};
  // As much memory and swap together as memory alone: no swap.
  if (places.limit_swap) memory["swap"] = spec.resources.memory_bytes;
  json::object& container = config.at("linux").as_object();
  json::object& resources = container["resources"].is_object()
                                ? container["resources"].as_object()
                                : container["resources"].emplace_object();
  resources["memory"] = memory;
  resources["cpu"] = json::object{{"quota", *quota}, {"period", kCpuPeriodMicros}};
  container["cgroupsPath"] = places.cgroup;
  return {};
}

std::string TextOf(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

// A command is a JSON array of words, or a line for the image's shell.
Result<json::array> CommandOf(const std::string& text) {
  if (text.empty()) return json::array();
  if (!text.starts_with('[')) return json::array{"/bin/sh", "-c", json::string(text)};
  boost::system::error_code error;
  json::value parsed = json::parse(text, error);
  bool words = !error && parsed.is_array() && !parsed.as_array().empty() &&
               std::ranges::all_of(parsed.as_array(),
                                   [](const json::value& word) { return word.is_string(); });
  if (words) return parsed.as_array();
  return Fail(Invalid(fmt::format("health command {} is not a list of words", Quote(text))));
}

Status PlanAnnotations(json::object& config, const NodeSpec& spec,
                       const std::vector<std::string>& volume_names) {
  json::object from_image;
  if (json::value* there = config.if_contains("annotations");
      there != nullptr && there->is_object())
    from_image = there->as_object();
  auto value = spec.values.find(std::string(kHealthValue));
  ASSIGN_OR_RETURN(json::array health,
                   CommandOf(value != spec.values.end() && !value->second.empty()
                                 ? value->second
                                 : TextOf(from_image, kHealthLabel)));
  auto grace = ParseInt64(TextOf(from_image, kGraceLabel));
  json::array volumes;
  for (const std::string& name : volume_names) volumes.push_back(json::string(name));
  config["annotations"] = json::object{
      {"tallyman.node_id", spec.node_id.ToString()},
      {"tallyman.config_id", spec.config_id.ToString()},
      {"tallyman.image_id", spec.image_id.ToString()},
      {"tallyman.image_uri", spec.image_uri},
      {"tallyman.cpu_cores", std::to_string(spec.resources.cpu_cores)},
      {"tallyman.memory_bytes", std::to_string(spec.resources.memory_bytes)},
      {"tallyman.disk_bytes", std::to_string(spec.resources.disk_bytes)},
      {"tallyman.health", health.empty() ? "" : json::serialize(health)},
      {"tallyman.volumes", json::serialize(volumes)},
      {"tallyman.stop_signal", TextOf(from_image, kStopSignal)},
      {"tallyman.stop_grace_seconds",
       grace && *grace >= 0 && *grace <= kStopGraceSecondsMax ? std::to_string(*grace) : ""}};
  return {};
}

Result<std::vector<std::string>> WordsOf(const std::string& text) {
  std::vector<std::string> words;
  if (text.empty()) return words;
  boost::system::error_code error;
  json::value parsed = json::parse(text, error);
  if (error || !parsed.is_array()) return Fail(DataLoss("CONTAINER_UNREADABLE", text));
  for (const json::value& word : parsed.as_array()) {
    if (!word.is_string()) return Fail(DataLoss("CONTAINER_UNREADABLE", text));
    words.emplace_back(word.as_string());
  }
  return words;
}

Result<InstalledNode> FromAnnotations(const json::object& annotations) {
  auto text = [&](std::string_view key) {
    return TextOf(annotations, fmt::format("tallyman.{}", key));
  };
  auto node = NodeId::Parse(text("node_id"));
  auto config = ConfigId::Parse(text("config_id"));
  auto image = ImageId::Parse(text("image_id"));
  auto cores = ParseInt64(text("cpu_cores"));
  auto memory = ParseInt64(text("memory_bytes"));
  auto disk = ParseInt64(text("disk_bytes"));
  if (!node || !config || !image || !cores || !memory || !disk)
    return Fail(DataLoss("CONTAINER_UNREADABLE", "its annotations are not those of a node"));
  InstalledNode installed{.node_id = *node,
                          .config_id = *config,
                          .image_id = *image,
                          .image_uri = text("image_uri"),
                          .resources = {*cores, *memory, *disk},
                          .health_command = {},
                          .volume_names = {}};
  ASSIGN_OR_RETURN(installed.health_command, WordsOf(text("health")));
  ASSIGN_OR_RETURN(installed.volume_names, WordsOf(text("volumes")));
  if (std::string signal = text("stop_signal"); !signal.empty()) installed.stop_signal = signal;
  if (auto grace = ParseInt64(text("stop_grace_seconds")))
    installed.stop_grace = std::chrono::seconds(*grace);
  return installed;
}

}  // namespace

Result<Bundle> MakeBundle(std::string_view image_config, const NodeSpec& spec,
                          const BundlePlaces& places) {
  Bundle bundle;
  // Boost.JSON's at() and as_...() throw on what is not there, or of another kind.
  try {
    json::value parsed = json::parse(json::string_view(image_config.data(), image_config.size()));
    json::object& config = parsed.as_object();
    PlanProcess(config, spec);
    RETURN_IF_ERROR(PlanMounts(config, places, bundle.volume_names));
    RETURN_IF_ERROR(PlanLimits(config, spec, places));
    RETURN_IF_ERROR(PlanAnnotations(config, spec, bundle.volume_names));
    config["root"] = json::object{{"path", places.root.string()}, {"readonly", false}};
    config["hostname"] = spec.name.substr(0, 63);
    config.erase("hooks");
    bundle.config_json = json::serialize(config);
  } catch (const std::exception& error) {
    return Fail(Invalid(error.what()));
  }
  return bundle;
}

Result<InstalledNode> ReadAnnotations(std::string_view annotations_json) {
  boost::system::error_code error;
  json::value parsed =
      json::parse(json::string_view(annotations_json.data(), annotations_json.size()), error);
  if (error || !parsed.is_object())
    return Fail(DataLoss("CONTAINER_UNREADABLE", "its annotations are not JSON"));
  return FromAnnotations(parsed.as_object());
}

Result<InstalledNode> ReadInstalled(std::string_view config_json) {
  boost::system::error_code error;
  json::value parsed =
      json::parse(json::string_view(config_json.data(), config_json.size()), error);
  const json::value* annotations =
      !error && parsed.is_object() ? parsed.as_object().if_contains("annotations") : nullptr;
  if (annotations == nullptr || !annotations->is_object())
    return Fail(DataLoss("CONTAINER_UNREADABLE", "the container's config.json is damaged"));
  return FromAnnotations(annotations->as_object());
}

std::string RenderNodeInfo(const NodeSpec& spec) {
  std::string out = "{";
  auto text = [&](std::string_view key, std::string_view value) {
    AppendJsonKey(out, key);
    AppendJsonString(out, value);
    out += ',';
  };
  text("node_id", spec.node_id.ToString());
  text("name", spec.name);
  text("image", spec.image);
  text("config_id", spec.config_id.ToString());
  out +=
      fmt::format(R"("resources":{{"cpu_cores":{},"memory_bytes":{},"disk_bytes":{}}},"values":{{)",
                  spec.resources.cpu_cores, spec.resources.memory_bytes, spec.resources.disk_bytes);
  bool first = true;
  for (const auto& [key, value] : spec.values) {
    if (!std::exchange(first, false)) out += ',';
    AppendJsonKey(out, key);
    AppendJsonString(out, value);
  }
  out += R"(},"firewall_rules":)" + FirewallRulesToJson(spec.firewall_rules) + "}";
  return out;
}

}  // namespace tallyman
