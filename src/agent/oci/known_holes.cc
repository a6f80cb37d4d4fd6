#include "agent/oci/known_holes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "agent/oci/process.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

// Major, minor and patch.
using Version = std::array<int64_t, 3>;

constexpr size_t kBranchesMax = 2;

struct Hole {
  std::string_view tool;
  std::string_view id;
  std::string_view what;
  // The versions that fixed it: one per branch, and every later branch has the fix.
  std::array<Version, kBranchesMax> closed;
};

constexpr Hole kHoles[] = {
    {"runc",
     "CVE-2024-21626",
     "a node reaches the host's files by a descriptor that was left open",
     {{{1, 1, 12}}}},
    {"runc",
     "CVE-2024-45310",
     "a node that changes a shared volume at the right moment creates files on the host",
     {{{1, 1, 14}, {1, 2, 0}}}},
    {"runc",
     "CVE-2025-31133",
     "a node that changes its root at the right moment keeps masked paths open",
     {{{1, 2, 8}, {1, 3, 3}}}},
    {"runc",
     "CVE-2025-52565",
     "a node that changes its root at the right moment redirects /dev/console",
     {{{1, 2, 8}, {1, 3, 3}}}},
    {"runc",
     "CVE-2025-52881",
     "a node that changes its root at the right moment redirects writes to /proc",
     {{{1, 2, 8}, {1, 3, 3}}}},
    {"skopeo",
     "CVE-2024-3727",
     "digests from a registry are used as parts of paths",
     {{{1, 14, 4}, {1, 15, 1}}}},
    {"umoci",
     "CVE-2021-29136",
     "an image whose root directory is a link leads to the host's files",
     {{{0, 4, 7}}}},
};

// The first three numbers of "runc version 1.1.5+ds1"; a missing one is 0.
Version ReadVersion(std::string_view text) {
  Version version{};
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  for (int64_t& part : version) {
    const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    part = ParseInt64(text.substr(0, end)).value_or(0);
    text.remove_prefix(end);
    if (!text.starts_with('.')) break;
    text.remove_prefix(1);
  }
  return version;
}

bool IsClosed(const Hole& hole, const Version& version) {
  const Version last = *std::ranges::max_element(hole.closed);
  if (version >= last) return true;
  return std::ranges::any_of(hole.closed, [&](const Version& closed) {
    return closed != Version{} && version[0] == closed[0] && version[1] == closed[1] &&
           version >= closed;
  });
}

std::string ClosedIn(const Hole& hole) {
  std::string text;
  for (const auto& [major, minor, patch] : hole.closed) {
    if (major + minor + patch == 0) continue;
    text += fmt::format("{}{}.{}.{}", text.empty() ? "" : ", ", major, minor, patch);
  }
  return text;
}

std::string ChangelogOf(const std::string& tool) {
  auto text = RunTool({"gzip", "-dc", "/usr/share/doc/" + tool + "/changelog.Debian.gz"});
  return text ? *text : std::string();
}

}  // namespace

std::string DescribeHoles(std::string_view tool, std::string_view version,
                          std::string_view changelog) {
  std::string holes;
  std::string_view first_line = version.substr(0, version.find('\n'));
  for (const Hole& hole : kHoles) {
    if (hole.tool != tool || IsClosed(hole, ReadVersion(first_line))) continue;
    if (changelog.find(hole.id) != std::string_view::npos) continue;
    holes += fmt::format("{}{} ({}; closed in {})", holes.empty() ? "" : ", ", hole.id, hole.what,
                         ClosedIn(hole));
  }
  if (holes.empty()) return "";
  return fmt::format(
      "{} of this host has known vulnerabilities: {}. Install such a version or a later one, or a "
      "package whose changelog names them",
      first_line, holes);
}

std::vector<std::string> FindKnownHoles() {
  std::vector<std::string> found;
  for (const char* tool : {"runc", "skopeo", "umoci"}) {
    auto version = RunTool({tool, "--version"});
    if (!version) continue;
    std::string holes = DescribeHoles(tool, *version, ChangelogOf(tool));
    if (!holes.empty()) found.push_back(std::move(holes));
  }
  return found;
}

}  // namespace tallyman::agent::oci
