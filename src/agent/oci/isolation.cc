#include "agent/oci/isolation.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/file.h"
#include "agent/oci/bundle.h"
#include "agent/oci/seccomp.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

// The capabilities of root in a node: own files of any user, become another user, listen on any
// port.
constexpr std::string_view kCapabilities[] = {
    "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",     "CAP_FSETID",          "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID",       "CAP_SYS_CHROOT", "CAP_NET_BIND_SERVICE"};

// There is no network namespace: nodes are reached at the host's own addresses.
constexpr std::string_view kNamespaces[] = {"pid", "ipc", "uts", "mount", "cgroup"};

// Hidden: memory, keys and timers of the whole host, and its firmware. The permissions of these
// files do not stop root of a node.
constexpr std::string_view kMasked[] = {"/proc/acpi",           "/proc/asound",
                                        "/proc/interrupts",     "/proc/kcore",
                                        "/proc/keys",           "/proc/key-users",
                                        "/proc/kpagecgroup",    "/proc/kpagecount",
                                        "/proc/kpageflags",     "/proc/kmsg",
                                        "/proc/latency_stats",  "/proc/mtrr",
                                        "/proc/sched_debug",    "/proc/scsi",
                                        "/proc/slabinfo",       "/proc/timer_list",
                                        "/proc/timer_stats",    "/proc/vmallocinfo",
                                        "/proc/dynamic_debug",  "/sys/firmware",
                                        "/sys/kernel/security", "/sys/devices/virtual/powercap"};

constexpr std::string_view kReadOnly[] = {"/proc/bus", "/proc/driver",       "/proc/fs",
                                          "/proc/irq", "/proc/mdstat",       "/proc/pressure",
                                          "/proc/sys", "/proc/sysrq-trigger"};

constexpr int64_t kTasksMin = 512;
constexpr uint64_t kFilesSoft = 65'536;
constexpr uint64_t kFilesHard = 1'048'576;
constexpr int64_t kSharedMemoryMin = 64 << 20;
// A host that runs out of memory kills processes of nodes before its own.
constexpr int kOomScoreAdjust = 500;
constexpr int kUmask = 0022;

json::array Strings(auto&& texts) {
  json::array array;
  for (std::string_view text : texts) array.push_back(json::string(text));
  return array;
}

json::object MountOf(std::string_view destination, std::string_view type, std::string_view source,
                     std::initializer_list<std::string> options) {
  return {{"destination", destination},
          {"type", type},
          {"source", source},
          {"options", Strings(options)}};
}

json::object SysMount(const NodePlaces& places, bool mapped) {
  if (!mapped) return MountOf("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"});
  return MountOf("/sys", "bind", places.mapped_sys().string(),
                 {"bind", "nosuid", "noexec", "nodev", "ro"});
}

// What every container has, in the order in which it is mounted.
json::array SystemMounts(const Resources& resources, json::object sys) {
  // Part of the node's memory: what lies there counts as such.
  const int64_t shared = std::max(resources.memory_bytes / 2, kSharedMemoryMin);
  return {MountOf("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
          MountOf("/dev", "tmpfs", "tmpfs",
                  {"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}),
          MountOf("/dev/pts", "devpts", "devpts",
                  {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
          MountOf("/dev/shm", "tmpfs", "shm",
                  {"nosuid", "noexec", "nodev", "mode=1777", "size=" + std::to_string(shared)}),
          MountOf("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
          std::move(sys),
          MountOf("/sys/fs/cgroup", "cgroup", "cgroup",
                  {"nosuid", "noexec", "nodev", "relatime", "ro"})};
}

// Files from the node's directory that replace the image's.
json::array FileMounts(const std::filesystem::path& info) {
  json::array mounts;
  for (const char* name : {"hosts", "hostname", "resolv.conf"}) {
    mounts.push_back(MountOf(std::string("/etc/") + name, "bind", (info / "etc" / name).string(),
                             {"bind", "ro", "nosuid", "nodev", "noexec"}));
  }
  return mounts;
}

// What is on the node's disk is seen through the mount that has the node's user ids, if it has any
// of its own.
void ShowDisk(json::value& mount, const NodePlaces& places, bool mapped) {
  const std::string from = (mapped ? places.disk : places.mapped_disk()).string() + "/";
  const std::string to = (mapped ? places.mapped_disk() : places.disk).string() + "/";
  json::value* source = mount.as_object().if_contains("source");
  if (source == nullptr || !source->is_string()) return;
  const std::string text(source->as_string());
  if (text.starts_with(from)) *source = json::string(to + text.substr(from.size()));
}

void PlanMounts(json::object& config, const Resources& resources, const NodePlaces& places,
                bool mapped) {
  json::array planned = SystemMounts(resources, SysMount(places, mapped));
  const json::array files = FileMounts(places.info);
  auto has = [](const json::array& mounts, const json::value& destination) {
    return std::ranges::any_of(
        mounts, [&](const json::value& mount) { return mount.at("destination") == destination; });
  };
  for (json::value& mount : config.at("mounts").as_array()) {
    const json::value& destination = mount.at("destination");
    if (has(planned, destination) || has(files, destination)) continue;
    ShowDisk(mount, places, mapped);
    planned.push_back(std::move(mount));
  }
  planned.insert(planned.end(), files.begin(), files.end());
  config["mounts"] = std::move(planned);
}

json::object Bound(std::string_view type, uint64_t soft, uint64_t hard) {
  return {{"type", type}, {"soft", soft}, {"hard", hard}};
}

void PlanProcess(json::object& process, const HostBounds& host) {
  const json::array capabilities = Strings(kCapabilities);
  // Neither inheritable nor ambient: a user other than root has none.
  process["capabilities"] = json::object{
      {"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}};
  process["noNewPrivileges"] = true;
  process["oomScoreAdj"] = kOomScoreAdjust;
  json::value& user = process["user"];
  if (!user.is_object()) user = json::object{{"uid", 0}, {"gid", 0}};
  user.as_object()["umask"] = kUmask;
  const uint64_t files = std::min(kFilesHard, host.files_max);
  process["rlimits"] = json::array{
      // No core dumps. With 0, a kernel that pipes dumps to a program of the host would still call
      // it.
      Bound("RLIMIT_CORE", 1, 1),
      Bound("RLIMIT_NOFILE", std::min(kFilesSoft, files), files),
      // The kernel counts it by user over all nodes; a node's bound is its control group.
      Bound("RLIMIT_NPROC", host.user_tasks_max, host.user_tasks_max),
  };
}

void PlanNamespaces(json::object& container, std::optional<UserRange> users) {
  json::array namespaces;
  for (std::string_view type : kNamespaces) namespaces.push_back(json::object{{"type", type}});
  if (users) namespaces.push_back(json::object{{"type", "user"}});
  container["namespaces"] = std::move(namespaces);
  for (const char* ids : {"uidMappings", "gidMappings"}) {
    container.erase(ids);
    if (!users) continue;
    container[ids] = json::array{
        json::object{{"containerID", 0}, {"hostID", users->first}, {"size", kUserRangeIds}}};
  }
}

void PlanIsolation(json::object& config, const Resources& resources, const NodePlaces& places,
                   const HostBounds& host, std::optional<UserRange> users) {
  PlanProcess(config.at("process").as_object(), host);
  PlanMounts(config, resources, places, users.has_value());
  const std::filesystem::path root = users ? places.mapped_root() : places.root;
  config["root"] = json::object{{"path", root.string()}, {"readonly", false}};
  json::object& container = config.at("linux").as_object();
  PlanNamespaces(container, users);
  container["seccomp"] = SeccompProfile(host.machine);
  container["maskedPaths"] = Strings(kMasked);
  container["readonlyPaths"] = Strings(kReadOnly);
  container.erase("devices");
  container.erase("sysctl");
  json::value& limits = container["resources"];
  if (!limits.is_object()) limits = json::object();
  // runc adds those that every container has: null, zero, full, random, urandom, tty, terminals.
  limits.as_object()["devices"] = json::array{json::object{{"allow", false}, {"access", "rwm"}}};
  limits.as_object()["pids"] = json::object{{"limit", TasksMax(resources.cpu_cores, host)}};
}

}  // namespace

HostBounds ReadHostBounds() {
  HostBounds host;
  auto number = [](const char* path, int64_t otherwise) {
    auto text = ReadFile(path);
    auto parsed = text ? ParseInt64(text->substr(0, text->find('\n'))) : std::nullopt;
    return parsed && *parsed > 0 ? *parsed : otherwise;
  };
  host.cpu_cores = std::max<int64_t>(1, ::sysconf(_SC_NPROCESSORS_ONLN));
  host.tasks_max = std::min(number("/proc/sys/kernel/pid_max", host.tasks_max),
                            number("/proc/sys/kernel/threads-max", host.tasks_max));
  rlimit own{};
  if (::getrlimit(RLIMIT_NOFILE, &own) == 0) host.files_max = own.rlim_max;
  if (::getrlimit(RLIMIT_NPROC, &own) == 0) host.user_tasks_max = own.rlim_max;
  utsname name{};
  if (::uname(&name) == 0) host.machine = name.machine;
  return host;
}

int64_t TasksMax(int64_t cpu_cores, const HostBounds& host) {
  const int64_t shared = host.tasks_max / 4 * 3;
  const int64_t cores = std::clamp<int64_t>(cpu_cores, 1, host.cpu_cores);
  return std::min(shared, std::max(kTasksMin, shared / host.cpu_cores * cores));
}

Result<IsolatedConfig> Isolate(std::string_view config_json, const NodePlaces& places,
                               const HostBounds& host, std::optional<UserRange> users) {
  ASSIGN_OR_RETURN(InstalledNode installed, ReadInstalled(config_json));
  try {
    json::value parsed = json::parse(json::string_view(config_json.data(), config_json.size()));
    json::object& config = parsed.as_object();
    PlanIsolation(config, installed.resources, places, host, users);
    return IsolatedConfig{.config_json = json::serialize(config),
                          .host_name = std::string(config.at("hostname").as_string())};
  } catch (const std::exception& error) {
    return Fail(DataLoss("CONTAINER_UNREADABLE",
                         std::string("the container's config.json is damaged: ") + error.what()));
  }
}

}  // namespace tallyman::agent::oci
