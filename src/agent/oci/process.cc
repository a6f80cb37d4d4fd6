#include "agent/oci/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "agent/file.h"
#include "agent/system_error.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::array<std::string_view, 6> kProgramDirectories = {
    "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};
constexpr size_t kOutputBytesMax = 64 << 10;
constexpr int64_t kLookMs = 200;

Result<std::string> FindProgram(const std::string& name) {
  if (name.starts_with('/') && ::access(name.c_str(), X_OK) == 0) return name;
  for (std::string_view directory : kProgramDirectories) {
    std::string path = fmt::format("{}/{}", directory, name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return Fail(FailedPrecondition(
                  kToolMissing,
                  fmt::format("the program {} is not installed on this host: install the packages "
                              "runc, skopeo, umoci, zstd and e2fsprogs",
                              name))
                  .With("tool", name));
}

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Fail(SystemError("TOOL_NOT_STARTED", "a pipe"));
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// Frees the arguments of posix_spawn.
struct SpawnSetup {
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    // A tool starts with default signal dispositions, even for signals that this process ignores.
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

Result<pid_t> Spawn(const std::string& program, const std::vector<std::string>& arguments,
                    const ProcessOptions& options, const Pipe& out, const Pipe& err) {
  SpawnSetup setup;
  posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (options.output_file.empty()) {
    posix_spawn_file_actions_adddup2(&setup.actions, out.write.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&setup.actions, err.write.get(), STDERR_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO, options.output_file.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0640);
    posix_spawn_file_actions_adddup2(&setup.actions, STDOUT_FILENO, STDERR_FILENO);
  }
  // Duplicating it onto itself removes close-on-exec.
  if (options.inherited >= 0)
    posix_spawn_file_actions_adddup2(&setup.actions, options.inherited, options.inherited);

  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> variables = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
      "HOME=/root"};
  variables.insert(variables.end(), options.variables.begin(), options.variables.end());
  std::vector<char*> environment;
  environment.reserve(variables.size() + 1);
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  pid_t pid = 0;
  int error = posix_spawn(&pid, program.c_str(), &setup.actions, &setup.attributes, argv.data(),
                          environment.data());
  if (error != 0) return Fail(SystemError("TOOL_NOT_STARTED", "starting " + program, error));
  return pid;
}

// Reads the available output without waiting. False: there will be no more.
bool Drain(int fd, std::string& into) {
  std::array<char, 16 << 10> buffer{};
  while (true) {
    ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    size_t room = kOutputBytesMax - std::min(kOutputBytesMax, into.size());
    into.append(buffer.data(), std::min(room, static_cast<size_t>(got)));
  }
}

int Reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<Process> Process::Start(std::vector<std::string> arguments, ProcessOptions options) {
  Process process;
  process.deadline_ = Steady::now() + options.timeout;
  ASSIGN_OR_RETURN(std::string program, FindProgram(arguments.front()));
  std::vector<std::string> words = arguments;
  if (options.dies_with_caller) {
    // The child becomes the tool, after it has set what happens to it.
    words.front() = program;
    words.insert(words.begin(), {"setpriv", "--pdeathsig", "KILL", "--"});
    ASSIGN_OR_RETURN(program, FindProgram("setpriv"));
  }
  ASSIGN_OR_RETURN(Pipe out, MakePipe());
  ASSIGN_OR_RETURN(Pipe err, MakePipe());
  for (const Pipe* pipe : {&out, &err}) {
    const auto owner = static_cast<uid_t>(options.output_owner);
    if (options.output_owner >= 0 && ::fchown(pipe->write.get(), owner, owner) != 0)
      return Fail(SystemError("TOOL_NOT_STARTED", "giving a pipe away"));
  }
  ASSIGN_OR_RETURN(process.pid_, Spawn(program, words, options, out, err));
  process.pidfd_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, process.pid_, 0)));
  process.out_ = std::move(out.read);
  process.err_ = std::move(err.read);
  for (const FileDescriptor* end : {&process.out_, &process.err_})
    ::fcntl(end->get(), F_SETFL, O_NONBLOCK);
  process.arguments_ = std::move(arguments);
  process.options_ = std::move(options);
  return process;
}

Process::Process(Process&& other) noexcept
    : arguments_(std::move(other.arguments_)),
      options_(std::move(other.options_)),
      deadline_(other.deadline_),
      pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      result_(std::move(other.result_)) {}

Process::~Process() {
  if (!options_.left_running) Kill();
}

void Process::Kill() {
  if (pid_ < 0) return;
  ::kill(-pid_, SIGKILL);
  Reap(std::exchange(pid_, -1));
}

std::optional<Result<ProcessResult>> Process::Poll() {
  // Check first whether it has ended: then all its output is in the pipes.
  pollfd ended{pidfd_.get(), POLLIN, 0};
  ::poll(&ended, 1, 0);
  if (out_.is_open() && !Drain(out_.get(), result_.out)) out_ = FileDescriptor();
  if (err_.is_open() && !Drain(err_.get(), result_.err)) err_ = FileDescriptor();
  if ((ended.revents & POLLIN) != 0) {
    result_.exit_status = Reap(std::exchange(pid_, -1));
    return std::move(result_);
  }
  if (options_.stop.stop_requested()) {
    Kill();
    return Fail(Error(Code::kCanceled, "TOOL_STOPPED",
                      arguments_.front() + " was stopped because the agent is stopping"));
  }
  if (Steady::now() < deadline_) return std::nullopt;
  Kill();
  return Fail(Error(Code::kDeadlineExceeded, kToolTimedOut,
                    fmt::format("{} did not end within {} ms and was killed", arguments_.front(),
                                options_.timeout.count()))
                  .With("tool", arguments_.front()));
}

void Process::WaitFor(std::chrono::milliseconds patience) const {
  // A closed end is -1, which poll() passes over.
  std::array<pollfd, 3> fds = {pollfd{pidfd_.get(), POLLIN, 0}, pollfd{out_.get(), POLLIN, 0},
                               pollfd{err_.get(), POLLIN, 0}};
  ::poll(fds.data(), fds.size(), static_cast<int>(patience.count()));
}

Job<ProcessResult> RunProcessJob(std::vector<std::string> arguments, ProcessOptions options) {
  CO_ASSIGN_OR_RETURN(Process process, Process::Start(std::move(arguments), std::move(options)));
  std::optional<Result<ProcessResult>> result;
  co_await Await([&] {
    result = process.Poll();
    return result.has_value();
  });
  co_return std::move(*result);
}

Job<std::string> RunToolJob(std::vector<std::string> arguments, ProcessOptions options) {
  CO_ASSIGN_OR_RETURN(ProcessResult result, co_await RunProcessJob(arguments, std::move(options)));
  if (result.exit_status != 0) co_return Fail(ToolFailed(arguments, result));
  co_return std::move(result.out);
}

Result<ProcessResult> RunProcess(const std::vector<std::string>& arguments,
                                 const ProcessOptions& options) {
  ASSIGN_OR_RETURN(Process process, Process::Start(arguments, options));
  while (true) {
    if (auto result = process.Poll()) return std::move(*result);
    process.WaitFor(std::chrono::milliseconds(kLookMs));
  }
}

Error ToolFailed(const std::vector<std::string>& arguments, const ProcessResult& result) {
  std::string_view said = result.err.empty() ? result.out : result.err;
  while (said.ends_with('\n')) said.remove_suffix(1);
  constexpr size_t kShown = 600;
  if (said.size() > kShown) said.remove_prefix(said.size() - kShown);
  // Printable, one line, whatever the tool echoed.
  std::string shown;
  for (char c : said) shown += c >= ' ' && c <= '~' ? c : ' ';
  std::string command;
  for (const std::string& argument : arguments) {
    if (!command.empty()) command += ' ';
    command += argument;
  }
  return Internal(kToolFailed, fmt::format("{} ended with status {}: {}", arguments.front(),
                                           result.exit_status, shown))
      .With("tool", arguments.front())
      .With("exit_status", std::to_string(result.exit_status))
      .With("command", std::string(CutUtf8(command, 1000)));
}

Result<std::string> RunTool(const std::vector<std::string>& arguments,
                            const ProcessOptions& options) {
  ASSIGN_OR_RETURN(ProcessResult result, RunProcess(arguments, options));
  if (result.exit_status != 0) return Fail(ToolFailed(arguments, result));
  return std::move(result.out);
}

}  // namespace tallyman::agent::oci
