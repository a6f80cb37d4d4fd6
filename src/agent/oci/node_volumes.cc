#include "agent/oci/node_volumes.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/file.h"
#include "agent/oci/image_volumes.h"
#include "agent/oci/process.h"
#include "agent/oci/within.h"
#include "agent/system_error.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

// Enough for disks of many terabytes and millions of files.
constexpr std::chrono::hours kTimeout(6);

// Of the disk: volumes that only a config declared which did not work.
constexpr const char* kAside = "volumes-aside";

ProcessOptions WithLock(int lock) { return {.timeout = kTimeout, .inherited = lock}; }

// The directory of the image at `path`, after following links within the image. Empty: there is
// none.
std::string DirectoryOf(const std::filesystem::path& root, const std::string& path) {
  FileDescriptor found = OpenWithin(root, path, O_PATH | O_DIRECTORY);
  if (!found.is_open()) return "";
  std::error_code error;
  return std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", found.get()), error);
}

Status SetOwner(const std::filesystem::path& path, const DataOwner& owner) {
  if (::lchown(path.c_str(), static_cast<uid_t>(owner.uid), static_cast<gid_t>(owner.gid)) == 0)
    return {};
  return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
}

Job<void> MakeVolume(VolumesToMake volumes, std::string name) {
  const std::filesystem::path place = volumes.disk / "volumes" / name;
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::symlink_status(place, error))) co_return {};
  if (::rename((volumes.disk / kAside / name).c_str(), place.c_str()) == 0) co_return {};
  const std::filesystem::path making = volumes.disk / "new-volume";
  std::vector<std::string> clear = {"rm", "-rf", "--one-file-system", "--", making.string()};
  CO_RETURN_IF_ERROR(co_await RunToolJob(clear, WithLock(volumes.lock)));
  CO_RETURN_IF_ERROR(MakeDirectories(making));
  const std::string shipped = DirectoryOf(volumes.image_root, VolumePathOf(name).value_or("/"));
  if (shipped.empty() || shipped == volumes.image_root) {
    if (::chmod(making.c_str(), 0755) != 0)
      co_return Fail(SystemError("FILE_NOT_WRITTEN", making.string()));
    CO_RETURN_IF_ERROR(SetOwner(making, volumes.owner));
  } else {
    std::vector<std::string> copy = {"cp", "-a", "-T", "--", shipped, making.string()};
    auto copied = co_await RunToolJob(copy, WithLock(volumes.lock));
    if (!copied && copied.error().message.find("No space left") != std::string::npos) {
      CO_RETURN_IF_ERROR(co_await RunToolJob(clear, WithLock(volumes.lock)));
      co_return Fail(Error(Code::kResourceExhausted, "VOLUME_CONTENT_DOES_NOT_FIT",
                           fmt::format("the files that the image ships at {} do not fit the node's "
                                       "disk: give the node a larger one",
                                       Quote(VolumePathOf(name).value_or(name)))));
    }
    if (!copied) co_return Fail(copied.error());
  }
  // With its final name it counts as complete.
  std::vector<std::string> sync = {"sync", "-f", making.string()};
  CO_RETURN_IF_ERROR(co_await RunToolJob(sync, WithLock(volumes.lock)));
  if (::rename(making.c_str(), place.c_str()) != 0)
    co_return Fail(SystemError("FILE_NOT_WRITTEN", place.string()));
  co_return {};
}

std::filesystem::path HandoverFile(const std::filesystem::path& disk) {
  return disk / "data-owner";
}

Status WriteHandover(const std::filesystem::path& disk, const Handover& handover) {
  return WriteFileAtomically(HandoverFile(disk),
                             fmt::format("{} {} {}\n", ToText(handover.from), ToText(handover.to),
                                         handover.done ? "done" : "begun"),
                             0600);
}

// No link that a node could have written is followed.
Job<void> Chown(std::filesystem::path disk, DataOwner from, DataOwner to, int lock) {
  std::vector<std::string> trees;
  for (const char* name : {"volumes", kAside, "jobs"}) {
    std::error_code error;
    if (std::filesystem::exists(disk / name, error)) trees.push_back((disk / name).string());
  }
  if (trees.empty() || from == to) co_return {};
  std::vector<std::string> users = {
      "chown", "-R", "-h", "-P", fmt::format("--from={}", from.uid), fmt::format("{}", to.uid),
      "--"};
  users.insert(users.end(), trees.begin(), trees.end());
  CO_RETURN_IF_ERROR(co_await RunToolJob(users, WithLock(lock)));
  std::vector<std::string> groups = {
      "chown", "-R", "-h", "-P", fmt::format("--from=:{}", from.gid), fmt::format(":{}", to.gid),
      "--"};
  groups.insert(groups.end(), trees.begin(), trees.end());
  CO_RETURN_IF_ERROR(co_await RunToolJob(groups, WithLock(lock)));
  co_return {};
}

}  // namespace

Job<void> MakeVolumes(VolumesToMake volumes) {
  CO_RETURN_IF_ERROR(MakeDirectories(volumes.disk / "volumes"));
  for (const std::string& name : volumes.names) {
    std::string one = name;
    CO_RETURN_IF_ERROR(co_await MakeVolume(volumes, one));
  }
  CO_RETURN_IF_ERROR(MakeDirectories(volumes.disk / "jobs"));
  co_return SetOwner(volumes.disk / "jobs", volumes.owner);
}

Status PutVolumesAside(const std::filesystem::path& disk, const std::vector<std::string>& names) {
  std::vector<std::filesystem::path> others;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(disk / "volumes", error)) {
    if (std::ranges::find(names, entry.path().filename().string()) == names.end())
      others.push_back(entry.path());
  }
  if (others.empty()) return {};
  RETURN_IF_ERROR(MakeDirectories(disk / kAside));
  for (const std::filesystem::path& other : others) {
    if (::rename(other.c_str(), (disk / kAside / other.filename()).c_str()) != 0)
      return Fail(SystemError("FILE_NOT_WRITTEN", other.string()));
  }
  return {};
}

void AddVolumesOf(const std::filesystem::path& disk, DataUse& use) {
  std::error_code error;
  std::optional<DataOwner> one;
  bool agree = true;
  for (const auto& entry : std::filesystem::directory_iterator(disk / "volumes", error)) {
    std::string name = entry.path().filename().string();
    struct stat info{};
    if (!VolumePathOf(name) || ::lstat(entry.path().c_str(), &info) != 0) continue;
    const DataOwner owner{info.st_uid, info.st_gid};
    agree = agree && owner.uid != 0 && (!one || *one == owner);
    one = owner;
    if (std::ranges::find(use.volume_names, name) == use.volume_names.end())
      use.volume_names.push_back(std::move(name));
  }
  if (one && agree) use.owner = one;
}

Status CopyRootAttributes(const std::filesystem::path& image_root,
                          const std::filesystem::path& layer) {
  struct stat info{};
  if (::stat(image_root.c_str(), &info) != 0)
    return Fail(SystemError("FILE_NOT_READ", image_root.string()));
  if (::chown(layer.c_str(), info.st_uid, info.st_gid) == 0 &&
      ::chmod(layer.c_str(), info.st_mode & 07777) == 0)
    return {};
  return Fail(SystemError("FILE_NOT_WRITTEN", layer.string()));
}

Result<std::optional<Handover>> ReadHandover(const std::filesystem::path& disk) {
  auto text = ReadFile(HandoverFile(disk));
  if (!text && text.error().reason == kFileMissing) return std::nullopt;
  if (!text) return Fail(text.error());
  const size_t first = text->find(' ');
  const size_t second = text->find(' ', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  auto from = ParseDataOwner(text->substr(0, first));
  auto to = ParseDataOwner(text->substr(first + 1, second - first - 1));
  if (!from || !to) return std::nullopt;
  return Handover{.from = *from, .to = *to, .done = text->substr(second + 1) == "done\n"};
}

Job<void> HandOver(std::filesystem::path disk, std::optional<DataOwner> now, DataOwner to,
                   int lock) {
  CO_ASSIGN_OR_RETURN(std::optional<Handover> before, ReadHandover(disk));
  if (before && before->to == to && before->done) co_return {};
  if (before && before->from == to) {
    CO_RETURN_IF_ERROR(co_await Chown(disk, before->to, to, lock));
    co_return RemoveTree(HandoverFile(disk));
  }
  // After an interrupted handover, some files still belong to the first owner.
  if (before && !before->done && before->to != to)
    CO_RETURN_IF_ERROR(co_await Chown(disk, before->from, to, lock));
  Handover handover{.from = before && !before->done ? before->from : now.value_or(to), .to = to};
  if (before && before->done) handover.from = before->to;
  if (handover.from == to) co_return {};
  CO_RETURN_IF_ERROR(WriteHandover(disk, handover));
  if (to.uid != 0) {
    CO_RETURN_IF_ERROR(co_await Chown(disk, handover.from, to, lock));
    if (before && !before->done) CO_RETURN_IF_ERROR(co_await Chown(disk, before->to, to, lock));
  }
  handover.done = true;
  co_return WriteHandover(disk, handover);
}

}  // namespace tallyman::agent::oci
