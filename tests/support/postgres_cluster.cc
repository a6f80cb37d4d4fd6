#include "support/postgres_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "support/exec_arguments.h"

namespace tallyman {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr char kPrograms[] = "/usr/lib/postgresql/15/bin/";
constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::milliseconds(10);

const passwd* ServerUser() {
  static const passwd* user = ::geteuid() == 0 ? ::getpwnam("postgres") : ::getpwuid(::geteuid());
  if (user == nullptr) throw std::runtime_error("there is no user postgres: scripts/install-deps");
  return user;
}

// A free port that no outgoing connection takes.
int FreePort() {
  static unsigned seed = static_cast<unsigned>(::getpid());
  for (int tries = 0; tries < 1000; ++tries) {
    const int port = 20000 + ::rand_r(&seed) % 12000;
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    if (free) return port;
  }
  throw std::runtime_error("no port is free");
}

std::vector<gid_t> GroupsOf(const passwd& user) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  if (::getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0)
    throw std::runtime_error("the server's user has too many groups");
  groups.resize(static_cast<size_t>(count));
  return groups;
}

// Starts a program of PostgreSQL as the server's user, its output into `log`. Other threads of the
// test may hold any lock of the C library when it forks, so the child makes system calls only:
// those of the library that change the user take locks.
pid_t Spawn(const std::vector<std::string>& command, const fs::path& log) {
  const passwd& user = *ServerUser();
  const std::vector<gid_t> groups = GroupsOf(user);
  std::vector<std::string> environment = {"LC_ALL=C.UTF-8"};
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!std::string_view(*variable).starts_with("LC_ALL=")) environment.emplace_back(*variable);
  const std::vector<char*> arguments = ExecArguments(command);
  const std::vector<char*> variables = ExecArguments(environment);
  const bool is_root = ::geteuid() == 0;
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int out = ::open(log.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (is_root && (::syscall(SYS_setgroups, groups.size(), groups.data()) != 0 ||
                  ::syscall(SYS_setresgid, user.pw_gid, user.pw_gid, user.pw_gid) != 0 ||
                  ::syscall(SYS_setresuid, user.pw_uid, user.pw_uid, user.pw_uid) != 0)) {
    ::_exit(126);
  }
  // After the change of user, which would undo it: whatever becomes of the test, SIGQUIT makes the
  // postmaster end at once with all its processes.
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::getppid() != parent) ::_exit(125);
  ::execve(arguments[0], arguments.data(), variables.data());
  ::_exit(127);
}

int WaitFor(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string DsnOf(const std::string& directory, int port, const std::string& database) {
  return fmt::format("postgres://postgres@/{}?host={}&port={}", database, directory, port);
}

}  // namespace

PostgresCluster::PostgresCluster(PostgresClusterOptions options) {
  std::string pattern = (fs::temp_directory_path() / "tallyman-postgres-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no directory: " + pattern);
  directory_ = pattern;
  if (::chown(pattern.c_str(), ServerUser()->pw_uid, ServerUser()->pw_gid) != 0) {
    throw std::runtime_error("cannot give " + pattern + " to the server's user");
  }
  const pid_t initdb = Spawn({std::string(kPrograms) + "initdb", "--pgdata", directory_ / "data",
                              "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
                              "--locale", "C.UTF-8", "--no-sync", "--no-instructions"},
                             directory_ / "log");
  if (WaitFor(initdb) != 0) throw std::runtime_error("initdb failed: " + Log());
  port_ = FreePort();
  WriteSettings(options);
  Start();
}

PostgresCluster::~PostgresCluster() {
  if (is_running()) {
    // At once: nobody wants what it has not written yet.
    ::kill(postmaster_, SIGQUIT);
    WaitFor(postmaster_);
  }
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void PostgresCluster::WriteSettings(const PostgresClusterOptions& options) {
  std::ofstream file(directory_ / "data/postgresql.conf", std::ios::app);
  file << "listen_addresses = '127.0.0.1'\n"
       << "port = " << port_ << "\n"
       << "unix_socket_directories = '" << directory_.string() << "'\n"
       << "max_connections = 200\n"
       << "shared_buffers = 64MB\n"
       << "log_min_messages = warning\n";
  if (!options.durable) {
    file << "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
         << "max_wal_size = 2GB\ncheckpoint_timeout = 1h\nwal_level = minimal\n"
         << "max_wal_senders = 0\n";
  }
  for (const auto& [name, value] : options.settings) file << name << " = '" << value << "'\n";
}

void PostgresCluster::Start() {
  const auto deadline = steady_clock::now() + kPatience;
  const std::string dsn = Dsn("postgres");
  while (steady_clock::now() < deadline) {
    if (postmaster_ == 0) {
      postmaster_ = Spawn({std::string(kPrograms) + "postgres", "-D", directory_ / "data"},
                          directory_ / "log");
    }
    if (::waitpid(postmaster_, nullptr, WNOHANG) == postmaster_) {
      // After a kill the processes of the old server may still hold its shared memory.
      postmaster_ = 0;
    } else if (PQping(dsn.c_str()) == PQPING_OK) {
      return;
    }
    std::this_thread::sleep_for(kPause);
  }
  if (postmaster_ > 0) Kill();
  throw std::runtime_error("the cluster does not start: " + Log());
}

void PostgresCluster::Stop() {
  ::kill(postmaster_, SIGINT);
  WaitFor(postmaster_);
  postmaster_ = 0;
}

void PostgresCluster::Kill() {
  std::vector<pid_t> sessions;
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", postmaster_));
  for (pid_t child = 0; children >> child;) sessions.push_back(child);
  ::kill(postmaster_, SIGKILL);
  WaitFor(postmaster_);
  postmaster_ = 0;
  // They end when they notice, and may serve somebody until then. What has ended has no program any
  // more, even while nobody has asked how it ended.
  for (const pid_t session : sessions) {
    const std::string program = fmt::format("/proc/{}/exe", session);
    std::error_code gone;
    while (!std::filesystem::read_symlink(program, gone).empty()) {
      std::this_thread::sleep_for(kPause);
    }
  }
}

std::string PostgresCluster::Dsn(const std::string& database, Via via) const {
  if (via == kSocket) return DsnOf(directory_.string(), port_, database);
  return fmt::format("postgres://postgres@127.0.0.1:{}/{}", port_, database);
}

std::string PostgresCluster::Log() const { return ReadFile(directory_ / "log"); }

SqlSession::SqlSession(const std::string& dsn) : connection_(PQconnectdb(dsn.c_str())) {
  PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
}

SqlSession::~SqlSession() { PQfinish(connection_); }

std::vector<std::string> SqlSession::Run(const std::string& sql) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_, sql.c_str()),
                                                             &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(PQerrorMessage(connection_));
  }
  std::vector<std::string> values;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    values.emplace_back(PQgetvalue(result.get(), row, 0));
  }
  return values;
}

std::vector<std::string> RunSql(const std::string& dsn, const std::string& sql) {
  return SqlSession(dsn).Run(sql);
}

std::string SharedClusterDsn(const std::string& database) {
  // ctest's own, or that of a ctest run that is under way beside this process.
  const char* announced = std::getenv("TALLYMAN_TEST_POSTGRES");
  std::ifstream file(announced != nullptr ? announced : TALLYMAN_TEST_POSTGRES_FILE);
  pid_t keeper = 0;
  int port = 0;
  std::string directory;
  if (file >> keeper >> port >> directory && ::kill(keeper, 0) == 0) {
    return DsnOf(directory, port, database);
  }
  static PostgresCluster own({.durable = false});
  return own.Dsn(database);
}

}  // namespace tallyman
