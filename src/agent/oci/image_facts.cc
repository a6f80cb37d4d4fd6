#include "agent/oci/image_facts.h"

#include <fmt/core.h>
#include <sys/utsname.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/oci/image_volumes.h"
#include "agent/oci/signals.h"
#include "base/checked.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr size_t kWordsMax = 4096;

// A part of the config. A null counts as missing.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}

  const json::value* Find(std::string_view key) const {
    const json::value* value = object_.if_contains(key);
    return value != nullptr && !value->is_null() ? value : nullptr;
  }

  Result<std::string> Text(std::string_view key) const {
    const json::value* value = Find(key);
    if (value == nullptr) return std::string();
    if (!value->is_string()) return Fail(Wrong(key, "a text"));
    return std::string(value->as_string());
  }

  Result<std::vector<std::string>> Words(std::string_view key) const {
    std::vector<std::string> words;
    const json::value* value = Find(key);
    if (value == nullptr) return words;
    if (!value->is_array() || value->as_array().size() > kWordsMax)
      return Fail(Wrong(key, "a list of words"));
    for (const json::value& word : value->as_array()) {
      if (!word.is_string() || word.as_string().find('\0') != json::string::npos)
        return Fail(Wrong(key, "a list of words"));
      words.emplace_back(word.as_string());
    }
    return words;
  }

  // A length of time in nanoseconds; 0 and missing are the default.
  Result<std::chrono::milliseconds> Time(std::string_view key,
                                         std::chrono::milliseconds otherwise) const {
    const json::value* value = Find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_int64() || value->as_int64() < 0) return Fail(Wrong(key, "a length of time"));
    if (value->as_int64() == 0) return otherwise;
    return std::chrono::ceil<std::chrono::milliseconds>(
        std::chrono::nanoseconds(value->as_int64()));
  }

  static Error Wrong(std::string_view key, std::string_view wanted) {
    return ImageNotSupported(
        fmt::format("{} in the image's config is not {}: build the image again", key, wanted));
  }

 private:
  const json::object& object_;
};

Result<std::optional<ImageHealth>> ReadHealth(const json::object& config) {
  const json::value* value = Reader(config).Find("Healthcheck");
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) return Fail(Reader::Wrong("Healthcheck", "an object"));
  Reader check(value->as_object());
  ASSIGN_OR_RETURN(std::vector<std::string> test, check.Words("Test"));
  if (test.empty() || test[0] == "NONE" || test.size() == 1) return std::nullopt;
  ImageHealth health;
  if (test[0] == "CMD-SHELL") {
    ASSIGN_OR_RETURN(health.command, Reader(config).Words("Shell"));
    if (health.command.empty()) health.command = {"/bin/sh", "-c"};
    health.command.push_back(test[1]);
  } else if (test[0] == "CMD") {
    health.command.assign(test.begin() + 1, test.end());
  } else {
    return Fail(Reader::Wrong("Healthcheck", "CMD, CMD-SHELL or NONE"));
  }
  ASSIGN_OR_RETURN(health.interval, check.Time("Interval", health.interval));
  ASSIGN_OR_RETURN(health.timeout, check.Time("Timeout", health.timeout));
  ASSIGN_OR_RETURN(health.start_period, check.Time("StartPeriod", health.start_period));
  const json::value* retries = check.Find("Retries");
  if (retries != nullptr && retries->is_int64() && retries->as_int64() > 0)
    health.retries = std::min<int64_t>(retries->as_int64(), 1000);
  return health;
}

Status ReadCommand(const Reader& config, ImageFacts& facts) {
  ASSIGN_OR_RETURN(facts.command, config.Words("Entrypoint"));
  ASSIGN_OR_RETURN(std::vector<std::string> more, config.Words("Cmd"));
  facts.command.insert(facts.command.end(), more.begin(), more.end());
  if (!facts.command.empty() && !facts.command.front().empty()) return {};
  return Fail(ImageNotSupported(
      "the image has neither ENTRYPOINT nor CMD, so there is nothing to run: give it one"));
}

Status ReadProcess(const Reader& config, ImageFacts& facts) {
  RETURN_IF_ERROR(ReadCommand(config, facts));
  ASSIGN_OR_RETURN(facts.environment, config.Words("Env"));
  // A name alone means that the variable is not set.
  std::erase_if(facts.environment, [](const std::string& line) {
    return line.find('=') == std::string::npos || line.starts_with('=');
  });
  ASSIGN_OR_RETURN(std::string directory, config.Text("WorkingDir"));
  facts.working_directory = CleanPath(directory);
  ASSIGN_OR_RETURN(facts.user, config.Text("User"));
  ASSIGN_OR_RETURN(facts.stop_signal, config.Text("StopSignal"));
  if (facts.stop_signal.empty() || ParseSignal(facts.stop_signal)) return {};
  return Fail(ImageNotSupported(
      fmt::format("STOPSIGNAL {} of the image is not a signal of Linux: use a name such as SIGTERM",
                  Quote(facts.stop_signal))));
}

Status ReadSets(const Reader& config, ImageFacts& facts) {
  if (const json::value* volumes = config.Find("Volumes")) {
    if (!volumes->is_object()) return Fail(Reader::Wrong("Volumes", "a set of paths"));
    for (const auto& entry : volumes->as_object()) facts.volumes.emplace_back(entry.key());
  }
  if (const json::value* labels = config.Find("Labels")) {
    if (!labels->is_object()) return Fail(Reader::Wrong("Labels", "a map of texts"));
    for (const auto& entry : labels->as_object())
      if (entry.value().is_string()) facts.labels.emplace(entry.key(), entry.value().as_string());
  }
  return {};
}

std::string RenderHealth(const ImageHealth& health) {
  return json::serialize(json::object{{"command", json::value_from(health.command)},
                                      {"interval_ms", health.interval.count()},
                                      {"timeout_ms", health.timeout.count()},
                                      {"start_period_ms", health.start_period.count()},
                                      {"retries", health.retries}});
}

std::string HostArchitecture() {
  struct utsname name{};
  ::uname(&name);
  const std::string machine = name.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

}  // namespace

Error ImageNotSupported(std::string message) {
  return Error(Code::kUnimplemented, "IMAGE_NOT_SUPPORTED", std::move(message));
}

Result<ImageFacts> ReadImageFacts(std::string_view config_json) {
  boost::system::error_code error;
  const json::value parsed =
      json::parse(json::string_view(config_json.data(), config_json.size()), error);
  if (error || !parsed.is_object())
    return Fail(ImageNotSupported("the image's config is not JSON: build the image again"));
  ImageFacts facts;
  Reader image(parsed.as_object());
  ASSIGN_OR_RETURN(facts.architecture, image.Text("architecture"));
  ASSIGN_OR_RETURN(facts.os, image.Text("os"));
  if (const json::value* root = image.Find("rootfs"); root != nullptr && root->is_object()) {
    ASSIGN_OR_RETURN(facts.layer_sums, Reader(root->as_object()).Words("diff_ids"));
  }
  const json::value* found = image.Find("config");
  static const json::value kNothing = json::object();
  const json::value& inner = found == nullptr ? kNothing : *found;
  if (!inner.is_object()) return Fail(Reader::Wrong("config", "an object"));
  Reader config(inner.as_object());
  RETURN_IF_ERROR(ReadProcess(config, facts));
  RETURN_IF_ERROR(ReadSets(config, facts));
  ASSIGN_OR_RETURN(facts.health, ReadHealth(inner.as_object()));
  return facts;
}

Status CheckPlatform(const ImageFacts& facts) {
  const std::string host = HostArchitecture();
  const bool same_os = facts.os.empty() || facts.os == "linux";
  if (same_os && (facts.architecture.empty() || facts.architecture == host)) return {};
  return Fail(ImageNotSupported(
      fmt::format("the image is for {}/{}, and this host is linux/{}: publish it for that platform",
                  facts.os.empty() ? "linux" : Quote(facts.os), Quote(facts.architecture), host)));
}

std::string RenderRuntimeConfig(const ImageFacts& facts, const ContainerUser& user) {
  static const json::value kTemplate = json::parse(R"({
    "ociVersion": "1.0.0",
    "process": {"terminal": false},
    "root": {"path": "rootfs"},
    "mounts": [
      {"destination": "/proc", "type": "proc", "source": "proc"},
      {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
       "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
      {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
       "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
      {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
       "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
      {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
       "options": ["nosuid", "noexec", "nodev"]},
      {"destination": "/sys", "type": "sysfs", "source": "sysfs",
       "options": ["nosuid", "noexec", "nodev", "ro"]},
      {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
       "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}
    ],
    "linux": {
      "resources": {"devices": [{"allow": false, "access": "rwm"}]},
      "maskedPaths": ["/proc/kcore", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
      "readonlyPaths": ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
        "/proc/sysrq-trigger"]
    }
  })");
  json::object config = kTemplate.as_object();
  json::object& process = config.at("process").as_object();
  json::object as = {{"uid", user.uid}, {"gid", user.gid}};
  if (!user.more_gids.empty()) as["additionalGids"] = json::value_from(user.more_gids);
  process["user"] = as;
  process["args"] = json::value_from(facts.command);
  process["cwd"] = facts.working_directory;
  json::array environment;
  const auto is_set = [&](std::string_view name) {
    return std::ranges::any_of(facts.environment, [&](const std::string& line) {
      return line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=';
    });
  };
  if (!is_set("PATH"))
    environment.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  if (!is_set("HOME") && !user.home.empty()) environment.emplace_back("HOME=" + user.home);
  for (const std::string& line : facts.environment) environment.emplace_back(line);
  process["env"] = environment;
  for (const std::string& path : facts.volumes) {
    config.at("mounts").as_array().push_back(json::object{
        {"destination", path}, {"type", "tmpfs"}, {"source", "none"}, {"options", {"rw"}}});
  }
  json::object annotations;
  for (const auto& [key, value] : facts.labels) annotations[key] = value;
  annotations["org.opencontainers.image.stopSignal"] = facts.stop_signal;
  annotations[kHealthAnnotation] = facts.health ? RenderHealth(*facts.health) : "";
  config["annotations"] = annotations;
  return json::serialize(config);
}

}  // namespace tallyman::agent::oci
