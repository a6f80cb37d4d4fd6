// Files of the host, of the kernel and of other nodes that a node cannot reach or change.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "isolation/tricks.h"

namespace probe {
namespace {

int Kcore() { return ReadSomething("/proc/kcore"); }
int Keys() { return ReadSomething("/proc/keys"); }
int TimerList() { return ReadSomething("/proc/timer_list"); }
int PageCounts() { return ReadSomething("/proc/kpagecount"); }
int Interrupts() { return ReadSomething("/proc/interrupts"); }
int Firmware() {
  DIR* directory = ::opendir("/sys/firmware");
  if (directory == nullptr) return errno;
  for (const dirent* entry = ::readdir(directory); entry != nullptr; entry = ::readdir(directory))
    if (entry->d_name[0] != '.') return 0;
  return kNothing;
}
int SysrqTrigger() { return Open("/proc/sysrq-trigger", O_WRONLY); }
int CorePattern() { return Open("/proc/sys/kernel/core_pattern", O_WRONLY); }
int PanicSetting() { return Open("/proc/sys/kernel/panic", O_WRONLY); }

// The first file below that can be opened for writing; what says no is the last error.
int Writable(const std::string& path, bool skip_processes, int depth) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return kNothing;
  int last = kNothing;
  for (const dirent* entry = ::readdir(directory); entry != nullptr; entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    // A process's own files are its own; those of the network are in docs/isolation.md.
    const bool skipped = name == "." || name == ".." ||
                         (skip_processes && (std::isdigit(name[0]) != 0 || name == "self" ||
                                             name == "thread-self" || name == "net"));
    if (skipped) continue;
    const std::string below = path + "/" + name;
    int answer = kNothing;
    if (entry->d_type == DT_DIR && depth > 0) answer = Writable(below, false, depth - 1);
    if (entry->d_type == DT_REG) {
      // What is masked is /dev/null; what nobody may write takes no text, though root can open it.
      struct stat info{};
      const bool tried =
          ::stat(below.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0222) != 0;
      if (tried) answer = Open(below.c_str(), O_WRONLY);
      if (answer == 0) ::dprintf(2, "%s can be written\n", below.c_str());
    }
    if (answer == 0) {
      ::closedir(directory);
      return 0;
    }
    if (answer != kNothing) last = answer;
  }
  ::closedir(directory);
  return last;
}
int WriteProc() { return Writable("/proc", true, 8) == 0 ? 0 : kNothing; }
int WriteSys() { return Writable("/sys", false, 4) == 0 ? 0 : kNothing; }

int CgroupProcs() {
  const int unified = Open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
  return unified == ENOENT ? Open("/sys/fs/cgroup/memory/cgroup.procs", O_WRONLY) : unified;
}
int ReleaseAgent() {
  const int memory = Open("/sys/fs/cgroup/memory/release_agent", O_WRONLY);
  return memory == ENOENT ? Open("/sys/fs/cgroup/systemd/release_agent", O_WRONLY) : memory;
}
int CgroupMake() {
  const int memory = ErrorOf(::mkdir("/sys/fs/cgroup/memory/probe", 0755));
  return memory == ENOENT ? ErrorOf(::mkdir("/sys/fs/cgroup/probe", 0755)) : memory;
}
// Names of groups outside tell of the host and its other nodes.
int CgroupNames() {
  std::ifstream file("/proc/self/cgroup");
  std::stringstream text;
  text << file.rdbuf();
  return text.str().find("tallyman") != std::string::npos ? 0 : kNothing;
}

int MakeDisk() { return ErrorOf(::mknod("/data/disk", S_IFBLK | 0600, makedev(254, 0))); }
int MakeNull() { return ErrorOf(::mknod("/data/null", S_IFCHR | 0600, makedev(1, 3))); }
int KernelMemory() { return Open("/dev/mem", O_RDONLY); }
int KernelMessages() { return Open("/dev/kmsg", O_RDONLY); }
int LoopControl() { return Open("/dev/loop-control", O_RDONLY); }

int HostFile() { return Open(Told("HOST_FILE").c_str(), O_RDONLY); }
int HostFileByInit() { return Open(("/proc/1/root" + Told("HOST_FILE")).c_str(), O_RDONLY); }
int OtherNode() { return Open(Told("OTHER_NODE").c_str(), O_RDONLY); }
int ChrootEscape() {
  const int outside = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ::mkdir("/data/jail", 0755);
  if (::chroot("/data/jail") != 0 || ::fchdir(outside) != 0) return errno;
  for (int i = 0; i < 64; ++i)
    if (::chdir("..") != 0) return errno;
  if (::chroot(".") != 0) return errno;
  return HostFile();
}
// A directory of the host that the runtime left open would lead there.
int LeakedDescriptor() {
  for (int process : {1, static_cast<int>(::getppid())}) {
    for (int fd = 0; fd < 1024; ++fd) {
      const std::string path = "/proc/" + std::to_string(process) + "/fd/" + std::to_string(fd) +
                               "/../../../../../../../.." + Told("HOST_FILE");
      if (Open(path.c_str(), O_RDONLY) == 0) return 0;
    }
  }
  return kNothing;
}

int NodeInfo() { return Open("/tallyman/node.json", O_WRONLY); }
int Hosts() { return Open("/etc/hosts", O_WRONLY); }
int ResolvConf() { return Open("/etc/resolv.conf", O_WRONLY); }
int FileCapability() {
  std::ofstream("/data/file") << "x";
  // Version 2: CAP_NET_RAW permitted, and effective.
  const unsigned value[5] = {0x02000001, 1 << 13, 0, 0, 0};
  return ErrorOf(::setxattr("/data/file", "security.capability", value, sizeof value, 0));
}

void CopyProgram(const char* to, mode_t mode) {
  std::ifstream from("/bin/probe", std::ios::binary);
  std::ofstream(to, std::ios::binary) << from.rdbuf();
  ::chmod(to, mode);
}
int Run(const char* program) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(program, program, "whose", static_cast<char*>(nullptr));
    ::_exit(errno);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}
int SetuidProgram() {
  CopyProgram("/bin/setuid-probe", 04755);
  if (::setgid(1000) != 0 || ::setuid(1000) != 0) return 0;
  return Run("/bin/setuid-probe");
}
int RunSharedMemory() {
  CopyProgram("/dev/shm/program", 0755);
  const int answer = Run("/dev/shm/program");
  ::unlink("/dev/shm/program");
  return answer;
}

int Fill(const char* path) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  static char block[1 << 20];
  std::memset(block, 'x', sizeof block);
  int answer = 0;
  // As far as the node's whole memory, which the file must not reach.
  for (long i = 0; i < ToldNumber("MEMORY_MIB") && answer == 0; ++i)
    answer = ErrorOf(::write(fd, block, sizeof block));
  ::close(fd);
  ::unlink(path);
  return answer;
}
int FillSharedMemory() { return Fill("/dev/shm/fill"); }
int FillDevices() { return Fill("/dev/fill"); }

}  // namespace

std::vector<Trick> FileTricks() {
  return {{"kcore", Kcore},
          {"keys", Keys},
          {"timer-list", TimerList},
          {"page-counts", PageCounts},
          {"interrupts", Interrupts},
          {"firmware", Firmware},
          {"sysrq", SysrqTrigger},
          {"core-pattern", CorePattern},
          {"panic-setting", PanicSetting},
          {"write-proc", WriteProc},
          {"write-sys", WriteSys},
          {"cgroup-procs", CgroupProcs},
          {"release-agent", ReleaseAgent},
          {"cgroup-make", CgroupMake},
          {"cgroup-names", CgroupNames},
          {"make-disk", MakeDisk},
          {"make-null", MakeNull},
          {"dev-mem", KernelMemory},
          {"dev-kmsg", KernelMessages},
          {"dev-loop", LoopControl},
          {"host-file", HostFile},
          {"host-file-by-init", HostFileByInit},
          {"other-node", OtherNode},
          {"chroot-escape", ChrootEscape},
          {"leaked-descriptor", LeakedDescriptor},
          {"node-info", NodeInfo},
          {"hosts", Hosts},
          {"resolv-conf", ResolvConf},
          {"file-capability", FileCapability},
          {"setuid-program", SetuidProgram},
          {"run-shared-memory", RunSharedMemory},
          {"fill-shared-memory", FillSharedMemory},
          {"fill-dev", FillDevices}};
}

}  // namespace probe
