#include "e2e/machine_parts.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <stdexcept>

#include "agent/oci/mounts.h"
#include "agent/oci/process.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "tests/support/test_image.h"

namespace tallyman {
namespace {

using namespace tallyman::agent::oci;

constexpr const char* kPrefix = "tallyman-e2e-";
// A sparse file: it takes what tests write, some hundred MiB.
constexpr int64_t kDiskBytes = 16 * kGibi;

void Must(const std::vector<std::string>& words) {
  auto ran = RunTool(words);
  if (!ran) throw std::runtime_error(ran.error().message);
}

// As much of it as there is.
void Try(const std::vector<std::string>& words) { (void)RunProcess(words).has_value(); }

std::filesystem::path DirectoryOf(int pid) {
  return std::filesystem::temp_directory_path() / (kPrefix + std::to_string(pid));
}

void RemoveContainers(const std::filesystem::path& data) {
  std::error_code error;
  for (const auto& node : std::filesystem::directory_iterator(data / "nodes", error)) {
    const std::string id = node.path().filename().string();
    const std::filesystem::path records = RuncRootOf(id);
    if (records.empty()) continue;
    Try({"runc", "--root", records.string(), "delete", "--force", id});
    std::filesystem::remove_all(records / id, error);
  }
}

void UnmountFrom(const std::filesystem::path& directory) {
  auto mounts = ListMounts();
  if (!mounts) return;
  std::ranges::reverse(*mounts);
  for (const MountPoint& mount : *mounts) {
    if (mount.path == directory || mount.path.starts_with(directory.string() + "/"))
      ::umount2(mount.path.c_str(), MNT_DETACH);
  }
}

}  // namespace

std::filesystem::path RuncRootOf(const std::string& node_id) {
  std::error_code error;
  for (const auto& agent : std::filesystem::directory_iterator("/run/tallyman-agent", error)) {
    if (std::filesystem::exists(agent.path() / "runc" / node_id, error))
      return agent.path() / "runc";
  }
  return {};
}

std::string WhyNoEndToEnd() {
  if (std::string why = WhyNoContainers(); !why.empty()) return why;
  for (const char* path : {"/usr/bin/openssl", "/usr/bin/nsenter", "/usr/bin/curl"}) {
    if (::access(path, X_OK) != 0) return std::string(path) + " is missing";
  }
  const std::string name = "tlmtry" + std::to_string(::getpid());
  auto bridge = RunTool({"ip", "link", "add", name, "type", "bridge"});
  if (!bridge) return "no bridge can be made: " + bridge.error().message;
  Try({"ip", "link", "del", name});
  auto made = RunTool({"ip", "netns", "add", name});
  if (!made) return "no network namespace can be made: " + made.error().message;
  Try({"ip", "netns", "del", name});
  return "";
}

MachineParts::MachineParts(int pid) : pid_(pid), directory_(DirectoryOf(pid)) {}

MachineParts::MachineParts() : MachineParts(::getpid()) {
  Sweep();
  std::filesystem::create_directories(directory_);
  const std::string disk = directory_.string() + ".img";
  std::ofstream(disk) << "";
  std::filesystem::resize_file(disk, kDiskBytes);
  Must({"mkfs.ext4", "-q", "-m", "0", "-E", "lazy_journal_init=1", disk});
  Must({"mount", "-o", "loop,discard,noinit_itable", disk, directory_.string()});
  // Another test may run beside this one.
  auto addresses = RunTool({"ip", "-o", "addr"});
  for (subnet_ = pid_ % 250; addresses && addresses->find(Address(1) + "/") != std::string::npos;)
    subnet_ = (subnet_ + 1) % 250;
  Must({"ip", "link", "add", Bridge(), "type", "bridge"});
  Must({"ip", "addr", "add", Address(1) + "/24", "dev", Bridge()});
  Must({"ip", "link", "set", Bridge(), "up"});
}

MachineParts::~MachineParts() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    if (entry.path().extension() == ".data") RemoveContainers(entry.path());
  }
  UnmountFrom(directory_);
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns", error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(Bridge() + "n")) continue;
    // A monitor of a container that has just ended may keep the namespace for a moment.
    if (auto number = ParseInt64(name.substr(Bridge().size() + 1)))
      Try({"ip", "link", "del", Cable(static_cast<int>(*number))});
    Try({"ip", "netns", "del", name});
  }
  Try({"ip", "link", "del", Bridge()});
  std::filesystem::remove_all(directory_, error);
  std::filesystem::remove(directory_.string() + ".img", error);
}

void MachineParts::Sweep() {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::temp_directory_path(), error)) {
    const std::string name = entry.path().filename().string();
    const auto pid = name.starts_with(kPrefix)
                         ? ParseInt64(name.substr(std::string_view(kPrefix).size()))
                         : std::nullopt;
    if (!pid || ::kill(static_cast<pid_t>(*pid), 0) == 0) continue;
    const MachineParts dead(static_cast<int>(*pid));
  }
}

std::string MachineParts::Address(int last) const {
  return "10.213." + std::to_string(subnet_) + "." + std::to_string(last);
}

void MachineParts::AddHost(int number) {
  const std::string name = Namespace(number);
  Must({"ip", "netns", "add", name});
  Must({"ip", "link", "add", Cable(number), "type", "veth", "peer", "name", "eth0", "netns", name});
  Must({"ip", "link", "set", Cable(number), "master", Bridge(), "up"});
  Must({"ip", "-n", name, "addr", "add", Address(10 + number) + "/24", "dev", "eth0"});
  Must({"ip", "-n", name, "link", "set", "lo", "up"});
  Must({"ip", "-n", name, "link", "set", "eth0", "up"});
}

void MachineParts::SetLink(int number, bool up) const {
  Must({"ip", "link", "set", Cable(number), up ? "up" : "down"});
  // What the kernel does by itself after a quarter of an hour.
  if (!up)
    Try({"ip", "netns", "exec", Namespace(number), "ss", "-K", "-t", "state", "established"});
}

}  // namespace tallyman
