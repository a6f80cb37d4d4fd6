#include "server/server_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "support/exec_arguments.h"

namespace tallyman {
namespace {

constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::milliseconds kPoll{5};

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Runs `condition` again and again until it holds; false when patience is at an end.
template <class Condition>
bool Eventually(const Condition& condition) {
  auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

}  // namespace

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  Signal(SIGKILL);
  Wait();
}

bool ServerProcess::Start(const std::vector<std::string>& options) {
  if (!keeps_port_) return StartOn("0", options);
  if (kept_port_ != 0) return StartOn(std::to_string(kept_port_), options);
  constexpr int kFirst = 10'000;
  constexpr int kCount = 10'000;
  for (int i = 0; i < 100; ++i) {
    const int port = kFirst + (::getpid() * 7 + i) % kCount;
    if (!StartOn(std::to_string(port), options)) {
      Wait();
      continue;
    }
    kept_port_ = port_;
    return true;
  }
  return false;
}

bool ServerProcess::StartOn(const std::string& port, const std::vector<std::string>& options) {
  std::vector<std::string> words = {TALLYMAN_PROGRAM,
                                    "server",
                                    "--db",
                                    dsn(),
                                    "--listen",
                                    "127.0.0.1:" + port,
                                    "--admin-token-file",
                                    PathOf("fleet.db.admin-token")};
  words.insert(words.end(), options.begin(), options.end());
  const std::vector<char*> arguments = ExecArguments(words);
  std::string log = PathOf("server.log");
  ::unlink(log.c_str());
  pid_ = ::fork();
  if (pid_ == 0) {
    int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(file, STDERR_FILENO);
    ::dup2(file, STDOUT_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  static const std::regex kServing(R"(serving on https?://[^ ]*:(\d+))");
  std::smatch match;
  bool ended = false;
  Eventually([&] {
    std::string text = Log();
    if (std::regex_search(text, match, kServing)) {
      port_ = static_cast<uint16_t>(std::stoi(match[1]));
      return true;
    }
    ended = ::waitpid(pid_, nullptr, WNOHANG | WNOWAIT) > 0;
    return ended;
  });
  if (port_ == 0) return false;
  std::istringstream(Contents(PathOf("fleet.db.admin-token"))) >> token_;
  return true;
}

void ServerProcess::Signal(int signal) const { ::kill(pid_, signal); }

int ServerProcess::Wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  port_ = 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int ServerProcess::Stop() {
  Signal(SIGTERM);
  return Wait();
}

std::string ServerProcess::Url(const std::string& path) const {
  return scheme_ + "://127.0.0.1:" + std::to_string(port_) + path;
}

std::string ServerProcess::Log() const { return Contents(PathOf("server.log")); }

bool ServerProcess::LogHas(const std::string& text) const {
  return Eventually([&] { return Log().find(text) != std::string::npos; });
}

}  // namespace tallyman
