#include "main/token_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/sync.h"
#include "base/text.h"

namespace tallyman::app {
namespace {

Error NotWritten(const std::string& path) {
  const std::error_code error(errno, std::generic_category());
  return Internal(
      "TOKEN_FILE_NOT_WRITTEN",
      fmt::format("the admin's token cannot be written to {}: {}", Quote(path), error.message()));
}

bool WriteAll(int file, const std::string& text) {
  for (size_t written = 0; written < text.size();) {
    const ssize_t count = ::write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    written += static_cast<size_t>(count);
  }
  return ::fsync(file) == 0;
}

}  // namespace

Status TokenFile::Keep(const std::string& token_text) {
  const int file =
      ::open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0 && errno == EEXIST) {
    return Fail(FailedPrecondition(
        "TOKEN_FILE_EXISTS",
        fmt::format("the database has no token yet, and the admin's would be written to {}, which "
                    "exists already: if it is no longer needed, move it away",
                    Quote(path_))));
  }
  if (file < 0) return Fail(NotWritten(path_));
  made_ = true;
  // The umask may have removed too many permissions.
  const bool whole = ::fchmod(file, 0600) == 0 && WriteAll(file, token_text + "\n");
  Error error = NotWritten(path_);
  ::close(file);
  if (whole && SyncDirectoryOf(path_)) return {};
  Forget();
  return Fail(std::move(error));
}

void TokenFile::Forget() {
  if (made_) ::unlink(path_.c_str());
  made_ = false;
}

}  // namespace tallyman::app
