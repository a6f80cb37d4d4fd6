#include "agent/oci/oci_runtime.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "agent/machine.h"
#include "agent/oci/cgroup.h"
#include "agent/oci/mounts.h"
#include "agent/oci/process.h"
#include "agent/system_error.h"
#include "base/checked.h"
#include "base/text.h"

namespace tallyman {

struct OciRuntime::Places {
  explicit Places(const std::filesystem::path& node)
      : directory(node),
        disk_file(node / "disk.img"),
        disk(node / "disk"),
        root(node / "rootfs"),
        bundle(node / "bundle"),
        config(node / "bundle" / "config.json"),
        info(node / "info"),
        log(node / "log") {}
  std::filesystem::path volumes() const { return disk / "volumes"; }
  std::filesystem::path jobs() const { return disk / "jobs"; }
  std::filesystem::path layers() const { return disk / "layers"; }

  std::filesystem::path directory;
  std::filesystem::path disk_file;
  std::filesystem::path disk;
  std::filesystem::path root;
  std::filesystem::path bundle;
  std::filesystem::path config;
  std::filesystem::path info;
  std::filesystem::path log;
};

namespace {

constexpr std::chrono::minutes kLockPatience(10);
constexpr std::chrono::seconds kUnmountPatience(20);
constexpr int64_t kLogBytesMax = 16 << 20;
constexpr int64_t kPageBytes = 4096;
constexpr size_t kBlockingJobBytesMax = 1024;
constexpr int64_t kRetryAfterSecondsMax = 7 * 24 * 3600;

Status CheckDataDirectory(const std::filesystem::path& path) {
  // The options of an overlay mount have no way to quote ',' and ':'.
  std::string text = path.string();
  bool plain = path.is_absolute() && path == path.lexically_normal() && text.size() <= 200 &&
               std::ranges::all_of(text, [](char c) {
                 return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '_' || c == '-';
               });
  if (plain) return {};
  return Fail(InvalidArgument(
                  "INVALID_DATA_DIRECTORY",
                  fmt::format("data directory {}: an absolute path of A-Z a-z 0-9 . _ - is needed",
                              Quote(text)))
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
  for (const char* tool : {"runc", "skopeo", "umoci", "mkfs.ext4", "e2fsck", "resize2fs"})
    RETURN_IF_ERROR(RunProcess({tool, tool[0] == 'm' || tool[0] == 'e' ? "-V" : "--version"}));
  return {};
}

// The text of a file that the node itself may have replaced by anything: not followed when it is a
// link, not waited for when it is a pipe.
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

// The log is the container's to append to: its text moves, its file stays.
void RotateLog(const std::filesystem::path& log) {
  std::error_code error;
  if (static_cast<int64_t>(std::filesystem::file_size(log, error)) < kLogBytesMax || error) return;
  std::filesystem::copy_file(log, log.string() + ".1",
                             std::filesystem::copy_options::overwrite_existing, error);
  std::filesystem::resize_file(log, 0, error);
}

}  // namespace

OciRuntime::OciRuntime(OciRuntimeOptions options)
    : options_(std::move(options)),
      images_({.directory = options_.data_directory / "images",
               .pull_timeout = options_.pull_timeout,
               .authfile = options_.registry_authfile,
               .plain_http = options_.registry_plain_http,
               .stop = options_.stop}),
      runc_(options_.data_directory / "runc") {}

Result<std::unique_ptr<OciRuntime>> OciRuntime::Open(OciRuntimeOptions options) {
  RETURN_IF_ERROR(CheckDataDirectory(options.data_directory));
  RETURN_IF_ERROR(CheckHost(options.cgroup_parent));
  for (const char* name : {"images", "nodes", "locks", "runc"})
    RETURN_IF_ERROR(MakeDirectories(options.data_directory / name));
  if (::chmod(options.data_directory.c_str(), 0700) != 0)
    return Fail(SystemError("INVALID_DATA_DIRECTORY", options.data_directory.string()));
  return std::unique_ptr<OciRuntime>(new OciRuntime(std::move(options)));
}

std::string OciRuntime::Version() {
  auto said = RunTool({"runc", "--version"});
  return said ? "runc " + said->substr(13, said->find('\n') - 13) : "runc";
}

OciRuntime::Places OciRuntime::PlacesOf(const NodeId& node_id) const {
  return Places(options_.data_directory / "nodes" / node_id.ToString());
}

Result<FileDescriptor> OciRuntime::LockNode(const NodeId& node_id) const {
  std::filesystem::path path = options_.data_directory / "locks" / node_id.ToString();
  FileDescriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.is_open()) return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
  const auto deadline = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      return Fail(
          Error(Code::kUnavailable, "NODE_BUSY",
                fmt::format("a tool of an earlier agent still works on node {}: see \"fuser "
                            "-v {}\"",
                            node_id.ToString(), path.string())));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return lock;
}

Result<Resources> OciRuntime::MeasureCapacity() { return MeasureMachine(options_.data_directory); }

Status OciRuntime::Prepare(const NodeSpec& spec) {
  RETURN_IF_ERROR(CheckImageUri(spec.image_uri));
  Places places = PlacesOf(spec.node_id);
  RETURN_IF_ERROR(Volume(places.disk_file, places.disk, -1).CheckFits(spec.resources.disk_bytes));
  return images_.Fetch(spec.image_id, spec.image_uri);
}

Status OciRuntime::Install(const NodeSpec& spec) {
  ASSIGN_OR_RETURN(FileDescriptor lock, LockNode(spec.node_id));
  ASSIGN_OR_RETURN(std::optional<Container> container, runc_.Find(spec.node_id));
  if (container && container->running) {
    return Fail(FailedPrecondition(
        "NODE_RUNS", fmt::format("node {} runs; stop it first", spec.node_id.ToString())));
  }
  ASSIGN_OR_RETURN(std::string image_config, ReadFile(images_.ConfigOf(spec.image_id)));
  Places places = PlacesOf(spec.node_id);
  std::error_code error;
  BundlePlaces in_bundle{
      .root = places.root,
      .volumes = places.volumes(),
      .info = places.info,
      .jobs = places.jobs(),
      .cgroup = options_.cgroup_parent + "/" + spec.node_id.ToString(),
      .limit_swap =
          std::filesystem::exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", error) ||
          std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers", error),
      .bind_resolv_conf = std::filesystem::exists("/etc/resolv.conf", error)};
  ASSIGN_OR_RETURN(Bundle bundle, MakeBundle(image_config, spec, in_bundle));
  for (const auto& path : {places.disk, places.root, places.bundle, places.info / "jobs"})
    RETURN_IF_ERROR(MakeDirectories(path));
  RETURN_IF_ERROR(
      Volume(places.disk_file, places.disk, lock.get()).SetBytes(spec.resources.disk_bytes));
  RETURN_IF_ERROR(WriteFileAtomically(places.info / "node.json", RenderNodeInfo(spec)));
  return WriteFileAtomically(places.config, bundle.config_json);
}

Status OciRuntime::MountRoot(const Places& places, const InstalledNode& installed) const {
  RETURN_IF_ERROR(Unmount(places.root, kUnmountPatience));
  std::filesystem::path layer = places.layers() / installed.config_id.ToString();
  RETURN_IF_ERROR(MakeDirectories(layer / "upper"));
  RETURN_IF_ERROR(MakeDirectories(layer / "work"));
  for (const std::string& name : installed.volume_names)
    RETURN_IF_ERROR(MakeDirectories(places.volumes() / name));
  RETURN_IF_ERROR(MakeDirectories(places.jobs()));
  // Whatever job there was ended with the container.
  RETURN_IF_ERROR(RemoveTree(places.jobs() / "blocking-job"));
  return Mount(
      "overlay", places.root, "overlay", 0,
      fmt::format("lowerdir={},upperdir={},workdir={}", images_.RootOf(installed.image_id).string(),
                  (layer / "upper").string(), (layer / "work").string()));
}

Status OciRuntime::Start(const NodeId& node_id) {
  ASSIGN_OR_RETURN(FileDescriptor lock, LockNode(node_id));
  ASSIGN_OR_RETURN(std::optional<Container> container, runc_.Find(node_id));
  if (container && container->running) return {};
  RETURN_IF_ERROR(runc_.StopAndDelete(node_id));
  Places places = PlacesOf(node_id);
  ASSIGN_OR_RETURN(std::string config, ReadFile(places.config));
  ASSIGN_OR_RETURN(InstalledNode installed, ReadInstalled(config));
  RETURN_IF_ERROR(Volume(places.disk_file, places.disk, lock.get()).Mount());
  RETURN_IF_ERROR(MountRoot(places, installed));
  RotateLog(places.log);
  return runc_.Run(node_id, places.bundle, places.log, lock.get());
}

Status OciRuntime::StopLocked(const Places& places, const NodeId& node_id) const {
  RETURN_IF_ERROR(runc_.StopAndDelete(node_id));
  RETURN_IF_ERROR(Unmount(places.root, kUnmountPatience));
  return Unmount(places.disk, kUnmountPatience);
}

Status OciRuntime::Stop(const NodeId& node_id) {
  ASSIGN_OR_RETURN(FileDescriptor lock, LockNode(node_id));
  return StopLocked(PlacesOf(node_id), node_id);
}

Status OciRuntime::Remove(const NodeId& node_id) {
  ASSIGN_OR_RETURN(FileDescriptor lock, LockNode(node_id));
  Places places = PlacesOf(node_id);
  RETURN_IF_ERROR(StopLocked(places, node_id));
  RETURN_IF_ERROR(RemoveTree(places.directory));
  return RemoveTree(options_.data_directory / "locks" / node_id.ToString());
}

Status OciRuntime::DropLeftovers(const NodeId& node_id) {
  ASSIGN_OR_RETURN(FileDescriptor lock, LockNode(node_id));
  Places places = PlacesOf(node_id);
  ASSIGN_OR_RETURN(std::string config, ReadFile(places.config));
  ASSIGN_OR_RETURN(InstalledNode installed, ReadInstalled(config));
  std::error_code error;
  for (const auto& layer : std::filesystem::directory_iterator(places.layers(), error)) {
    if (layer.path().filename() != installed.config_id.ToString())
      RETURN_IF_ERROR(RemoveTree(layer.path()));
  }
  return {};
}

Status OciRuntime::DropImagesExcept(const std::set<ImageId>& kept) {
  return images_.DropAllExcept(kept);
}

Result<NodeHealth> OciRuntime::CheckHealth(const NodeId& node_id) {
  ASSIGN_OR_RETURN(std::optional<Container> container, runc_.Find(node_id));
  if (!container || !container->running) return NodeHealth::kNotRunning;
  RotateLog(PlacesOf(node_id).log);
  if (!container->made_from || container->made_from->health_command.empty())
    return NodeHealth::kHealthy;
  auto status = runc_.Exec(node_id, container->made_from->health_command, options_.health_timeout);
  if (!status && status.error().reason != "TOOL_TIMED_OUT") return Fail(status.error());
  return status && *status == 0 ? NodeHealth::kHealthy : NodeHealth::kUnhealthy;
}

Result<std::optional<BlockingJob>> OciRuntime::FindBlockingJob(const NodeId& node_id) {
  auto text = ReadUntrusted(PlacesOf(node_id).jobs() / "blocking-job");
  if (!text) return std::nullopt;
  // "SECONDS WHAT IT IS", one line; what cannot be read is taken for a minute.
  std::string line = text->substr(0, text->find('\n'));
  size_t space = std::min(line.find(' '), line.size());
  auto seconds = ParseInt64(line.substr(0, space));
  BlockingJob job{
      .retry_after_seconds = std::clamp<int64_t>(seconds.value_or(60), 1, kRetryAfterSecondsMax),
      .description = Quote(line.substr(std::min(space + 1, line.size())))};
  return job;
}

Result<ObservedNode> OciRuntime::Observe(const NodeId& node_id) const {
  ObservedNode node{.node_id = node_id,
                    .config_id = {},
                    .image_id = {},
                    .image_uri = {},
                    .container_id = {},
                    .running = false,
                    .limits = {}};
  Places places = PlacesOf(node_id);
  ASSIGN_OR_RETURN(std::optional<Container> container, runc_.Find(node_id));
  std::optional<InstalledNode> made_from;
  if (container) {
    made_from = container->made_from;
    node.container_id = node_id.ToString();
    node.running = container->running;
  } else if (auto config = ReadFile(places.config)) {
    if (auto installed = ReadInstalled(*config)) made_from = std::move(*installed);
  }
  if (made_from) {
    node.config_id = made_from->config_id;
    node.image_id = made_from->image_id;
    node.image_uri = made_from->image_uri;
  }
  if (!node.running) return node;
  auto limits = ReadCgroupLimits(container->pid);
  if (limits) node.limits = *limits;
  // The kernel limits memory in whole pages.
  if (made_from &&
      node.limits.memory_bytes == made_from->resources.memory_bytes / kPageBytes * kPageBytes)
    node.limits.memory_bytes = made_from->resources.memory_bytes;
  node.limits.disk_bytes = Volume(places.disk_file, places.disk, -1).BytesInForce().value_or(0);
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
  ASSIGN_OR_RETURN(std::vector<Container> containers, runc_.List());
  for (const Container& container : containers) ids.insert(container.node_id);
  std::vector<ObservedNode> nodes;
  for (const NodeId& id : ids) {
    ASSIGN_OR_RETURN(ObservedNode node, Observe(id));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace tallyman
