#include "agent/oci/image_room.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "agent/file.h"
#include "agent/machine.h"
#include "agent/oci/ext4.h"
#include "agent/oci/mounts.h"
#include "agent/oci/node_lock.h"
#include "agent/oci/volume.h"
#include "base/bytes.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

constexpr std::chrono::minutes kLockPatience(10);
constexpr int64_t kSmallestBytes = 512 * kMebi;
constexpr int64_t kLargestBytes = 200 * kGibi;

// Set while one of several callers opens it.
class Turn {
 public:
  explicit Turn(std::atomic<bool>& taken) : taken_(taken) {}
  ~Turn() { taken_ = false; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic<bool>& taken_;
};

// Counts the lives of the file system: a new one begins when the last ended uncleanly. This must
// not need disk space, because nodes start from it even on a full disk.
Result<std::string> LifeOf(const std::filesystem::path& life_file, bool ended_well) {
  auto text = ReadFile(life_file);
  if (!text && text.error().reason != kFileMissing) return Fail(text.error());
  const int64_t last = text ? ParseInt64(*text).value_or(0) : 0;
  if (text && last > 0 && ended_well) return *text;
  // A fixed length, so that a new number overwrites the old one in place.
  const std::string next = fmt::format("{:020}", last + 1);
  if (text && text->size() == next.size()) {
    RETURN_IF_ERROR(OverwriteFile(life_file, next));
  } else {
    RETURN_IF_ERROR(WriteFileAtomically(life_file, next, 0600));
  }
  return next;
}

}  // namespace

int64_t ImageRoom::DefaultBytes(int64_t total_bytes, int64_t free_bytes) {
  const int64_t share = std::min({total_bytes / 8, free_bytes / 4, kLargestBytes});
  return std::max(share, kSmallestBytes) / kMebi * kMebi;
}

int64_t ImageRoom::Bytes() const {
  struct stat info{};
  const int64_t now = ::stat(file().c_str(), &info) == 0 ? info.st_size : 0;
  if (bytes_ > 0) return std::max(now, bytes_);
  if (now > 0) return now;
  auto disk = MeasureDisk(data_directory_);
  return disk ? DefaultBytes(disk->total_bytes, disk->free_bytes) : kSmallestBytes;
}

int64_t ImageRoom::BytesToCome() const {
  return std::max<int64_t>(Bytes() - AllocatedBytes(file()), 0);
}

Job<std::string> ImageRoom::Open() {
  co_await Await([this] { return !opening_.exchange(true); });
  Turn turn(opening_);
  CO_ASSIGN_OR_RETURN(bool mounted, IsMounted(mount_point()));
  if (mounted && !life_.empty()) co_return life_;
  CO_ASSIGN_OR_RETURN(life_, co_await OpenAlone());
  co_return life_;
}

Job<std::string> ImageRoom::OpenAlone() {
  CO_RETURN_IF_ERROR(MakeDirectories(mount_point()));
  CO_ASSIGN_OR_RETURN(FileDescriptor lock,
                      co_await LockNodeJob(data_directory_ / "locks" / "images", kLockPatience));
  CO_ASSIGN_OR_RETURN(DiskRoom disk, MeasureDisk(data_directory_));
  VolumeOptions options;
  options.floor_bytes = FloorBytes(disk);
  Volume volume(file(), mount_point(), lock.get(), options);
  CO_ASSIGN_OR_RETURN(bool mounted, IsMounted(mount_point()));
  bool ended_well = mounted;
  if (!mounted && volume.Bytes()) {
    CO_ASSIGN_OR_RETURN(std::optional<Ext4State> state, ReadExt4State(file()));
    ended_well = state && state->clean;
    if (!state) CO_RETURN_IF_ERROR(RemoveTree(file()));
  }
  const std::optional<int64_t> there = volume.Bytes();
  // Written before the mount, which marks it as cleanly unmounted.
  CO_ASSIGN_OR_RETURN(std::string life, LifeOf(life_file(), ended_well));
  if (!there) CO_RETURN_IF_ERROR(co_await volume.SetBytes(Bytes()));
  Status usable = co_await volume.Mount();
  if (!usable && usable.error().reason == kDiskDamaged) {
    const int64_t bytes = Bytes();
    CO_RETURN_IF_ERROR(RemoveTree(file()));
    CO_RETURN_IF_ERROR(co_await volume.SetBytes(bytes));
    usable = co_await volume.Mount();
  }
  CO_RETURN_IF_ERROR(usable);
  // Space that the disk does not have now is requested again at the next start.
  if (there && bytes_ > *there) static_cast<void>(co_await volume.SetBytes(bytes_));
  CO_RETURN_IF_ERROR(co_await volume.Mount());
  co_return life;
}

}  // namespace tallyman::agent::oci
