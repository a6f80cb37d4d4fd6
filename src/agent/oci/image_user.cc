// ResolveUser() of image_facts.h.
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "agent/oci/image_facts.h"
#include "agent/oci/within.h"
#include "base/checked.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

constexpr int64_t kIdMax = (int64_t{1} << 31) - 1;
constexpr size_t kFileBytesMax = 8 << 20;

// Reads a file of the image safely: links do not lead out of the image, and pipes are not waited
// for. Empty: there is none.
std::string ReadWithin(const std::filesystem::path& root, const char* path) {
  FileDescriptor file = OpenWithin(root, path, O_RDONLY | O_NONBLOCK);
  struct stat info{};
  if (!file.is_open() || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  std::string text(std::min(kFileBytesMax, static_cast<size_t>(info.st_size)), '\0');
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

// Calls back with the fields of each line of a file such as passwd.
void EachLine(std::string_view text,
              const std::function<void(const std::vector<std::string_view>&)>& call) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::vector<std::string_view> fields;
    for (size_t at = 0; at <= line.size();) {
      const size_t colon = std::min(line.find(':', at), line.size());
      fields.push_back(line.substr(at, colon - at));
      at = colon + 1;
    }
    call(fields);
  }
}

std::optional<int64_t> IdOf(std::string_view text) {
  auto id = ParseInt64(text);
  return id && *id >= 0 && *id <= kIdMax ? id : std::nullopt;
}

bool Lists(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    const size_t comma = std::min(members.find(','), members.size());
    if (members.substr(0, comma) == name) return true;
    members.remove_prefix(std::min(comma + 1, members.size()));
  }
  return false;
}

Error Unknown(std::string_view what, std::string_view name, std::string_view file) {
  return ImageNotSupported(
      fmt::format("USER of the image names the {} {}, which its {} does not have: add it there, or "
                  "use a number",
                  what, Quote(name), file));
}

}  // namespace

Result<ContainerUser> ResolveUser(const std::string& user, const std::filesystem::path& root) {
  const size_t colon = user.find(':');
  const std::string_view wanted = std::string_view(user).substr(0, colon);
  const std::string_view group =
      colon == std::string::npos ? std::string_view() : std::string_view(user).substr(colon + 1);
  // docker's default is root, by number.
  const std::string_view name = wanted.empty() ? "0" : wanted;
  const auto number = IdOf(name);
  ContainerUser found;
  std::string account;
  bool has_entry = false;
  const std::string passwd = ReadWithin(root, "etc/passwd");
  EachLine(passwd, [&](const std::vector<std::string_view>& fields) {
    if (has_entry || fields.size() < 4) return;
    const auto uid = IdOf(fields[2]);
    const auto gid = IdOf(fields[3]);
    if (!uid || !gid || (fields[0] != name && uid != number)) return;
    has_entry = true;
    account = fields[0];
    found.uid = *uid;
    found.gid = *gid;
    if (fields.size() > 5) found.home = fields[5];
  });
  if (!has_entry && !number) return Fail(Unknown("user", name, "/etc/passwd"));
  if (!has_entry) found.uid = *number;
  const std::string groups = ReadWithin(root, "etc/group");
  const auto group_number = IdOf(group);
  bool has_group = false;
  EachLine(groups, [&](const std::vector<std::string_view>& fields) {
    if (fields.size() < 3) return;
    const auto gid = IdOf(fields[2]);
    if (!gid) return;
    if (group.empty()) {
      if (!account.empty() && fields.size() > 3 && Lists(fields[3], account) && *gid != found.gid)
        found.more_gids.push_back(*gid);
    } else if (!has_group && (fields[0] == group || gid == group_number)) {
      has_group = true;
      found.gid = *gid;
    }
  });
  if (!group.empty() && !has_group && !group_number)
    return Fail(Unknown("group", group, "/etc/group"));
  if (!group.empty() && !has_group) found.gid = *group_number;
  return found;
}

}  // namespace tallyman::agent::oci
