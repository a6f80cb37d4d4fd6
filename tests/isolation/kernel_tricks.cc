// Calls of the kernel that a node is refused.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "isolation/tricks.h"

namespace probe {
namespace {

int MountTmpfs() { return ErrorOf(::mount("none", "/data", "tmpfs", 0, "")); }
int MountProc() { return ErrorOf(::mount("proc", "/data", "proc", 0, "")); }
int RemountSys() {
  return ErrorOf(
      ::mount("", "/sys", "", MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC, ""));
}
int Unmask() { return ErrorOf(::umount2("/proc/kcore", MNT_DETACH)); }
int FsOpen() { return ErrorOf(::syscall(SYS_fsopen, "tmpfs", 0)); }
int OpenTree() { return ErrorOf(::syscall(SYS_open_tree, AT_FDCWD, "/", 1)); }
int MountSetattr() {
  uint64_t attributes[4] = {0, 1, 0, 0};  // clears MOUNT_ATTR_RDONLY
  return ErrorOf(::syscall(SYS_mount_setattr, AT_FDCWD, "/sys", 0, attributes, sizeof attributes));
}
int PivotRoot() { return ErrorOf(::syscall(SYS_pivot_root, "/data", "/data")); }

int UnshareUser() { return ErrorOf(::unshare(CLONE_NEWUSER)); }
int UnshareMounts() { return ErrorOf(::unshare(CLONE_NEWNS)); }
int CloneUser() {
  const long child = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) ::_exit(0);
  return ErrorOf(child);
}
int Clone3User() {
  clone_args arguments{};
  arguments.flags = CLONE_NEWUSER;
  arguments.exit_signal = SIGCHLD;
  const long child = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) ::_exit(0);
  return ErrorOf(child);
}
int SetNamespace() {
  const int fd = ::open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
  return fd < 0 ? errno : ErrorOf(::setns(fd, 0));
}

int Keyctl() { return ErrorOf(::syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0)); }
int AddKey() { return ErrorOf(::syscall(SYS_add_key, "user", "probe", "x", 1, -3)); }
int Bpf() {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = attributes.value_size = 4;
  attributes.max_entries = 1;
  return ErrorOf(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}
int PerfEventOpen() {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  return ErrorOf(::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}
int Userfaultfd() { return ErrorOf(::syscall(SYS_userfaultfd, 0)); }
int IoUring() {
  char parameters[256] = {};
  return ErrorOf(::syscall(SYS_io_uring_setup, 4, parameters));
}
int LoadModule() { return ErrorOf(::syscall(SYS_init_module, "x", 1, "")); }
int UnloadModule() { return ErrorOf(::syscall(SYS_delete_module, "there-is-none", O_NONBLOCK)); }
int KexecLoad() { return ErrorOf(::syscall(SYS_kexec_load, 0, 0, nullptr, 0)); }
// The command that does the least, should it come through.
int Reboot() {
  return ErrorOf(::syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
                           LINUX_REBOOT_CMD_CAD_OFF, nullptr));
}
// To what they are.
int SetClock() {
  timeval now{};
  ::gettimeofday(&now, nullptr);
  return ErrorOf(::settimeofday(&now, nullptr));
}
int AdjustClock() {
  timex read{};
  ::adjtimex(&read);
  timex change{};
  change.modes = ADJ_FREQUENCY;
  change.freq = read.freq;
  return ErrorOf(::adjtimex(&change));
}
int SetHostName() { return ErrorOf(::sethostname("other", 5)); }
int KernelLog() {
  char text[4096];
  return ErrorOf(::syscall(SYS_syslog, 3 /* read all */, text, sizeof text));
}
int SwapOn() { return ErrorOf(::swapon("/data/none", 0)); }
int Account() { return ErrorOf(::acct("/data/account")); }
int QuotaControl() { return ErrorOf(::syscall(SYS_quotactl, 0x800001 << 8, nullptr, 0, nullptr)); }
int OpenByHandle() {
  // The root directory of most file systems.
  struct {
    unsigned bytes = 8;
    int type = 1;
    uint32_t inode = 2;
    uint32_t generation = 0;
  } handle;
  const int fd = ::open("/data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return ErrorOf(::syscall(SYS_open_by_handle_at, fd, &handle, O_RDONLY));
}
int Fanotify() { return ErrorOf(::syscall(SYS_fanotify_init, 0, O_RDONLY)); }
int Personality() { return ErrorOf(::personality(READ_IMPLIES_EXEC)); }
int MovePages() { return ErrorOf(::syscall(SYS_move_pages, 0, 0, nullptr, nullptr, nullptr, 0)); }
int Kcmp() { return ErrorOf(::syscall(SYS_kcmp, 1, ::getpid(), 2, 0, 0)); }
int StealDescriptor() {
  const long process = ::syscall(SYS_pidfd_open, ::getppid(), 0);
  return process < 0 ? errno : ErrorOf(::syscall(SYS_pidfd_getfd, process, 1, 0));
}

#ifdef __x86_64__
int IoPorts() { return ErrorOf(::syscall(SYS_iopl, 3)); }
int ModifyLdt() {
  char table[16];
  return ErrorOf(::syscall(SYS_modify_ldt, 0, table, sizeof table));
}
int X32Call() { return ErrorOf(::syscall(0x40000000 | SYS_getpid)); }
// As programs of 32 bits made sockets once, where no filter can see of which family: here vsock.
int SocketCall32() {
  auto* arguments = static_cast<uint32_t*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
  if (arguments == MAP_FAILED) return errno;
  arguments[0] = 40;  // AF_VSOCK
  arguments[1] = 1;   // SOCK_STREAM
  long result = 102;  // socketcall
  asm volatile("int $0x80"
               : "+a"(result)
               : "b"(1L /* SYS_SOCKET */), "c"(arguments)
               : "memory", "r8", "r9", "r10", "r11");
  return result < 0 ? static_cast<int>(-result) : 0;
}
#else
int IoPorts() { return ENOSYS; }
int ModifyLdt() { return ENOSYS; }
int X32Call() { return ENOSYS; }
int SocketCall32() { return ENOSYS; }
#endif

int RaiseCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  if (::syscall(SYS_capget, &header, sets) != 0) return errno;
  sets[0].effective |= 1U << CAP_SYS_ADMIN;
  sets[0].permitted |= 1U << CAP_SYS_ADMIN;
  return ErrorOf(::syscall(SYS_capset, &header, sets));
}
int BoundingSet() {
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    bool expected = false;
    for (int one : {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID,
                    CAP_SETUID, CAP_SYS_CHROOT, CAP_NET_BIND_SERVICE})
      expected = expected || one == capability;
    if (!expected && ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) return 0;
  }
  return kNothing;
}

}  // namespace

std::vector<Trick> KernelTricks() {
  return {{"mount", MountTmpfs},
          {"mount-proc", MountProc},
          {"remount-sys", RemountSys},
          {"unmask", Unmask},
          {"fsopen", FsOpen},
          {"open-tree", OpenTree},
          {"mount-setattr", MountSetattr},
          {"pivot-root", PivotRoot},
          {"unshare-user", UnshareUser},
          {"unshare-mounts", UnshareMounts},
          {"clone-user", CloneUser},
          {"clone3-user", Clone3User},
          {"setns", SetNamespace},
          {"keyctl", Keyctl},
          {"add-key", AddKey},
          {"bpf", Bpf},
          {"perf-event", PerfEventOpen},
          {"userfaultfd", Userfaultfd},
          {"io-uring", IoUring},
          {"load-module", LoadModule},
          {"unload-module", UnloadModule},
          {"kexec", KexecLoad},
          {"reboot", Reboot},
          {"set-clock", SetClock},
          {"adjust-clock", AdjustClock},
          {"set-hostname", SetHostName},
          {"kernel-log", KernelLog},
          {"swap-on", SwapOn},
          {"accounting", Account},
          {"quota-control", QuotaControl},
          {"open-by-handle", OpenByHandle},
          {"fanotify", Fanotify},
          {"personality", Personality},
          {"move-pages", MovePages},
          {"kcmp", Kcmp},
          {"steal-descriptor", StealDescriptor},
          {"io-ports", IoPorts},
          {"modify-ldt", ModifyLdt},
          {"x32-call", X32Call},
          {"socketcall-32", SocketCall32},
          {"raise-capabilities", RaiseCapabilities},
          {"bounding-set", BoundingSet}};
}

}  // namespace probe
