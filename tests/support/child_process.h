// A program that runs beside a test, with its output in a file.
#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/exec_arguments.h"
#include "tests/support/wait.h"

namespace tallyman {

// Not thread-safe. The destructor kills it, and so does the end of the test's process.
class ChildProcess {
 public:
  // Both outputs are appended to `log`.
  explicit ChildProcess(std::filesystem::path log) : log_(std::move(log)) {}
  ~ChildProcess() { Kill(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // `words[0]` is a path. The environment is nothing but `environment` (NAME=VALUE), and what
  // ThreadSanitizer was told. REQUIRES: it does not run.
  void Start(const std::vector<std::string>& words, std::vector<std::string> environment = {}) {
    from_ = LogSize();
    environment.emplace_back("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    HandOnTsanOptions(environment);
    const std::vector<char*> arguments = ExecArguments(words);
    const std::vector<char*> variables = ExecArguments(environment);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    const int file = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    // A socket that the test listens on is not the child's to keep.
    ::close_range(STDERR_FILENO + 1, ~0U, 0);
    ::execve(arguments[0], arguments.data(), variables.data());
    ::_exit(127);
  }
  bool is_running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  void Signal(int signal) const { ::kill(pid_, signal); }
  // Waits for its end; its exit status, 128 + N for signal N.
  int Wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  int Stop() {
    Signal(SIGTERM);
    return Wait();
  }
  void Kill() {
    if (!is_running()) return;
    Signal(SIGKILL);
    Wait();
  }

  // Its output since it was last started.
  std::string Log() const {
    std::ifstream file(log_);
    file.seekg(static_cast<std::streamoff>(from_));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  bool AwaitLog(const std::string& text) const {
    return WaitUntil([&] { return Log().find(text) != std::string::npos; });
  }

 private:
  uintmax_t LogSize() const {
    std::error_code missing;
    const uintmax_t size = std::filesystem::file_size(log_, missing);
    return missing ? 0 : size;
  }

  std::filesystem::path log_;
  uintmax_t from_ = 0;
  pid_t pid_ = -1;
};

}  // namespace tallyman
