#include "store/sqlite/draft.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/sync.h"

namespace tallyman::store::sqlite {
namespace {

namespace fs = std::filesystem;

void Remove(const std::string& path) {
  ::unlink(path.c_str());
  for (std::string_view end : kBesideFile) ::unlink((path + std::string(end)).c_str());
}

bool Lock(int file) { return ::flock(file, LOCK_EX | LOCK_NB) == 0; }

// Those of `prefix` that nobody is writing. What stays does no harm.
void RemoveLeft(const std::string& prefix) {
  std::error_code none;
  const std::string name = fs::path(prefix).filename();
  const size_t length = name.size() + std::string_view("XXXXXX").size();
  for (fs::directory_iterator at(DirectoryOf(prefix), none), end; !none && at != end;
       at.increment(none)) {
    const std::string found = at->path().filename();
    if (!found.starts_with(name) || found.size() != length) continue;
    const int file = ::open(at->path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) continue;
    if (Lock(file)) Remove(at->path());
    ::close(file);
  }
}

}  // namespace

Draft::Draft(const std::string& path) : path_(path), draft_(path + ".partial-") {
  RemoveLeft(draft_);
  draft_ += "XXXXXX";
  file_ = ::mkostemp(draft_.data(), O_CLOEXEC);
  if (is_made()) Lock(file_);
}

Draft::~Draft() {
  const int error = errno;
  if (is_made()) {
    Remove(draft_);
    ::close(file_);
  }
  errno = error;
}

bool Draft::TakeName() {
  if (!SyncFile(draft_)) return false;
  const bool free =
      ::renameat2(AT_FDCWD, draft_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0;
  // Some file systems know no such renaming; they do know links.
  const bool linked =
      !free && (errno == EINVAL || errno == ENOSYS) && ::link(draft_.c_str(), path_.c_str()) == 0;
  return (free || linked) && SyncDirectoryOf(path_);
}

bool Draft::ReplaceName() {
  return SyncFile(draft_) && ::rename(draft_.c_str(), path_.c_str()) == 0 && SyncDirectoryOf(path_);
}

}  // namespace tallyman::store::sqlite
