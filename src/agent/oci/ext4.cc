#include "agent/oci/ext4.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "agent/file.h"
#include "agent/system_error.h"

namespace tallyman::agent::oci {
namespace {

// Offsets in the superblock, which begins at byte 1024; all numbers are little-endian
// (Documentation/filesystems/ext4/super.rst in Linux).
constexpr off_t kSuperblock = 1024;
constexpr size_t kSuperblockBytes = 1024;
constexpr size_t kBlocksLow = 0x4;
constexpr size_t kBlockSize = 0x18;  // 0: 1 KiB, 1: 2 KiB, ...
constexpr size_t kMagic = 0x38;
constexpr size_t kState = 0x3A;
constexpr size_t kIncompatible = 0x60;
constexpr size_t kBlocksHigh = 0x150;
constexpr size_t kErrorCount = 0x194;

constexpr uint64_t kExt4Magic = 0xEF53;
constexpr uint64_t kIsClean = 1;
constexpr uint64_t kHasErrors = 2;
constexpr uint64_t kNeedsRecovery = 0x4;
constexpr uint64_t kHas64Bits = 0x80;

}  // namespace

Result<std::optional<Ext4State>> ReadExt4State(const std::filesystem::path& file) {
  FileDescriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<unsigned char, kSuperblockBytes> block{};
  ssize_t got =
      opened.is_open() ? ::pread(opened.get(), block.data(), block.size(), kSuperblock) : -1;
  if (got < 0) return Fail(SystemError("FILE_NOT_READ", file.string()));
  auto number = [&](size_t at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;) value = value << 8 | block[at + i];
    return value;
  };
  if (static_cast<size_t>(got) < block.size() || number(kMagic, 2) != kExt4Magic)
    return std::nullopt;
  uint64_t blocks = number(kBlocksLow, 4);
  if ((number(kIncompatible, 4) & kHas64Bits) != 0) blocks |= number(kBlocksHigh, 4) << 32;
  const uint64_t state = number(kState, 2);
  return Ext4State{.bytes = static_cast<int64_t>(blocks << (10 + (number(kBlockSize, 4) & 7))),
                   .clean = (state & kIsClean) != 0 && (state & kHasErrors) == 0 &&
                            (number(kIncompatible, 4) & kNeedsRecovery) == 0 &&
                            number(kErrorCount, 4) == 0};
}

}  // namespace tallyman::agent::oci
