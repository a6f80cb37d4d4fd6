#include "agent/oci/user_namespace_trial.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <thread>

#include "agent/file.h"
#include "agent/oci/bundle.h"
#include "agent/oci/image_facts.h"
#include "agent/oci/isolation.h"
#include "agent/oci/mapped_mounts.h"
#include "agent/oci/node_files.h"
#include "agent/oci/node_lock.h"
#include "agent/oci/process.h"
#include "agent/oci/volume.h"
#include "base/bytes.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kTrialPatience(1);

template <class T>
Result<T> Finish(Job<T> job) {
  while (true) {
    if (auto result = job.Poll()) return std::move(*result);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Root of a node is nobody to the host's directories on the way to what it sees.
Status CheckMayPass(const std::filesystem::path& way) {
  for (std::filesystem::path path = way; path.has_relative_path(); path = path.parent_path()) {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IXOTH) == 0) {
      return Fail(UserNamespacesUnavailable(fmt::format(
          "{} lets nobody but its owner pass (chmod o+x {})", path.string(), path.string())));
    }
  }
  return {};
}

// A container that does nothing, with the programs of the host.
Result<std::string> TrialConfig(const NodePlaces& places, const std::string& cgroup) {
  const std::string id = "01900000-0000-7000-8000-000000000001";
  NodeSpec spec;
  spec.node_id = NodeId::Parse(id).value_or(NodeId());
  spec.config_id = ConfigId::Parse(id).value_or(ConfigId());
  spec.image_id = ImageId::Parse(id).value_or(ImageId());
  spec.name = "trial";
  spec.resources = {.cpu_cores = 1, .memory_bytes = 64 * kMebi, .disk_bytes = Volume::kBytesMin};
  ImageFacts facts;
  facts.command = {"/usr/bin/true"};
  const BundlePlaces in_bundle{.root = places.root,
                               .volumes = places.volumes(),
                               .info = places.info,
                               .jobs = places.jobs(),
                               .cgroup = cgroup};
  ASSIGN_OR_RETURN(Bundle bundle,
                   MakeBundle(RenderRuntimeConfig(facts, ContainerUser()), spec, in_bundle));
  json::value config = json::parse(bundle.config_json);
  for (const char* directory : {"/usr", "/bin", "/lib", "/lib64"}) {
    std::error_code error;
    if (!std::filesystem::exists(directory, error)) continue;
    config.at("mounts").as_array().push_back(
        json::object{{"destination", directory},
                     {"type", "bind"},
                     {"source", std::filesystem::canonical(directory, error).string()},
                     {"options", json::array{"rbind", "ro", "nosuid", "nodev"}}});
  }
  ASSIGN_OR_RETURN(IsolatedConfig isolated,
                   Isolate(json::serialize(config), places, ReadHostBounds(), kTrialUserRange));
  return isolated.config_json;
}

Status Try(const OciRuntimeOptions& options, const NodePlaces& places, Volume& volume,
           const std::filesystem::path& records) {
  for (const auto& path : {places.disk, places.bundle, places.info / "jobs"})
    RETURN_IF_ERROR(MakeDirectories(path));
  RETURN_IF_ERROR(Finish(volume.SetBytes(Volume::kBytesMin)));
  RETURN_IF_ERROR(Finish(volume.Mount()));
  const std::filesystem::path image = places.disk / "image";
  const std::filesystem::path layer = places.layers() / "trial";
  for (const auto& path :
       {image, layer / "upper", layer / "work", places.volumes() / "data", places.jobs()})
    RETURN_IF_ERROR(MakeDirectories(path));
  RETURN_IF_ERROR(WriteNodeFiles(places.info, "trial"));
  ASSIGN_OR_RETURN(const std::string config, TrialConfig(places, options.cgroup_parent + "/trial"));
  RETURN_IF_ERROR(WriteFileAtomically(places.config, config));
  RETURN_IF_ERROR(MountMappedRoot(places, kTrialUserRange, image, layer));
  RETURN_IF_ERROR(RunTool(
      {"runc", "--root", records.string(), "run", "--bundle", places.bundle.string(), "trial"}));
  return {};
}

Status Clear(const NodePlaces& places, Volume& volume, const std::filesystem::path& data,
             const std::filesystem::path& boot) {
  RETURN_IF_ERROR(Finish(UnmountRoot(places, kTrialPatience)));
  RETURN_IF_ERROR(Finish(volume.SyncAndUnmount()));
  RETURN_IF_ERROR(RemoveTree(boot));
  return RemoveTree(data);
}

}  // namespace

Status TryUserNamespaces(const OciRuntimeOptions& options) {
  const std::filesystem::path data = options.data_directory / "trial";
  const std::filesystem::path boot = BootDirectory(options) / "trial";
  std::error_code error;
  if (!options.user_namespaces && !std::filesystem::exists(data, error)) return {};
  ASSIGN_OR_RETURN(const FileDescriptor lock,
                   Finish(LockNodeJob(options.data_directory / "locks" / "trial", kTrialPatience)));
  const NodePlaces places(data, boot, NodeId());
  Volume volume(places.disk_file, places.disk, lock.get(), {.thin = true});
  RETURN_IF_ERROR(Clear(places, volume, data, boot));
  if (!options.user_namespaces) return {};
  RETURN_IF_ERROR(CheckMayPass(BootDirectory(options)));
  const Status tried = Try(options, places, volume, boot / "runc");
  RETURN_IF_ERROR(Clear(places, volume, data, boot));
  if (tried || tried.error().reason == kUserNamespacesUnavailable) return tried;
  return Fail(UserNamespacesUnavailable("a container with one cannot be started: " +
                                        tried.error().message));
}

}  // namespace tallyman::agent::oci
