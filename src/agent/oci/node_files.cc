#include "agent/oci/node_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <tuple>

#include "agent/file.h"
#include "agent/system_error.h"

namespace tallyman::agent::oci {
namespace {

// Concurrent readers see whole lines: the new text is written in one piece, with empty lines over
// the rest of a longer old text, which is cut off afterwards.
Status RewriteInPlace(const std::filesystem::path& path, std::string_view text) {
  auto there = ReadFile(path);
  if (there && *there == text) return {};
  FileDescriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644));
  if (!file.is_open()) return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
  std::string padded(text);
  if (there && there->size() > padded.size()) padded.resize(there->size(), '\n');
  const bool written = ::fchmod(file.get(), 0644) == 0 &&
                       ::pwrite(file.get(), padded.data(), padded.size(), 0) ==
                           static_cast<ssize_t>(padded.size()) &&
                       ::ftruncate(file.get(), static_cast<off_t>(text.size())) == 0;
  if (!written) return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
  return {};
}

Result<std::string> HostsResolvConf(const std::filesystem::path& path) {
  auto text = ReadFile(path);
  if (text || text.error().reason != kFileMissing) return text;
  return "# This host has no resolv.conf.\n";
}

}  // namespace

std::string RenderHosts(std::string_view host_name) {
  return fmt::format(
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "127.0.1.1\t{}\n",
      host_name);
}

Status WriteNodeFiles(const std::filesystem::path& info, std::string_view host_name,
                      const std::filesystem::path& resolv_conf) {
  const std::filesystem::path directory = info / "etc";
  RETURN_IF_ERROR(MakeDirectories(directory));
  ASSIGN_OR_RETURN(std::string resolvers, HostsResolvConf(resolv_conf));
  RETURN_IF_ERROR(RewriteInPlace(directory / "hosts", RenderHosts(host_name)));
  RETURN_IF_ERROR(RewriteInPlace(directory / "hostname", fmt::format("{}\n", host_name)));
  return RewriteInPlace(directory / "resolv.conf", resolvers);
}

void RenewResolvConf(const std::filesystem::path& info, const std::filesystem::path& resolv_conf) {
  const std::filesystem::path copy = info / "etc" / "resolv.conf";
  std::error_code error;
  if (!std::filesystem::exists(copy, error)) return;
  if (auto resolvers = HostsResolvConf(resolv_conf)) std::ignore = RewriteInPlace(copy, *resolvers);
}

}  // namespace tallyman::agent::oci
