#include "agent/oci/seccomp.h"

#include <boost/json.hpp>
#include <cerrno>
#include <cstdint>
#include <initializer_list>

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

// Allowed with any arguments. runc skips names that the kind of machine does not have.
constexpr std::string_view kAllowed[] = {
    // Files and directories by name.
    "access chdir chmod chown chown32 creat faccessat faccessat2 fchdir fchmodat fchmodat2",
    "fchownat fstatat64 futimesat getcwd getdents getdents64 lchown lchown32 link linkat lstat",
    "lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2",
    "readlink readlinkat rename renameat renameat2 rmdir stat stat64 statfs statfs64 statx",
    "symlink symlinkat truncate truncate64 umask unlink unlinkat utime utimensat",
    "utimensat_time64 utimes chroot getxattr getxattrat lgetxattr listxattr listxattrat",
    "llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat",
    "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch",
    // Open files.
    "_llseek arm_fadvise64_64 close close_range copy_file_range dup dup2 dup3 fadvise64",
    "fadvise64_64 fallocate fchmod fchown fchown32 fcntl fcntl64 fdatasync fgetxattr flistxattr",
    "flock fremovexattr fsetxattr fstat fstat64 fstatfs fstatfs64 fsync ftruncate ftruncate64",
    "ioctl lseek pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead",
    "readv sendfile sendfile64 splice sync sync_file_range sync_file_range2 syncfs tee vmsplice",
    "write writev io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup",
    "io_submit",
    // Waiting for events.
    "_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2",
    "epoll_wait epoll_wait_old eventfd eventfd2 poll ppoll ppoll_time64 pselect6 pselect6_time64",
    "select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime",
    "timerfd_settime64",
    // The network; socket() is below.
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom",
    "recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown",
    "socketpair",
    // Memory.
    "brk cacheflush madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2",
    "mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc",
    "pkey_free pkey_mprotect remap_file_pages",
    // Processes and threads; clone() is below.
    "arch_prctl execve execveat exit exit_group fork get_robust_list get_thread_area getcpu",
    "getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid gettid ioprio_get",
    "ioprio_set pidfd_open pidfd_send_signal prctl prlimit64 process_mrelease process_vm_readv",
    "process_vm_writev ptrace rseq sched_get_priority_max sched_get_priority_min",
    "sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval",
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam",
    "sched_setscheduler sched_yield set_robust_list set_thread_area set_tid_address set_tls",
    "setpgid setpriority setrlimit setsid times ugetrlimit vfork wait4 waitid waitpid futex",
    "futex_requeue futex_time64 futex_wait futex_waitv futex_wake",
    // Users and groups, and rights that a process gives up.
    "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32",
    "getresgid getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid",
    "setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32",
    "setresuid setresuid32 setreuid setreuid32 setuid setuid32 landlock_add_rule",
    "landlock_create_ruleset landlock_restrict_self seccomp",
    // Signals.
    "alarm kill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo",
    "rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo",
    "sigaltstack sigprocmask sigreturn tgkill tkill",
    // Time; setting the clock needs a capability that no node has.
    "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime",
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep",
    "setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64",
    "timer_settime timer_settime64",
    // Communication between processes, within the node's own namespace.
    "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend",
    "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop",
    "semtimedop_time64 shmat shmctl shmdt shmget",
    // The rest.
    "getrandom sysinfo uname breakpoint",
};

// From <sched.h>: every flag of clone() that would make a namespace.
constexpr int64_t kNamespaceFlags =
    0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;

// Personalities: plain Linux, without address randomization, and with the version name of Linux
// 2.6; and the query for the current one.
constexpr int64_t kPersonalities[] = {0x0, 0x0008, 0x20000, 0x20008, 0xffffffff};

constexpr int64_t kFamilyUnix = 1;
constexpr int64_t kFamilyInet = 2;
constexpr int64_t kFamilyInet6 = 10;
constexpr int64_t kFamilyNetlink = 16;
constexpr int64_t kNetlinkRoute = 0;  // the addresses of the host, for getifaddrs()
constexpr int64_t kNetlinkAudit = 9;

json::object Is(int index, int64_t value) {
  return {{"index", index}, {"value", value}, {"op", "SCMP_CMP_EQ"}};
}

json::object Allow(std::string_view name, json::array arguments) {
  return {{"names", json::array{json::string(name)}},
          {"action", "SCMP_ACT_ALLOW"},
          {"args", std::move(arguments)}};
}

json::object Refuse(std::string_view name, int error, json::array arguments = {}) {
  return {{"names", json::array{json::string(name)}},
          {"action", "SCMP_ACT_ERRNO"},
          {"errnoRet", error},
          {"args", std::move(arguments)}};
}

json::array AllowedNames() {
  json::array names;
  for (std::string_view line : kAllowed) {
    while (!line.empty()) {
      const size_t end = std::min(line.find(' '), line.size());
      names.push_back(json::string(line.substr(0, end)));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
  }
  return names;
}

json::array Architectures(std::string_view machine) {
  if (machine == "x86_64") return {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"};
  if (machine == "aarch64") return {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
  return {};
}

}  // namespace

json::object SeccompProfile(std::string_view machine) {
  json::array calls;
  // 32-bit programs used this call for sockets: its arguments are in memory, where no filter sees
  // them. It comes first: a rule without conditions overrides those for socket(), which would open
  // this path again.
  calls.push_back(Refuse("socketcall", ENOSYS));
  calls.push_back({{"names", AllowedNames()}, {"action", "SCMP_ACT_ALLOW"}});
  calls.push_back(Allow(
      "clone",
      {{{"index", 0}, {"value", kNamespaceFlags}, {"valueTwo", 0}, {"op", "SCMP_CMP_MASKED_EQ"}}}));
  // Its flags are in memory, too; C libraries then fall back to clone().
  calls.push_back(Refuse("clone3", ENOSYS));
  for (int64_t personality : kPersonalities)
    calls.push_back(Allow("personality", {Is(0, personality)}));
  for (int64_t family : {kFamilyUnix, kFamilyInet, kFamilyInet6})
    calls.push_back(Allow("socket", {Is(0, family)}));
  calls.push_back(Allow("socket", {Is(0, kFamilyNetlink), Is(2, kNetlinkRoute)}));
  // su, login and sshd continue after "there is no audit in this kernel"; EPERM would stop them.
  calls.push_back(Refuse("socket", EINVAL, {Is(0, kFamilyNetlink), Is(2, kNetlinkAudit)}));
  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"defaultErrnoRet", EPERM},
          {"architectures", Architectures(machine)},
          {"syscalls", std::move(calls)}};
}

}  // namespace tallyman::agent::oci
