#include "agent/oci/tree_sum.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <fts.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "agent/file.h"
#include "agent/oci/aside.h"
#include "agent/system_error.h"
#include "base/bytes.h"

namespace tallyman::agent::oci {
namespace {

class Sum {
 public:
  Sum() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void Add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
  // With its length, so that no two lists of fields are the same bytes.
  void AddField(std::string_view bytes) {
    Add(fmt::format("{}:", bytes.size()));
    Add(bytes);
  }
  std::string Hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    return ToHex({reinterpret_cast<const char*>(digest.data()), size});
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

Status AddContents(Sum& sum, const char* path, const std::stop_token& stop) {
  FileDescriptor file(::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME));
  if (!file.is_open()) return Fail(SystemError("FILE_NOT_READ", path));
  std::array<char, 64 << 10> buffer{};
  while (true) {
    if (stop.stop_requested()) return Fail(WorkStopped());
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(SystemError("FILE_NOT_READ", path));
    if (got == 0) return {};
    sum.Add({buffer.data(), static_cast<size_t>(got)});
  }
}

Status AddAttributes(Sum& sum, const char* path) {
  std::string names(64 << 10, '\0');
  const ssize_t length = ::llistxattr(path, names.data(), names.size());
  if (length < 0) return Fail(SystemError("FILE_NOT_READ", path));
  std::vector<std::string> sorted;
  for (size_t at = 0; at < static_cast<size_t>(length); at += sorted.back().size() + 1)
    sorted.emplace_back(names.c_str() + at);
  std::ranges::sort(sorted);
  std::string value(64 << 10, '\0');
  for (const std::string& name : sorted) {
    const ssize_t got = ::lgetxattr(path, name.c_str(), value.data(), value.size());
    if (got < 0) return Fail(SystemError("FILE_NOT_READ", path));
    sum.AddField(name);
    sum.AddField({value.data(), static_cast<size_t>(got)});
  }
  return {};
}

Status AddEntry(Sum& sum, const FTSENT& entry, std::string_view name, const std::stop_token& stop) {
  const struct stat& info = *entry.fts_statp;
  sum.AddField(name);
  const bool is_directory = S_ISDIR(info.st_mode);
  sum.AddField(fmt::format("{:o} {} {} {} {} {}", info.st_mode, info.st_uid, info.st_gid,
                           is_directory ? 0 : info.st_size, is_directory ? 0 : info.st_nlink,
                           info.st_rdev));
  RETURN_IF_ERROR(AddAttributes(sum, entry.fts_accpath));
  if (S_ISLNK(info.st_mode)) {
    std::string target(4096, '\0');
    const ssize_t got = ::readlink(entry.fts_accpath, target.data(), target.size());
    if (got < 0) return Fail(SystemError("FILE_NOT_READ", entry.fts_path));
    sum.AddField({target.data(), static_cast<size_t>(got)});
  }
  return S_ISREG(info.st_mode) ? AddContents(sum, entry.fts_accpath, stop) : Status();
}

int ByName(const FTSENT** a, const FTSENT** b) {
  return std::strcmp((*a)->fts_name, (*b)->fts_name);
}

}  // namespace

Result<std::string> SumOfTree(const std::filesystem::path& root, const std::stop_token& stop) {
  std::string path = root.string();
  std::array<char*, 2> paths = {path.data(), nullptr};
  const std::unique_ptr<FTS, decltype(&fts_close)> tree(
      fts_open(paths.data(), FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, ByName), fts_close);
  if (!tree) return Fail(SystemError("FILE_NOT_READ", path));
  Sum sum;
  while (FTSENT* entry = fts_read(tree.get())) {
    if (entry->fts_info == FTS_DP) continue;
    if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS)
      return Fail(SystemError("FILE_NOT_READ", entry->fts_path, entry->fts_errno));
    if (stop.stop_requested()) return Fail(WorkStopped());
    RETURN_IF_ERROR(
        AddEntry(sum, *entry, std::string_view(entry->fts_path).substr(path.size()), stop));
  }
  return sum.Hex();
}

}  // namespace tallyman::agent::oci
