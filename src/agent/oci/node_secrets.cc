#include "agent/oci/node_secrets.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/file.h"
#include "agent/oci/mounts.h"
#include "agent/system_error.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr size_t kBytesMax = size_t{64} << 20;

// nullopt: none are kept.
Result<std::optional<json::object>> Kept(const NodePlaces& places) {
  auto text = ReadFile(places.kept_secrets, kBytesMax);
  if (!text && text.error().reason == kFileMissing) return std::nullopt;
  RETURN_IF_ERROR(text);
  boost::system::error_code error;
  json::value parsed = json::parse(*text, error);
  bool good = !error && parsed.is_object();
  if (good) {
    for (const auto& [key, value] : parsed.as_object())
      good = good && value.is_string() && CheckName("key", std::string_view(key));
  }
  if (good) return std::move(parsed.as_object());
  return Fail(
      DataLoss("SECRETS_UNREADABLE", fmt::format("{} is damaged", places.kept_secrets.string())));
}

Status WriteSecret(const std::filesystem::path& path, std::string_view text, uid_t uid, gid_t gid) {
  const FileDescriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400));
  const bool written =
      file.is_open() &&
      ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fchown(file.get(), uid, gid) == 0;
  if (written) return {};
  return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
}

}  // namespace

Status KeepSecrets(const NodePlaces& places, const std::map<std::string, std::string>& secrets) {
  if (secrets.empty()) return RemoveTree(places.kept_secrets);
  json::object kept;
  for (const auto& [key, text] : secrets) kept[key] = json::string(text);
  // The directory in which they appear is below one that the node sees read-only.
  RETURN_IF_ERROR(MakeDirectories(places.info / "secrets"));
  return WriteFileAtomically(places.kept_secrets, json::serialize(kept), 0600);
}

Status MountSecrets(const NodePlaces& places, const DataOwner& user,
                    std::optional<UserRange> users) {
  ASSIGN_OR_RETURN(const std::optional<json::object> kept, Kept(places));
  if (!kept) return {};
  RETURN_IF_ERROR(MakeDirectories(places.secrets));
  const auto first = users ? users->first : 0;
  const auto uid = static_cast<uid_t>(first + user.uid);
  const auto gid = static_cast<gid_t>(first + user.gid);
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const std::string options = fmt::format("mode=0500,uid={},gid={}", uid, gid);
  // Linux before 6.3 cannot keep it out of the swap space.
  if (!Mount("tmpfs", places.secrets, "tmpfs", kFlags, options + ",noswap"))
    RETURN_IF_ERROR(Mount("tmpfs", places.secrets, "tmpfs", kFlags, options));
  for (const auto& [key, text] : *kept)
    RETURN_IF_ERROR(WriteSecret(places.secrets / std::string(std::string_view(key)),
                                std::string_view(text.as_string()), uid, gid));
  return {};
}

Job<void> UnmountSecrets(NodePlaces places, std::chrono::milliseconds patience) {
  if (::access(places.secrets.c_str(), F_OK) != 0) co_return {};
  CO_RETURN_IF_ERROR(co_await UnmountJob(places.secrets, patience));
  ::rmdir(places.secrets.c_str());
  co_return {};
}

}  // namespace tallyman::agent::oci
