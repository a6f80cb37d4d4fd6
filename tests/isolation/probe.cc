// The program in the test's image: makes every attempt and prints a line "NAME ANSWER" for each.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "isolation/tricks.h"

namespace probe {

std::string Told(const char* name) {
  const char* text = ::getenv(name);
  return text == nullptr ? "" : text;
}

long ToldNumber(const char* name) { return std::strtol(Told(name).c_str(), nullptr, 10); }

int ErrorOf(long result) { return result < 0 ? errno : 0; }

int Open(const char* path, int flags) {
  const int fd = ::open(path, flags | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

int ReadSomething(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno;
  char byte = 0;
  const ssize_t got = ::read(fd, &byte, 1);
  const int error = errno;
  ::close(fd);
  if (got < 0) return error;
  return got == 1 ? 0 : kNothing;
}

namespace {

constexpr unsigned kSecondsMax = 120;

std::string AnswerOf(int status) {
  if (WIFSIGNALED(status)) return std::string("SIG") + ::sigabbrev_np(WTERMSIG(status));
  const int code = WEXITSTATUS(status);
  if (code == 0) return "done";
  if (code == kNothing) return "nothing";
  return ::strerrorname_np(code);
}

// How many are open besides input, output and error.
int CountDescriptors() {
  int count = 0;
  for (int fd = 3; fd < 4096; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

void Try(const Trick& trick) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kSecondsMax);
    ::_exit(trick.attempt());
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::printf("%s %s\n", trick.name, AnswerOf(status).c_str());
  std::fflush(stdout);
}

}  // namespace
}  // namespace probe

int main(int argc, char** argv) {
  // As a program with the setuid bit it says whose it has become.
  if (argc == 2 && std::strcmp(argv[1], "whose") == 0) return ::geteuid() == 0 ? 0 : EPERM;
  if (argc == 2 && std::strcmp(argv[1], "descriptors") == 0) return probe::CountDescriptors();
  for (const auto& tricks : {probe::KernelTricks(), probe::FileTricks(), probe::NetworkTricks(),
                             probe::ProcessTricks(), probe::Needs()})
    for (const probe::Trick& trick : tricks) probe::Try(trick);
  std::puts("end");
  return 0;
}
