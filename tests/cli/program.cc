#include "tests/cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>

#include "server/server_process.h"
#include "support/exec_arguments.h"

namespace tallyman {
namespace {

struct Pipe {
  int read = -1;
  int write = -1;

  Pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) == 0) {
      read = ends[0];
      write = ends[1];
    }
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    Close(read);
    Close(write);
  }
  static void Close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
};

// Feeds standard input and drains both outputs until all are closed.
void Exchange(Pipe& in, const std::string& input, Pipe& out, std::string& out_text, Pipe& err,
              std::string& err_text) {
  size_t written = 0;
  ::fcntl(in.write, F_SETFL, O_NONBLOCK);
  if (input.empty()) Pipe::Close(in.write);
  auto drain = [](Pipe& pipe, const pollfd& polled, std::string& text) {
    if ((polled.revents & (POLLIN | POLLHUP | POLLERR)) == 0) return;
    char buffer[1 << 16];
    const ssize_t got = ::read(pipe.read, buffer, sizeof buffer);
    if (got > 0) text.append(buffer, static_cast<size_t>(got));
    if (got <= 0) Pipe::Close(pipe.read);
  };
  while (out.read >= 0 || err.read >= 0) {
    pollfd fds[3] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {in.write, POLLOUT, 0}};
    if (::poll(fds, 3, -1) < 0 && errno != EINTR) return;
    drain(out, fds[0], out_text);
    drain(err, fds[1], err_text);
    if (in.write < 0 || fds[2].revents == 0) continue;
    const ssize_t put = ::write(in.write, input.data() + written, input.size() - written);
    if (put > 0) written += static_cast<size_t>(put);
    if (put < 0 || written == input.size()) Pipe::Close(in.write);
  }
}

}  // namespace

Ran RunProgram(const std::string& program, const std::vector<std::string>& arguments,
               const std::vector<std::string>& environment, const std::string& in) {
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> argv = {program};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  Pipe to_in;
  Pipe from_out;
  Pipe from_err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to_in.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from_out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from_err.write, STDERR_FILENO);
  // Looking for what a command leaves behind at its end would take a third of its time.
  std::vector<std::string> whole_environment = environment;
  whole_environment.emplace_back("ASAN_OPTIONS=detect_leaks=0");
  HandOnTsanOptions(whole_environment);
  pid_t pid = 0;
  const int failed =
      ::posix_spawnp(&pid, program.c_str(), &actions, nullptr, ExecArguments(argv).data(),
                     ExecArguments(whole_environment).data());
  posix_spawn_file_actions_destroy(&actions);
  Ran ran;
  if (failed != 0) {
    ran.err = "cannot run " + program;
    return ran;
  }
  Pipe::Close(to_in.read);
  Pipe::Close(from_out.write);
  Pipe::Close(from_err.write);
  Exchange(to_in, in, from_out, ran.out, from_err, ran.err);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

ProgramTest::ProgramTest() {
  if (kViaServer) {
    server_ = std::make_unique<ServerProcess>();
    directory_ = std::filesystem::path(server_->PathOf("fleet.db")).parent_path();
    return;
  }
  std::string name = testing::TempDir() + "tallyman-XXXXXX";
  directory_ = ::mkdtemp(name.data());
}

ProgramTest::~ProgramTest() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Ran ProgramTest::ViaDatabase(const std::vector<std::string>& arguments,
                             const std::string& in) const {
  return RunProgram(
      TALLYMAN_PROGRAM, arguments,
      {"TALLYMAN_DB=sqlite:" + database(), "TALLYMAN_ACTOR=tester", "PATH=/usr/bin:/bin"}, in);
}

ServerProcess& ProgramTest::server() const {
  if (!token_.empty()) return *server_;
  if (!std::filesystem::exists(database())) ViaDatabase({"db", "migrate"}, {});
  const Ran made = ViaDatabase({"-q", "token", "create", "tester", "--role", "admin"}, {});
  EXPECT_EQ(made.status, 0) << made.err;
  token_ = made.out.substr(0, made.out.find('\n'));
  // The books are to be those of a test that needed no token.
  Sql("DELETE FROM events WHERE kind = 'token_created'; "
      "UPDATE sqlite_sequence SET seq = (SELECT ifnull(max(cursor), 0) FROM events) "
      "WHERE name = 'events'; DELETE FROM requests WHERE method = 'TokenService/CreateToken';");
  EXPECT_TRUE(server_->Start()) << server_->Log();
  return *server_;
}

Ran ProgramTest::ViaServer(const std::vector<std::string>& arguments, const std::string& in) const {
  const std::string before = server().Log();
  Ran ran = RunProgram(
      TALLYMAN_PROGRAM, arguments,
      {"TALLYMAN_SERVER=" + server().Url(), "TALLYMAN_TOKEN=" + token_, "PATH=/usr/bin:/bin"}, in);
  std::istringstream lines(server().Log().substr(before.size()));
  std::string logged;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("error: ") || line.starts_with("warning: ")) logged += line + "\n";
  }
  ran.err = logged + ran.err;
  return ran;
}

Ran ProgramTest::Tallyman(const std::vector<std::string>& arguments, const std::string& in) const {
  const bool of_database = std::ranges::find(arguments, "db") != arguments.end();
  return kViaServer && !of_database ? ViaServer(arguments, in) : ViaDatabase(arguments, in);
}

Ran ProgramTest::Must(const std::vector<std::string>& arguments) const {
  Ran ran = Tallyman(arguments);
  std::string line;
  for (const std::string& argument : arguments) line += " " + argument;
  EXPECT_EQ(ran.status, 0) << "tallyman" << line << "\n" << ran.out << ran.err;
  return ran;
}

std::string ProgramTest::Sql(const std::string& script) const {
  const Ran ran =
      RunProgram("sqlite3", {"-bail", database()}, {"PATH=/usr/bin:/bin"}, script + "\n");
  EXPECT_EQ(ran.status, 0) << ran.err;
  return ran.out;
}

std::string ProgramTest::Dump() const {
  return std::filesystem::exists(database()) ? Sql(".dump") : std::string();
}

std::string ProgramTest::Write(const std::string& name, const std::string& text) const {
  const std::string path = PathOf(name);
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

void ProgramTest::CreateSmallFleet() const {
  const std::string fleet =
      Write("small-fleet.yaml",
            "orgs: [acme]\n"
            "regions: [eu]\n"
            "hosts:\n"
            "- {name: h1, region: eu, cpu: 32, memory: 128GB, disk: 8TB}\n"
            "- {name: h2, region: eu, cpu: 32, memory: 128GB, disk: 8TB}\n"
            "images:\n"
            "- {image: p/v@1.0.0, uri: \"i:1\", cpu: 8, memory: 16GB, disk: 1TB}\n"
            "- {image: p/v@2.0.0, uri: \"i:2\", cpu: 16, memory: 32GB, disk: 2TB}\n"
            "- {image: p/v@3.0.0, uri: \"i:3\", cpu: 16, memory: 32GB, disk: 2TB}\n"
            "nodes:\n"
            "- {name: n-1, image: p/v@1.0.0, host: h1}\n");
  Must({"apply", "-f", fleet});
}

}  // namespace tallyman
