#include "agent/oci/node_steps.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>

#include "agent/machine.h"
#include "agent/monitor/ring.h"
#include "agent/oci/aside.h"
#include "agent/oci/health.h"
#include "agent/oci/image_errors.h"
#include "agent/oci/isolation.h"
#include "agent/oci/mapped_mounts.h"
#include "agent/oci/mounts.h"
#include "agent/oci/node_files.h"
#include "agent/oci/node_lock.h"
#include "agent/oci/node_secrets.h"
#include "agent/oci/node_volumes.h"
#include "agent/oci/process.h"
#include "agent/oci/signals.h"
#include "agent/oci/volume.h"
#include "agent/system_error.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

constexpr std::chrono::minutes kLockPatience(10);
constexpr std::chrono::seconds kUnmountPatience(20);
// Enough for trees of millions of files.
constexpr std::chrono::hours kRemoveTimeout(6);
// However long an image wants its health command to take.
constexpr std::chrono::minutes kHealthTimeoutMax(10);

Status CheckStopSignal(const InstalledNode& installed) {
  if (ParseSignal(installed.stop_signal)) return {};
  return Fail(Error(Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
                    fmt::format("the image's stop signal {} cannot be sent: give the image a "
                                "STOPSIGNAL such as SIGTERM",
                                Quote(installed.stop_signal)))
                  .With("field", "stop_signal")
                  .With("value", Quote(installed.stop_signal)));
}

// Before another config takes its place.
Status KeepReplaced(const NodePlaces& places, const ConfigId& by) {
  auto config = ReadFile(places.config);
  auto installed = config ? ReadInstalled(*config) : Fail(config.error());
  // What is missing or cannot be read is of no use later either.
  if (!installed || installed->config_id == by) return {};
  const std::filesystem::path kept = places.replaced(installed->config_id);
  RETURN_IF_ERROR(MakeDirectories(kept.parent_path()));
  return WriteFileAtomically(kept, *config);
}

}  // namespace

Volume NodeSteps::VolumeOf(const NodePlaces& places, int lock,
                           std::shared_ptr<bool> unbroken) const {
  auto room = MeasureDisk(options_.data_directory);
  return {places.disk_file,
          places.disk,
          lock,
          {.thin = options_.thin_disks,
           .floor_bytes = room ? FloorBytes(*room) : 0,
           .unbroken = std::move(unbroken)}};
}

DataUse NodeSteps::UseOf(const NodePlaces& places) const {
  DataUse use;
  if (auto config = ReadFile(places.config)) {
    if (auto installed = ReadInstalled(*config)) {
      use.volume_names = installed->volume_names;
      use.owner = installed->user;
    }
  }
  AddVolumesOf(places.disk, use);
  return use;
}

// A config that comes back has the volumes that it had, whatever was tried since.
std::vector<std::string> NodeSteps::VolumesFor(const NodePlaces& places,
                                               const ConfigId& config_id) const {
  for (const auto& path : {places.replaced(config_id), places.config}) {
    auto config = ReadFile(path);
    auto installed = config ? ReadInstalled(*config) : Fail(config.error());
    if (installed && installed->config_id == config_id) return installed->volume_names;
  }
  return UseOf(places).volume_names;
}

Result<Bundle> NodeSteps::BundleOf(const NodeSpec& spec) const {
  ASSIGN_OR_RETURN(std::string image_config, ReadFile(images_.ConfigOf(spec.image_id)));
  const NodePlaces places = PlacesOf(spec.node_id);
  std::error_code error;
  BundlePlaces in_bundle{
      .root = places.root,
      .volumes = places.volumes(),
      .used_volumes = VolumesFor(places, spec.config_id),
      .info = places.info,
      .jobs = places.jobs(),
      .secrets = places.secrets,
      .cgroup = options_.cgroup_parent + "/" + spec.node_id.ToString(),
      .limit_swap =
          std::filesystem::exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", error) ||
          std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers", error)};
  ASSIGN_OR_RETURN(Bundle bundle, MakeBundle(image_config, spec, in_bundle));
  ASSIGN_OR_RETURN(InstalledNode installed, ReadInstalled(bundle.config_json));
  RETURN_IF_ERROR(CheckStopSignal(installed));
  return bundle;
}

Job<void> NodeSteps::Prepare(NodeSpec spec) {
  CO_RETURN_IF_ERROR(CheckImageUri(spec.image_uri));
  const NodePlaces places = PlacesOf(spec.node_id);
  CO_RETURN_IF_ERROR(VolumeOf(places).CheckFits(spec.resources.disk_bytes));
  CO_RETURN_IF_ERROR(co_await images_.Fetch(spec.image_id, spec.image_uri, spec.org_id));
  CO_ASSIGN_OR_RETURN(std::string image_config, ReadFile(images_.ConfigOf(spec.image_id)));
  CO_RETURN_IF_ERROR(CheckImageChange(image_config, spec, UseOf(places)));
  CO_RETURN_IF_ERROR(co_await CheckUserIds(spec.node_id, spec.image_id, spec.image, image_config));
  CO_RETURN_IF_ERROR(BundleOf(spec));
  co_return Status();
}

Job<void> NodeSteps::Install(NodeSpec spec, std::shared_ptr<bool> unbroken) {
  const NodePlaces places = PlacesOf(spec.node_id);
  CO_ASSIGN_OR_RETURN(FileDescriptor lock, co_await LockNodeJob(places.lock, kLockPatience));
  CO_ASSIGN_OR_RETURN(std::optional<Container> container, runc_.Find(spec.node_id, places));
  if (container && container->running) {
    co_return Fail(FailedPrecondition(
        "NODE_RUNS", fmt::format("node {} runs; stop it first", spec.node_id.ToString())));
  }
  CO_ASSIGN_OR_RETURN(Bundle bundle, BundleOf(spec));
  const std::filesystem::path needed[] = {places.disk, places.root, places.bundle, places.output,
                                          places.info / "jobs"};
  for (const auto& path : needed) CO_RETURN_IF_ERROR(MakeDirectories(path));
  if (int error = monitor::AllocateRing(places.output.string(),
                                        static_cast<size_t>(options_.log_bytes / 2));
      error != 0)
    co_return Fail(SystemError(error == ENOSPC ? "HOST_DISK_FULL" : "FILE_NOT_WRITTEN",
                               "reserving space for the node's output in " + places.output.string(),
                               error));
  Volume volume = VolumeOf(places, lock.get(), std::move(unbroken));
  CO_RETURN_IF_ERROR(co_await volume.SetBytes(spec.resources.disk_bytes));
  std::error_code error;
  if (std::filesystem::exists(places.config, error)) {
    CO_ASSIGN_OR_RETURN(InstalledNode next, ReadInstalled(bundle.config_json));
    CO_RETURN_IF_ERROR(co_await volume.Mount());
    if (std::filesystem::exists(places.replaced(spec.config_id), error))
      CO_RETURN_IF_ERROR(PutVolumesAside(places.disk, bundle.volume_names));
    CO_RETURN_IF_ERROR(co_await HandOver(places.disk, UseOf(places).owner,
                                         next.user.value_or(DataOwner()), lock.get()));
  }
  CO_RETURN_IF_ERROR(WriteFileAtomically(places.info / "node.json", RenderNodeInfo(spec)));
  CO_RETURN_IF_ERROR(KeepSecrets(places, spec.secrets));
  CO_RETURN_IF_ERROR(KeepReplaced(places, spec.config_id));
  co_return WriteFileAtomically(places.config, bundle.config_json);
}

Job<void> NodeSteps::RemoveTreeJob(std::filesystem::path path, int lock) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) co_return Status();
  if (!S_ISDIR(info.st_mode)) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) co_return Status();
    co_return Fail(SystemError("FILE_NOT_REMOVED", path.string()));
  }
  std::vector<std::string> arguments = {"rm", "-rf", "--one-file-system", "--", path.string()};
  ProcessOptions options{.timeout = kRemoveTimeout, .inherited = lock};
  CO_RETURN_IF_ERROR(co_await RunToolJob(arguments, options));
  co_return Status();
}

Job<void> NodeSteps::CheckUserIds(NodeId id, ImageId image_id, std::string image,
                                  std::string image_config) {
  if (!options_.user_namespaces) co_return {};
  const std::string whose = "image " + Quote(image);
  CO_RETURN_IF_ERROR(CheckUserFits(image_config, whose));
  std::function<Status(const std::stop_token&)> look;
  if (!user_ranges_.IsKnownToFit(image_id)) {
    look = [this, &image_id, &whose](const std::stop_token& stop) {
      return CheckOwnersFit(images_.RootOf(image_id), whose, stop);
    };
    CO_RETURN_IF_ERROR(co_await RunAside<void>(look));
    user_ranges_.KnowToFit(image_id);
  }
  // What a node with a range has written fits.
  if (user_ranges_.Find(id)) co_return {};
  look = [this, &id](const std::stop_token& stop) {
    return CheckOwnersFit(PlacesOf(id).volumes(), "the node's data", stop);
  };
  co_return co_await RunAside<void>(look);
}

Job<std::optional<UserRange>> NodeSteps::TakeUserRange(InstalledNode installed,
                                                       std::string config) {
  const NodeId id = installed.node_id;
  if (!options_.user_namespaces) {
    CO_RETURN_IF_ERROR(user_ranges_.Drop(id));
    co_return std::nullopt;
  }
  CO_RETURN_IF_ERROR(
      co_await CheckUserIds(id, installed.image_id, installed.image_uri, std::move(config)));
  CO_ASSIGN_OR_RETURN(UserRange users, user_ranges_.Take(id));
  co_return users;
}

Job<void> NodeSteps::MountRoot(NodePlaces places, InstalledNode installed,
                               std::optional<UserRange> users, int lock) {
  CO_RETURN_IF_ERROR(co_await UnmountRoot(places, kUnmountPatience));
  std::filesystem::path layer = places.layers() / installed.config_id.ToString();
  CO_RETURN_IF_ERROR(MakeDirectories(layer / "upper"));
  CO_RETURN_IF_ERROR(MakeDirectories(layer / "work"));
  const std::filesystem::path image_root = images_.RootOf(installed.image_id);
  CO_RETURN_IF_ERROR(CopyRootAttributes(image_root, layer / "upper"));
  VolumesToMake volumes{.disk = places.disk,
                        .image_root = image_root,
                        .names = installed.volume_names,
                        .owner = installed.user.value_or(DataOwner()),
                        .lock = lock};
  CO_RETURN_IF_ERROR(co_await MakeVolumes(volumes));
  // Any job of the node ended with the container.
  CO_RETURN_IF_ERROR(co_await RemoveTreeJob(places.jobs() / "blocking-job", lock));
  if (users) co_return MountMappedRoot(places, *users, image_root, layer);
  co_return Mount("overlay", places.root, "overlay", 0,
                  fmt::format("lowerdir={},upperdir={},workdir={}", image_root.string(),
                              (layer / "upper").string(), (layer / "work").string()));
}

Job<void> NodeSteps::Start(NodeId id, std::shared_ptr<bool> unbroken) {
  const NodePlaces places = PlacesOf(id);
  CO_ASSIGN_OR_RETURN(FileDescriptor lock, co_await LockNodeJob(places.lock, kLockPatience));
  auto container = runc_.Find(id, places);
  if (container && *container && (*container)->running) co_return Status();
  CO_RETURN_IF_ERROR(co_await runc_.Clear(id, places));
  CO_ASSIGN_OR_RETURN(std::string config, ReadFile(places.config));
  CO_ASSIGN_OR_RETURN(InstalledNode installed, ReadInstalled(config));
  // The image was present at the install; after an unclean shutdown of the machine it is verified.
  CO_RETURN_IF_ERROR(co_await images_.Fetch(installed.image_id, installed.image_uri, OrgId()));
  Volume volume = VolumeOf(places, lock.get(), std::move(unbroken));
  CO_RETURN_IF_ERROR(co_await volume.Mount());
  CO_ASSIGN_OR_RETURN(std::optional<UserRange> users, co_await TakeUserRange(installed, config));
  CO_RETURN_IF_ERROR(co_await MountRoot(places, installed, users, lock.get()));
  CO_RETURN_IF_ERROR(co_await UnmountSecrets(places, kUnmountPatience));
  CO_RETURN_IF_ERROR(MountSecrets(places, installed.user.value_or(DataOwner()), users));
  CO_ASSIGN_OR_RETURN(IsolatedConfig isolated, Isolate(config, places, ReadHostBounds(), users));
  if (isolated.config_json != config)
    CO_RETURN_IF_ERROR(WriteFileAtomically(places.config, isolated.config_json));
  CO_RETURN_IF_ERROR(WriteNodeFiles(places.info, isolated.host_name));
  CO_RETURN_IF_ERROR(MakeDirectories(places.output));
  for (const char* suffix : {"", ".1"})
    CO_RETURN_IF_ERROR(RemoveTree(places.old_log.string() + suffix));
  auto started = co_await runc_.Run(id, places, lock.get(), users);
  if (!started) co_return Fail(StartFailed(started.error()));
  co_return {};
}

Job<void> NodeSteps::EndContainer(NodePlaces places, NodeId id, int lock) {
  InstalledNode installed;
  auto container = runc_.Find(id, places);
  if (container && *container && (*container)->made_from) {
    installed = *(*container)->made_from;
  } else if (auto config = ReadFile(places.config)) {
    if (auto read = ReadInstalled(*config)) installed = std::move(*read);
  }
  const std::chrono::milliseconds grace =
      std::min<std::chrono::milliseconds>(installed.stop_grace, options_.stop_grace_max);
  CO_RETURN_IF_ERROR(
      co_await runc_.End(id, places, ParseSignal(installed.stop_signal).value_or(SIGTERM), grace));
  CO_RETURN_IF_ERROR(co_await runc_.Clear(id, places));
  CO_RETURN_IF_ERROR(co_await UnmountSecrets(places, kUnmountPatience));
  // The write-back of an unmount would block the caller.
  Volume volume = VolumeOf(places, lock);
  if (volume.BytesInForce()) {
    std::vector<std::string> arguments = {"sync", "--file-system", places.disk.string()};
    ProcessOptions options{.timeout = kSyncTimeout, .inherited = lock};
    CO_RETURN_IF_ERROR(co_await RunProcessJob(arguments, options));
  }
  CO_RETURN_IF_ERROR(co_await UnmountRoot(places, kUnmountPatience));
  co_return co_await volume.SyncAndUnmount();
}

Job<void> NodeSteps::Stop(NodeId id) {
  const NodePlaces places = PlacesOf(id);
  CO_ASSIGN_OR_RETURN(FileDescriptor lock, co_await LockNodeJob(places.lock, kLockPatience));
  co_return co_await EndContainer(places, id, lock.get());
}

Job<void> NodeSteps::Remove(NodeId id) {
  const NodePlaces places = PlacesOf(id);
  CO_ASSIGN_OR_RETURN(FileDescriptor lock, co_await SeizeNodeJob(places.lock));
  CO_RETURN_IF_ERROR(co_await EndContainer(places, id, lock.get()));
  CO_RETURN_IF_ERROR(co_await RemoveTreeJob(places.directory, lock.get()));
  CO_RETURN_IF_ERROR(RemoveTree(places.life));
  co_return co_await RemoveTreeJob(places.lock, lock.get());
}

Job<void> NodeSteps::DropLeftovers(NodeId id) {
  const NodePlaces places = PlacesOf(id);
  CO_ASSIGN_OR_RETURN(FileDescriptor lock, co_await LockNodeJob(places.lock, kLockPatience));
  CO_ASSIGN_OR_RETURN(std::string config, ReadFile(places.config));
  CO_ASSIGN_OR_RETURN(InstalledNode installed, ReadInstalled(config));
  std::error_code error;
  std::vector<std::filesystem::path> old;
  for (const auto& layer : std::filesystem::directory_iterator(places.layers(), error)) {
    if (layer.path().filename() != installed.config_id.ToString()) old.push_back(layer.path());
  }
  for (const auto& layer : old) CO_RETURN_IF_ERROR(co_await RemoveTreeJob(layer, lock.get()));
  co_return RemoveTree(places.replaced(installed.config_id).parent_path());
}

Job<HealthReport> NodeSteps::Probe(NodeId id, InstalledNode installed) {
  RenewResolvConf(PlacesOf(id).info);
  if (installed.health_command.empty()) co_return HealthReport();
  const HealthTiming& timing = installed.health_timing;
  const std::chrono::milliseconds timeout =
      timing.timeout.count() > 0
          ? std::min<std::chrono::milliseconds>(timing.timeout, kHealthTimeoutMax)
          : options_.health_timeout;
  HealthReport report;
  report.start_period = timing.start_period;
  report.interval = timing.interval;
  report.retries = timing.retries;
  auto result = co_await runc_.Exec(id, installed.health_command, timeout, user_ranges_.Find(id));
  if (result && result->exit_status == 0) co_return report;
  report.health = NodeHealth::kUnhealthy;
  if (!result && result.error().reason != kToolTimedOut) co_return Fail(result.error());
  report.message = result
                       ? DescribeFailedProbe(installed.health_command, *result)
                       : fmt::format("its health command did not end within {} ms and was killed",
                                     timeout.count());
  co_return report;
}

}  // namespace tallyman::agent::oci
