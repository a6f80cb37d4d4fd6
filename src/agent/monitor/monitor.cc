#include "agent/monitor/monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "agent/monitor/output.h"
#include "agent/monitor/ring.h"

extern char** environ;

namespace tallyman::agent::monitor {
namespace {

constexpr int kCannot = 100;
// How long to read after the container's end while other processes have its pipes open.
constexpr int64_t kDrainMicros = 2'000'000;
constexpr int64_t kStartMicros = 60'000'000;

int64_t Micros(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

std::string ReadSmall(const std::string& path) {
  std::string text(4096, '\0');
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? 0 : ::read(fd, text.data(), text.size());
  if (fd >= 0) ::close(fd);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

bool WriteSmall(const std::string& path, const std::string& text, int flags) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600);
  if (fd < 0) return false;
  bool wrote = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  return ::close(fd) == 0 && wrote;
}

bool Replace(const std::string& path, const std::string& text) {
  const std::string beside = path + ".new";
  return WriteSmall(beside, text, O_CREAT | O_TRUNC) && ::rename(beside.c_str(), path.c_str()) == 0;
}

// When a process started: the 22nd field of its line (proc(5)); 0: no such process.
long long StartedAt(int pid) {
  const std::string line = ReadSmall("/proc/" + std::to_string(pid) + "/stat");
  size_t at = line.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = line.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::atoll(line.c_str() + at);
}

class Monitor {
 public:
  Monitor(const MonitorOptions& options, int said) : options_(options), said_(said) {}

  void Run() {
    if (!Settle() || !OpenPipes()) return;
    if (options_.command.empty()) {
      Watch();
    } else if (!Start()) {
      return;
    }
    while (!ended_) LookOnce(-1);
    const int64_t until = Micros(CLOCK_MONOTONIC) + kDrainMicros;
    while (output_.IsOpen() && Micros(CLOCK_MONOTONIC) < until) LookOnce(100);
    output_.Close();
    WriteEnd();
  }

 private:
  std::string Path(const char* name) const { return options_.directory + "/" + name; }

  // Reports the result to the foreground process, once.
  bool Say(int status, const std::string& text) {
    if (said_ >= 0) {
      const std::string line = std::to_string(status) + " " + text;
      (void)!::write(said_, line.data(), line.size());
      ::close(said_);
      said_ = -1;
    }
    return status == 0;
  }
  bool Cannot(const std::string& what) { return Say(kCannot, what + ": " + std::strerror(errno)); }

  // Detaches from its parent.
  bool Settle() {
    ::setsid();
    ::umask(022);
    if (::chdir("/") != 0) return Cannot("/");
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (const std::string& group : options_.groups) WriteSmall(group + "/cgroup.procs", "0", 0);
    // At a shutdown every process gets SIGTERM, but the container must end first.
    for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
    signals_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    // The monitor of one container.
    int directory = ::open(options_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || ::flock(directory, LOCK_EX | LOCK_NB) != 0)
      return Cannot(options_.directory);
    const int self = static_cast<int>(::getpid());
    if (!Replace(Path("monitor"), std::to_string(self) + " " + std::to_string(StartedAt(self))))
      return Cannot(Path("monitor"));
    output_.OpenRing(options_.log_directory, options_.segment_bytes);
    return true;
  }

  bool OpenPipes() {
    const char* names[] = {"out", "err"};
    for (int i = 0; i < 2; ++i) {
      const std::string path = Path(names[i]);
      if (!options_.command.empty()) ::unlink(path.c_str());
      if (::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) return Cannot(path);
      const auto owner = static_cast<uid_t>(options_.owner);
      if (options_.owner >= 0 && ::lchown(path.c_str(), owner, owner) != 0) return Cannot(path);
      if (!output_.OpenPipe(i, path)) return Cannot(path);
      writers_[i] = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
      if (writers_[i] < 0) return Cannot(path);
    }
    return true;
  }

  bool Start() {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, writers_[0], 1);
    posix_spawn_file_actions_adddup2(&actions, writers_[1], 2);
    if (options_.lock >= 0)
      posix_spawn_file_actions_adddup2(&actions, options_.lock, options_.lock);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    std::vector<char*> words;
    for (const std::string& word : options_.command)
      words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    errno = ::posix_spawnp(&starter_, words[0], &actions, &attributes, words.data(), environ);
    if (errno != 0) return Cannot(options_.command[0]);
    CloseWriters();
    const int64_t until = Micros(CLOCK_MONOTONIC) + kStartMicros;
    while (starter_ > 0) {
      LookOnce(1000);
      if (starter_ > 0 && Micros(CLOCK_MONOTONIC) > until) ::kill(starter_, SIGKILL);
    }
    return started_;
  }

  // For a container whose monitor is gone.
  void Watch() {
    CloseWriters();
    pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, options_.pid, 0));
    known_ = false;
    if (pidfd_ < 0 || StartedAt(options_.pid) != options_.started) {
      ended_ = true;
    } else {
      output_.Note(
          "tallyman: the process that records this node's output was killed; some output may be "
          "missing");
    }
    Settled();
  }

  // The container runs.
  void Settled() {
    // Nodes should be killed first when memory is short; children keep what they inherited.
    WriteSmall("/proc/self/oom_score_adj", "-900", 0);
    if (options_.lock >= 0) ::close(options_.lock);
    Say(0, "");
  }

  void CloseWriters() {
    for (int& fd : writers_) {
      if (fd >= 0) ::close(fd);
      fd = -1;
    }
  }

  void LookOnce(int patience_ms) {
    pollfd fds[] = {{output_.fd(0), POLLIN, 0},
                    {output_.fd(1), POLLIN, 0},
                    {signals_, POLLIN, 0},
                    {pidfd_, POLLIN, 0}};
    if (::poll(fds, 4, patience_ms) < 0) return;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].revents != 0) output_.Read(i, Micros(CLOCK_REALTIME));
    }
    output_.Flush();
    if ((fds[3].revents & POLLIN) != 0) {
      ::close(pidfd_);
      pidfd_ = -1;
      ended_ = true;
    }
    if ((fds[2].revents & POLLIN) != 0) {
      signalfd_siginfo ignored{};
      while (::read(signals_, &ignored, sizeof(ignored)) > 0) {
      }
      Reap();
    }
  }

  void Reap() {
    int status = 0;
    for (int pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == starter_) {
        starter_ = 0;
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        first_ = code == 0 ? std::atoi(ReadSmall(Path("pid")).c_str()) : 0;
        started_ = first_ > 0;
        if (started_) {
          Settled();
        } else {
          Say(code != 0 ? code : kCannot, "");
        }
      } else if (!ended_) {
        // The container may end before its starter does.
        orphans_[orphan_] = {pid, status};
        orphan_ = (orphan_ + 1) % kOrphans;
      }
      for (const Orphan& orphan : orphans_) {
        if (!started_ || orphan.pid != first_) continue;
        status_ = orphan.status;
        ended_ = true;
      }
    }
  }

  void WriteEnd() {
    const int signal = known_ && WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
    const int code = !known_ ? 0 : signal != 0 ? 128 + signal : WEXITSTATUS(status_);
    const std::string counted = "\n" + ReadSmall(options_.oom_file);
    const size_t at = counted.find("\noom_kill ");
    const bool killed = at != std::string::npos && std::atoll(counted.c_str() + at + 10) > 0;
    const bool oom = killed && (!known_ || code != 0);
    char line[128];
    std::snprintf(line, sizeof(line), "%d %d %lld %d %d\n", code, signal,
                  static_cast<long long>(Micros(CLOCK_REALTIME)), oom ? 1 : 0, known_ ? 1 : 0);
    Replace(Path("end"), line + output_.Tail());
  }

  const MonitorOptions& options_;
  int said_;
  Output output_;
  int writers_[2] = {-1, -1};
  int signals_ = -1;
  int pidfd_ = -1;
  pid_t starter_ = 0;
  pid_t first_ = 0;
  bool started_ = false;
  bool ended_ = false;
  bool known_ = true;
  int status_ = 0;
  struct Orphan {
    pid_t pid = 0;
    int status = 0;
  };
  static constexpr int kOrphans = 16;
  Orphan orphans_[kOrphans] = {};
  int orphan_ = 0;
};

}  // namespace

int RunMonitor(const MonitorOptions& options) {
  int said[2] = {-1, -1};
  if (::pipe2(said, O_CLOEXEC) != 0) return kCannot;
  const pid_t background = ::fork();
  if (background < 0) return kCannot;
  if (background > 0) {
    ::close(said[1]);
    std::string text(4096, '\0');
    size_t size = 0;
    for (ssize_t got = 0; (got = ::read(said[0], text.data() + size, text.size() - size)) > 0;)
      size += static_cast<size_t>(got);
    text.resize(size);
    const size_t space = text.find(' ');
    if (space == std::string::npos) return kCannot;
    if (space + 1 < text.size()) std::fprintf(stderr, "%s\n", text.c_str() + space + 1);
    return std::atoi(text.c_str());
  }
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd : {0, 1, 2}) ::dup2(null, fd);
  Monitor(options, said[1]).Run();
  return 0;
}

}  // namespace tallyman::agent::monitor
