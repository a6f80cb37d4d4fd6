#include "agent/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <array>

#include "agent/system_error.h"

namespace tallyman::agent {
namespace {

Status WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno != EINTR) return Fail(SystemError("FILE_NOT_WRITTEN", path));
    if (wrote > 0) text.remove_prefix(static_cast<size_t>(wrote));
  }
  if (::fsync(fd) != 0) return Fail(SystemError("FILE_NOT_WRITTEN", path));
  return {};
}

Status SyncDirectory(const std::filesystem::path& path) {
  FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.get()) != 0)
    return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
  return {};
}

}  // namespace

Result<std::string> ReadFile(const std::filesystem::path& path, size_t bytes_max) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT || errno == ENOTDIR)
      return Fail(NotFound(kFileMissing, "there is no file " + path.string()));
    return Fail(SystemError("FILE_NOT_READ", path.string()));
  }
  std::string text;
  std::array<char, 16 << 10> buffer{};
  while (true) {
    ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(SystemError("FILE_NOT_READ", path.string()));
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(got));
    if (text.size() > bytes_max) {
      return Fail(Error(Code::kResourceExhausted, "FILE_TOO_LARGE",
                        fmt::format("{} has more than {} bytes", path.string(), bytes_max)));
    }
  }
}

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view text, int mode) {
  std::string beside = path.string() + ".new";
  ::unlink(beside.c_str());
  FileDescriptor file(
      ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.is_open()) return Fail(SystemError("FILE_NOT_WRITTEN", beside));
  RETURN_IF_ERROR(WriteAll(file.get(), text, beside));
  if (::rename(beside.c_str(), path.c_str()) != 0)
    return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
  return SyncDirectory(path.parent_path());
}

Status OverwriteFile(const std::filesystem::path& path, std::string_view text) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
  return WriteAll(file.get(), text, path.string());
}

int64_t AllocatedBytes(const struct stat& info) {
  constexpr int64_t kBlockBytes = 512;  // independent of the file system: stat(2)
  return static_cast<int64_t>(info.st_blocks) * kBlockBytes;
}

int64_t AllocatedBytes(const std::filesystem::path& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? AllocatedBytes(info) : 0;
}

Status MakeDirectories(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Fail(SystemError("DIRECTORY_NOT_MADE", path.string(), error.value()));
  return {};
}

Status RemoveTree(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return Fail(SystemError("FILE_NOT_REMOVED", path.string(), error.value()));
  return {};
}

}  // namespace tallyman::agent
