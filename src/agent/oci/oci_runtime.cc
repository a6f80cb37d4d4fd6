#include "agent/oci/oci_runtime.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/container_end.h"
#include "agent/file.h"
#include "agent/machine.h"
#include "agent/oci/cgroup.h"
#include "agent/oci/mounts.h"
#include "agent/oci/node_log.h"
#include "agent/oci/process.h"
#include "agent/oci/user_namespace_trial.h"
#include "agent/system_error.h"
#include "base/checked.h"
#include "base/digest.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kPageBytes = 4096;
constexpr size_t kBlockingJobBytesMax = 1024;
constexpr int64_t kRetryAfterSecondsMax = 7 * 24 * 3600;
// Enough for two data directories on one host to have different names.
constexpr size_t kHashDigits = 12;
constexpr int64_t kOldLogBytesMax = 16 << 20;

Status CheckDataDirectory(const std::filesystem::path& path) {
  // The options of an overlay mount cannot quote ',' and ':'.
  std::string text = path.string();
  bool plain = path.is_absolute() && path == path.lexically_normal() && text.size() <= 200 &&
               std::ranges::all_of(text, [](char c) {
                 return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '_' || c == '-';
               });
  if (plain) return {};
  return Fail(
      InvalidArgument(
          "INVALID_DATA_DIRECTORY",
          fmt::format("data directory {}: use an absolute path of A-Z a-z 0-9 . _ -", Quote(text)))
          .With("field", "data")
          .With("value", Quote(text)));
}

Status CheckHost(const std::string& cgroup_parent) {
  if (::geteuid() != 0) {
    return Fail(Error(Code::kPermissionDenied, "NOT_PRIVILEGED",
                      "containers with limits need root: run the agent as root, or with --runtime "
                      "simulated"));
  }
  RETURN_IF_ERROR(CheckCgroups(cgroup_parent));
  if (::access("/dev/loop-control", R_OK | W_OK) != 0) {
    return Fail(FailedPrecondition("LOOP_UNAVAILABLE",
                                   "/dev/loop-control cannot be used, and a node's disk is limited "
                                   "by a loop device: load the module loop, or run the agent with "
                                   "--runtime simulated"));
  }
  for (const char* tool : {"runc", "skopeo", "umoci", "zstd", "mkfs.ext4", "e2fsck", "resize2fs"})
    RETURN_IF_ERROR(RunProcess({tool, tool[0] == 'm' || tool[0] == 'e' ? "-V" : "--version"}));
  return {};
}

// Reads a file that the node may have replaced by anything: it does not follow a link or wait for a
// pipe.
std::optional<std::string> ReadUntrusted(const std::filesystem::path& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  if (!file.is_open() || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return std::nullopt;
  std::string text(kBlockingJobBytesMax, '\0');
  ssize_t got = ::read(file.get(), text.data(), text.size());
  if (got < 0) return std::nullopt;
  text.resize(static_cast<size_t>(got));
  return text;
}

Result<std::filesystem::path> FindMonitor(const OciRuntimeOptions& options) {
  if (!options.monitor_program.empty()) return options.monitor_program;
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  for (const auto& directory :
       {self.parent_path(), std::filesystem::path("/usr/libexec/tallyman")}) {
    std::filesystem::path program = directory / "tallyman-monitor";
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return Fail(
      FailedPrecondition(kToolMissing,
                         "the program tallyman-monitor is neither beside this program nor in "
                         "/usr/libexec/tallyman: install the package as a whole")
          .With("tool", "tallyman-monitor"));
}

// For a container that an earlier release started: its output is a file that only this bounds.
void BoundOldLog(const std::filesystem::path& log) {
  struct stat info{};
  if (::stat(log.c_str(), &info) == 0 && info.st_size > kOldLogBytesMax)
    (void)!::truncate(log.c_str(), 0);
}

// Polls often at first, when most jobs end, and rarely for long jobs.
milliseconds LookAgainAfter(std::chrono::steady_clock::duration so_far) {
  return std::clamp(std::chrono::duration_cast<milliseconds>(so_far) / 8, milliseconds(5),
                    milliseconds(500));
}

HealthReport NotRunning(const std::optional<ReportedEnd>& end) {
  HealthReport report{.health = NodeHealth::kNotRunning, .end = end};
  report.message = end ? DescribeEnd(*end) : "it is unknown how its container ended";
  return report;
}

// One image gets at most half of the space, both packed and unpacked.
ImageStoreOptions StoreOptions(const OciRuntimeOptions& options, ImageRoom& room) {
  PullLimits limits;
  limits.download_bytes_max = room.Bytes() / 2;
  limits.unpacked_bytes_max = room.Bytes() / 2;
  limits.entries_max = room.Bytes() / kBytesPerEntry;
  limits.pull_timeout = options.pull_timeout;
  limits.stall_timeout = options.pull_stall_timeout;
  return {.directory = room.mount_point(),
          .old_directory = options.data_directory / "images",
          .open = [&room] { return room.Open(); },
          .registries = options.registries,
          .limits = limits,
          .stop = options.stop};
}

}  // namespace

std::filesystem::path BootDirectory(const OciRuntimeOptions& options) {
  return options.run_directory / Sha256Hex(options.data_directory.string()).substr(0, kHashDigits);
}

OciRuntime::OciRuntime(OciRuntimeOptions options)
    : options_(std::move(options)),
      room_(options_.data_directory, options_.image_room_bytes),
      images_(StoreOptions(options_, room_)),
      runc_({.root = BootDirectory(options_) / "runc",
             .cgroup_parent = options_.cgroup_parent,
             .monitor_program = options_.monitor_program,
             .segment_bytes = static_cast<size_t>(options_.log_bytes / 2)}),
      steps_(options_, images_, runc_) {}

Result<std::unique_ptr<OciRuntime>> OciRuntime::Open(OciRuntimeOptions options) {
  RETURN_IF_ERROR(CheckDataDirectory(options.data_directory));
  RETURN_IF_ERROR(CheckHost(options.cgroup_parent));
  // Nodes must be able to read the files that this process and its tools create for them; the
  // agent's own files are in a directory that nobody else can enter.
  ::umask(0022);
  for (const char* name : {"nodes", "locks"})
    RETURN_IF_ERROR(MakeDirectories(options.data_directory / name));
  const std::filesystem::path boot = BootDirectory(options);
  for (const char* name : {"runc", "nodes", "secrets"})
    RETURN_IF_ERROR(MakeDirectories(boot / name));
  // Root of a node with a user namespace passes through it to what it sees.
  const mode_t boot_mode = options.user_namespaces ? 0711 : 0700;
  const std::pair<std::filesystem::path, mode_t> modes[] = {{options.data_directory, 0700},
                                                            {boot / "runc", 0700},
                                                            {boot / "nodes", 0700},
                                                            {boot / "secrets", boot_mode},
                                                            {boot, boot_mode}};
  for (const auto& [path, mode] : modes) {
    if (::chmod(path.c_str(), mode) != 0)
      return Fail(SystemError("INVALID_DATA_DIRECTORY", path.string()));
  }
  ASSIGN_OR_RETURN(options.monitor_program, FindMonitor(options));
  ControlGroup(options.cgroup_parent + "/monitor").Make();
  RETURN_IF_ERROR(TakeOverRecords(options.data_directory / "runc", boot / "runc"));
  RETURN_IF_ERROR(TryUserNamespaces(options));
  return std::unique_ptr<OciRuntime>(new OciRuntime(std::move(options)));
}

std::string OciRuntime::Version() {
  auto said = RunTool({"runc", "--version"});
  return said ? "runc " + said->substr(13, said->find('\n') - 13) : "runc";
}

Result<Capacity> OciRuntime::MeasureCapacity() {
  ASSIGN_OR_RETURN(Resources machine, MeasureMachine(options_.data_directory));
  ASSIGN_OR_RETURN(DiskRoom disk, MeasureDisk(options_.data_directory));
  DiskUse use{.log_bytes_per_node = options_.log_bytes};
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(options_.data_directory / "nodes", error)) {
    auto id = NodeId::Parse(entry.path().filename().string());
    if (!id) continue;
    const NodePlaces places = steps_.PlacesOf(*id);
    ++use.nodes;
    use.logs_bytes += AllocatedBytes(places.output / "0") + AllocatedBytes(places.output / "1");
    use.node_disks_bytes +=
        AllocatedBytes(places.disk_file) + AllocatedBytes(places.disk_file.string() + ".new");
  }
  use.to_come_bytes = room_.BytesToCome();
  Capacity capacity = PlanCapacity(machine, disk, use);
  capacity.thin_disks = options_.thin_disks;
  return capacity;
}

std::shared_ptr<OciRuntime::Work> OciRuntime::WorkOf(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  auto& work = works_[node_id];
  if (!work) work = std::make_shared<Work>();
  return work;
}

// A node without work in progress leaves nothing behind.
void OciRuntime::Forget(const NodeId& node_id) {
  std::lock_guard lock(mutex_);
  works_.erase(node_id);
}

Result<Progress> OciRuntime::LookAfter(
    const NodeId& node_id, const Asked& asked,
    const std::function<Job<void>(std::shared_ptr<bool>)>& begin) {
  const std::shared_ptr<Work> work = WorkOf(node_id);
  const std::lock_guard lock(work->mutex);
  if (work->job && work->asked != asked) {
    // Nobody needs the record of its end any more.
    if (*work->unbroken && asked.call != Call::kRemove && work->job->Poll()) work->job.reset();
    if (work->job && *work->unbroken && asked.call != Call::kRemove)
      return Progress::Later(milliseconds(200));
    work->job.reset();
  }
  if (!work->job) {
    work->asked = asked;
    work->since = std::chrono::steady_clock::now();
    work->unbroken = std::make_shared<bool>(false);
    work->job.emplace(begin(work->unbroken));
    if (asked.call != Call::kPrepare && asked.call != Call::kDropLeftovers) work->probe.reset();
  }
  auto result = work->job->Poll();
  if (!result)
    return Progress::Later(LookAgainAfter(std::chrono::steady_clock::now() - work->since));
  work->job.reset();
  if (!work->probe) Forget(node_id);
  RETURN_IF_ERROR(*result);
  return Progress::Done();
}

Result<Progress> OciRuntime::Prepare(const NodeSpec& spec) {
  return LookAfter(spec.node_id, {Call::kPrepare, spec},
                   [&](const auto&) { return steps_.Prepare(spec); });
}

Result<Progress> OciRuntime::Install(const NodeSpec& spec) {
  return LookAfter(spec.node_id, {Call::kInstall, spec},
                   [&](auto unbroken) { return steps_.Install(spec, std::move(unbroken)); });
}

Result<Progress> OciRuntime::Start(const NodeId& node_id) {
  return LookAfter(node_id, {Call::kStart, {}},
                   [&](auto unbroken) { return steps_.Start(node_id, std::move(unbroken)); });
}

Result<Progress> OciRuntime::Stop(const NodeId& node_id) {
  return LookAfter(node_id, {Call::kStop, {}}, [&](const auto&) { return steps_.Stop(node_id); });
}

Result<Progress> OciRuntime::Remove(const NodeId& node_id) {
  return LookAfter(node_id, {Call::kRemove, {}},
                   [&](const auto&) { return steps_.Remove(node_id); });
}

Result<Progress> OciRuntime::DropLeftovers(const NodeId& node_id) {
  return LookAfter(node_id, {Call::kDropLeftovers, {}},
                   [&](const auto&) { return steps_.DropLeftovers(node_id); });
}

Result<Progress> OciRuntime::DropImagesExcept(const std::set<ImageId>& kept) {
  RETURN_IF_ERROR(images_.DropAllExcept(kept));
  return Progress::Done();
}

Result<std::optional<HealthReport>> OciRuntime::CheckHealth(const NodeId& node_id) {
  const std::shared_ptr<Work> work = WorkOf(node_id);
  const std::lock_guard lock(work->mutex);
  if (!work->probe) {
    const NodePlaces places = steps_.PlacesOf(node_id);
    ASSIGN_OR_RETURN(std::optional<Container> container, runc_.Find(node_id, places));
    if (!container || !container->running) {
      if (!work->job) Forget(node_id);
      return NotRunning(runc_.FindEnd(places));
    }
    work->probe.emplace(
        steps_.Probe(node_id, container->made_from ? *container->made_from : InstalledNode()));
  }
  auto report = work->probe->Poll();
  if (!report) return std::nullopt;
  work->probe.reset();
  if (!work->job) Forget(node_id);
  ASSIGN_OR_RETURN(HealthReport found, std::move(*report));
  return found;
}

Result<HealthReport> OciRuntime::CheckRuns(const NodeId& node_id) {
  const NodePlaces places = steps_.PlacesOf(node_id);
  ASSIGN_OR_RETURN(std::optional<Container> container, runc_.Find(node_id, places));
  if (!container || !container->running) return NotRunning(runc_.FindEnd(places));
  return HealthReport();
}

Result<std::optional<BlockingJob>> OciRuntime::FindBlockingJob(const NodeId& node_id) {
  auto text = ReadUntrusted(steps_.PlacesOf(node_id).jobs() / "blocking-job");
  if (!text) return std::nullopt;
  // "SECONDS DESCRIPTION", one line; an unreadable one counts as a minute.
  std::string line = text->substr(0, text->find('\n'));
  size_t space = std::min(line.find(' '), line.size());
  auto seconds = ParseInt64(line.substr(0, space));
  BlockingJob job{
      .retry_after_seconds = std::clamp<int64_t>(seconds.value_or(60), 1, kRetryAfterSecondsMax),
      .description = Quote(line.substr(std::min(space + 1, line.size())))};
  return job;
}

ObservedNode OciRuntime::Observe(const NodeId& node_id,
                                 const std::vector<MountPoint>& mounts) const {
  ObservedNode node;
  node.node_id = node_id;
  const NodePlaces places = steps_.PlacesOf(node_id);
  auto container = runc_.Find(node_id, places);
  if (!container) {
    node.unreadable = container.error().message;
    return node;
  }
  std::optional<InstalledNode> made_from;
  if (*container) {
    made_from = (*container)->made_from;
    node.container_id = node_id.ToString();
    node.running = (*container)->running;
  } else if (auto config = ReadFile(places.config)) {
    if (auto installed = ReadInstalled(*config)) made_from = std::move(*installed);
  }
  if (made_from) {
    node.config_id = made_from->config_id;
    node.image_id = made_from->image_id;
    node.image_uri = made_from->image_uri;
    node.image_digest = images_.DigestOf(made_from->image_id);
  }
  const auto disk = steps_.VolumeOf(places).Look(mounts);
  if (disk) {
    node.disk_used_bytes = disk->used_bytes;
    node.disk_problem = disk->problem;
  }
  if (!node.running) {
    node.end = runc_.FindEnd(places);
    return node;
  }
  BoundOldLog(places.old_log);
  // If this fails now, the next poll tries again; the node's output waits.
  (void)runc_.KeepWatched(**container, places);
  if (auto limits = ReadCgroupLimits((*container)->first.pid)) node.limits = *limits;
  // The kernel limits memory in whole pages.
  if (made_from &&
      node.limits.memory_bytes == made_from->resources.memory_bytes / kPageBytes * kPageBytes)
    node.limits.memory_bytes = made_from->resources.memory_bytes;
  node.limits.disk_bytes = disk ? disk->bytes : 0;
  return node;
}

Result<std::vector<ObservedNode>> OciRuntime::List() {
  std::set<NodeId> ids;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(options_.data_directory / "nodes", error)) {
    if (auto id = NodeId::Parse(entry.path().filename().string())) ids.insert(*id);
  }
  if (error) return Fail(SystemError("FILE_NOT_READ", "nodes", error.value()));
  for (const NodeId& id : runc_.List()) ids.insert(id);
  ASSIGN_OR_RETURN(const std::vector<MountPoint> mounts, ListMounts());
  std::vector<ObservedNode> nodes;
  nodes.reserve(ids.size());
  for (const NodeId& id : ids) nodes.push_back(Observe(id, mounts));
  return nodes;
}

Result<LogPart> OciRuntime::ReadLog(const NodeId& node_id, const LogPosition& from,
                                    size_t lines_max) {
  return ReadNodeLog(steps_.PlacesOf(node_id).output, from, lines_max);
}

Result<LogPosition> OciRuntime::FindLogTail(const NodeId& node_id, int64_t lines) {
  return FindNodeLogTail(steps_.PlacesOf(node_id).output, lines);
}

}  // namespace tallyman::agent::oci
