#include "agent/oci/bundle.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "agent/oci/environment.h"
#include "agent/oci/node_secrets.h"
#include "base/checked.h"
#include "base/json_text.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr int64_t kCpuPeriodMicros = 100'000;
constexpr int64_t kStopGraceSecondsMax = 3600;

// Labels of an image and values of a node that the agent itself understands.
constexpr std::string_view kHealthValue = "health_command";
constexpr std::string_view kGraceLabel = "tallyman.stop-grace-seconds";
constexpr std::string_view kStopSignal = "org.opencontainers.image.stopSignal";

Error Invalid(std::string message) {
  return InvalidArgument("IMAGE_CONFIG_INVALID", "the image's config: " + std::move(message));
}

json::object Bind(std::string_view destination, const std::filesystem::path& source,
                  std::string_view access) {
  return {{"destination", destination},
          {"type", "bind"},
          {"source", source.string()},
          {"options", json::array{"rbind", access, "nosuid", "nodev"}}};
}

Status PlanMounts(json::object& config, const NodeSpec& spec, const BundlePlaces& places,
                  std::vector<std::string>& volume_names) {
  ASSIGN_OR_RETURN(volume_names, PlanVolumes(config, places.volumes, places.used_volumes));
  json::array& mounts = config.at("mounts").as_array();
  mounts.push_back(Bind("/tallyman", places.info, "ro"));
  mounts.push_back(Bind("/tallyman/jobs", places.jobs, "rw"));
  if (!spec.secrets.empty()) {
    json::object secrets = Bind(kSecretsInNode, places.secrets, "ro");
    secrets.at("options").as_array().push_back("noexec");
    mounts.push_back(std::move(secrets));
  }
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
    return Fail(Invalid("the node's resources must be positive"));
  json::object memory = {{"limit", spec.resources.memory_bytes}};
  // The limit of memory and swap together equals that of memory alone: no swap.
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

Status PlanAnnotations(json::object& config, const NodeSpec& spec,
                       const std::vector<std::string>& volume_names) {
  json::object from_image;
  if (json::value* there = config.if_contains("annotations");
      there != nullptr && there->is_object())
    from_image = there->as_object();
  auto value = spec.values.find(std::string(kHealthValue));
  ASSIGN_OR_RETURN(HealthPlan health,
                   PlanHealth(config, value != spec.values.end() ? std::string_view(value->second)
                                                                 : std::string_view()));
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
      {"tallyman.health", health.command.empty() ? "" : json::serialize(health.command)},
      {"tallyman.health_timeout_ms", std::to_string(health.timing.timeout.count())},
      {"tallyman.health_interval_ms", std::to_string(health.timing.interval.count())},
      {"tallyman.health_start_period_ms", std::to_string(health.timing.start_period.count())},
      {"tallyman.health_retries", std::to_string(health.timing.retries)},
      {"tallyman.user", ToText(OwnerOf(config))},
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
    return Fail(DataLoss("CONTAINER_UNREADABLE", "its annotations do not describe a node"));
  InstalledNode installed{.node_id = *node,
                          .config_id = *config,
                          .image_id = *image,
                          .image_uri = text("image_uri"),
                          .resources = {*cores, *memory, *disk}};
  ASSIGN_OR_RETURN(installed.health_command, WordsOf(text("health")));
  ASSIGN_OR_RETURN(installed.volume_names, WordsOf(text("volumes")));
  if (std::string signal = text("stop_signal"); !signal.empty()) installed.stop_signal = signal;
  if (auto grace = ParseInt64(text("stop_grace_seconds")))
    installed.stop_grace = std::chrono::seconds(*grace);
  // Containers of earlier releases have none of these.
  const auto milliseconds = [&](std::string_view key) {
    return std::chrono::milliseconds(ParseInt64(text(key)).value_or(0));
  };
  installed.health_timing = {.timeout = milliseconds("health_timeout_ms"),
                             .interval = milliseconds("health_interval_ms"),
                             .start_period = milliseconds("health_start_period_ms"),
                             .retries = 0};
  // The last release has written 1 where the image says nothing of its probes.
  if (installed.health_timing.interval.count() > 0)
    installed.health_timing.retries = ParseInt64(text("health_retries")).value_or(0);
  installed.user = ParseDataOwner(text("user"));
  return installed;
}

}  // namespace

Result<Bundle> MakeBundle(std::string_view image_config, const NodeSpec& spec,
                          const BundlePlaces& places) {
  Bundle bundle;
  // Boost.JSON's at() and as_...() throw on missing values and on values of another kind.
  try {
    json::value parsed = json::parse(json::string_view(image_config.data(), image_config.size()));
    json::object& config = parsed.as_object();
    PlanProcess(config, spec);
    RETURN_IF_ERROR(PlanMounts(config, spec, places, bundle.volume_names));
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
  ASSIGN_OR_RETURN(InstalledNode installed, FromAnnotations(annotations->as_object()));
  if (!installed.user) installed.user = OwnerOf(parsed.as_object());
  return installed;
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

}  // namespace tallyman::agent::oci
