// Processes of the host, and more of its time, memory and numbers than a node was given.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "isolation/tricks.h"

namespace probe {
namespace {

pid_t HostProcess() { return static_cast<pid_t>(ToldNumber("HOST_PID")); }

int SignalHost() { return ErrorOf(::kill(HostProcess(), 0)); }
int TraceHost() { return ErrorOf(::ptrace(PTRACE_SEIZE, HostProcess(), nullptr, nullptr)); }
int ReadHostMemory() {
  char byte = 0;
  iovec here{&byte, 1};
  iovec there{reinterpret_cast<void*>(0x400000), 1};
  return ErrorOf(::process_vm_readv(HostProcess(), &here, 1, &there, 1, 0));
}
int OutliveOthers() {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  return fd < 0 ? errno : ErrorOf(::write(fd, "-1000", 5));
}
int RunFirst() { return ErrorOf(::setpriority(PRIO_PROCESS, 0, -20)); }
int RunRealtime() {
  const sched_param parameters{.sched_priority = 1};
  return ErrorOf(::sched_setscheduler(0, SCHED_FIFO, &parameters));
}
int Raise(__rlimit_resource which) {
  rlimit bound{};
  ::getrlimit(which, &bound);
  if (bound.rlim_max == RLIM_INFINITY) return 0;
  bound.rlim_max += 1;
  return ErrorOf(::setrlimit(which, &bound));
}
int MoreFiles() { return Raise(RLIMIT_NOFILE); }
int MoreDumps() { return Raise(RLIMIT_CORE); }

int CoreDump() {
  if (::chdir("/data") != 0) return errno;
  const pid_t child = ::fork();
  if (child == 0) ::abort();
  int status = 0;
  ::waitpid(child, &status, 0);
  return WCOREDUMP(status) ? 0 : kNothing;
}

// Threads, which cost less than processes and are counted alike, until there are no more.
int ForkBomb() {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, 16 << 10);
  ::pthread_attr_setguardsize(&attributes, 0);
  for (long count = 0; count <= ToldNumber("TASKS_MAX"); ++count) {
    pthread_t thread{};
    const auto wait = [](void*) -> void* { return ::pause(), nullptr; };
    if (const int error = ::pthread_create(&thread, &attributes, wait, nullptr)) return error;
  }
  return 0;
}
int MemoryHog() {
  const long mebibytes = 2 * ToldNumber("MEMORY_MIB");
  auto* memory = static_cast<char*>(::mmap(nullptr, static_cast<size_t>(mebibytes) << 20,
                                           PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (memory == MAP_FAILED) return errno;
  for (long i = 0; i < mebibytes; ++i) std::memset(memory + (i << 20), 'x', 1 << 20);
  return 0;
}

}  // namespace

std::vector<Trick> ProcessTricks() {
  return {{"signal-host", SignalHost},
          {"trace-host", TraceHost},
          {"read-host-memory", ReadHostMemory},
          {"outlive-others", OutliveOthers},
          {"run-first", RunFirst},
          {"run-realtime", RunRealtime},
          {"more-files", MoreFiles},
          {"more-dumps", MoreDumps},
          {"core-dump", CoreDump},
          {"fork-bomb", ForkBomb},
          {"memory-hog", MemoryHog}};
}

}  // namespace probe
