#include "main/secret_key_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/sync.h"
#include "base/text.h"
#include "main/log_form.h"

namespace tallyman::app {
namespace {

constexpr char kKeyFileMissing[] = "SECRET_KEY_FILE_MISSING";

constexpr size_t kFileBytesMax = size_t{64} * 1024;

Error KeyNotWritten(const std::string& path) {
  return Internal("SECRET_KEY_FILE_NOT_WRITTEN",
                  fmt::format("the key that seals secrets cannot be written to {}: {}", Quote(path),
                              std::strerror(errno)));
}

Result<Sealer> ReadKeys(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) {
    return Fail(Error(
        Code::kNotFound, kKeyFileMissing,
        fmt::format("there is no secret key file {}: make it once, with `(umask 077; openssl rand "
                    "-hex {} >FILE)`, and give the same to every server of the database",
                    Quote(path), kSealKeyBytes)));
  }
  if (file < 0) {
    return Fail(Error(Code::kPermissionDenied, "SECRET_KEY_FILE_UNREADABLE",
                      fmt::format("the secret key file {} cannot be read: {}", Quote(path),
                                  std::strerror(errno))));
  }
  struct stat info{};
  std::string text(kFileBytesMax, '\0');
  const bool known = ::fstat(file, &info) == 0;
  const ssize_t bytes = ::read(file, text.data(), text.size());
  ::close(file);
  if (!known || (info.st_mode & 0077) != 0) {
    return Fail(FailedPrecondition(
        "SECRET_KEY_FILE_EXPOSED",
        fmt::format("others than its owner may read the secret key file {}: run chmod 600 on it",
                    Quote(path))));
  }
  text.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  return Sealer::Parse(text);
}

// Whoever starts at the same time gets the same file: a whole one is linked to the name.
Status MakeKeyFile(const std::string& path, const std::string& database, SecretSource& secrets) {
  std::string draft = path + ".XXXXXX";
  const int file = ::mkostemp(draft.data(), O_CLOEXEC);  // mode 0600
  if (file < 0) return Fail(KeyNotWritten(path));
  const std::string text = secrets.NewHex(kSealKeyBytes) + "\n";
  // The database's owner, when root makes it for a server that is not.
  struct stat info{};
  const bool whole =
      // The umask may have removed too many permissions.
      ::fchmod(file, 0600) == 0 &&
      (::stat(database.c_str(), &info) != 0 || ::geteuid() != 0 ||
       ::fchown(file, info.st_uid, info.st_gid) == 0) &&
      ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(file) == 0 && (::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST) &&
      SyncDirectoryOf(path);
  const Error error = KeyNotWritten(path);
  ::close(file);
  ::unlink(draft.c_str());
  if (whole) return {};
  return Fail(error);
}

}  // namespace

Result<Sealer> ReadSecretKeys(const DatabaseName& database, const std::string& given,
                              SecretSource& secrets, Log& log) {
  if (!given.empty()) return ReadKeys(given);
  if (database.kind != DatabaseKind::kSqlite) return Sealer();
  const std::string path = database.place + ".secret-key";
  Result<Sealer> sealer = ReadKeys(path);
  if (sealer || sealer.error().reason != kKeyFileMissing) return sealer;
  RETURN_IF_ERROR(MakeKeyFile(path, database.place, secrets));
  Info(log, "secret_key_written",
       fmt::format("the key that seals secrets of nodes is in {}, for its owner only: keep a copy, "
                   "and not with the backups",
                   path));
  return ReadKeys(path);
}

}  // namespace tallyman::app
