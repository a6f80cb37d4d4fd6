// Keeps one PostgreSQL cluster for all tests of a ctest run.
//
//   postgres_fixture start FILE    starts it and writes to FILE where it is
//   postgres_fixture stop FILE     stops it
//
// The keeper of the cluster is a process of its own. It watches ctest as well: should that be
// killed before it can say stop, the cluster is stopped all the same.
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include "support/postgres_cluster.h"

namespace tallyman {
namespace {

int OpenProcess(pid_t process) { return static_cast<int>(::syscall(SYS_pidfd_open, process, 0)); }

pid_t KeeperIn(const std::string& file) {
  pid_t keeper = 0;
  std::ifstream(file) >> keeper;
  return keeper;
}

int Stop(const std::string& file) {
  const pid_t keeper = KeeperIn(file);
  const int process = keeper > 0 ? OpenProcess(keeper) : -1;
  if (process < 0) return 0;
  ::kill(keeper, SIGTERM);
  pollfd end{.fd = process, .events = POLLIN, .revents = 0};
  return ::poll(&end, 1, 100'000) == 1 ? 0 : 1;
}

// Answers on `ready` when the cluster can be used, and keeps it until SIGTERM or the end of
// `watched`.
int Keep(const std::string& file, int watched, int ready) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  const int terminated = ::signalfd(-1, &signals, SFD_CLOEXEC);
  try {
    PostgresCluster cluster({.durable = false});
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    std::ofstream(file + ".new") << ::getpid() << ' ' << cluster.port() << ' '
                                 << cluster.directory().string() << '\n';
    ::rename((file + ".new").c_str(), file.c_str());
    if (::write(ready, "+", 1) != 1) return 1;
    ::close(ready);
    pollfd ends[] = {{.fd = watched, .events = POLLIN, .revents = 0},
                     {.fd = terminated, .events = POLLIN, .revents = 0}};
    while (::poll(ends, 2, -1) < 0 && errno == EINTR) {
    }
    ::unlink(file.c_str());
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return ::write(ready, text.data(), text.size()) > 0 ? 1 : 2;
  }
  return 0;
}

int Start(const std::string& file) {
  Stop(file);
  const int ctest = OpenProcess(::getppid());
  int ready[2];
  if (ctest < 0 || ::pipe(ready) != 0) return 1;
  if (::fork() == 0) {
    ::setsid();
    const int nothing = ::open("/dev/null", O_RDWR);
    for (int standard : {0, 1, 2}) ::dup2(nothing, standard);
    ::close(ready[0]);
    ::_exit(Keep(file, ctest, ready[1]));
  }
  ::close(ready[1]);
  char answer[4096];
  const ssize_t size = ::read(ready[0], answer, sizeof answer);
  if (size == 1 && answer[0] == '+') return 0;
  std::fwrite(answer, 1, size > 0 ? static_cast<size_t>(size) : 0, stderr);
  return 1;
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  const std::string verb = argc == 3 ? argv[1] : "";
  if (verb == "start") return tallyman::Start(argv[2]);
  if (verb == "stop") return tallyman::Stop(argv[2]);
  std::fputs("usage: postgres_fixture start|stop FILE\n", stderr);
  return 2;
}
