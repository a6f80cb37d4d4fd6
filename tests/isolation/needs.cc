// What programs of images need, and must go on to have.
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <sstream>

#include "isolation/tricks.h"

namespace probe {
namespace {

std::string TextOf(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}
int Holds(bool condition) { return condition ? 0 : kNothing; }

int WriteVolume() { return ErrorOf(::open("/data/own", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); }
int WriteRoot() { return ErrorOf(::open("/etc/own", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); }
int ChangeOwner() {
  WriteVolume();
  return ErrorOf(::chown("/data/own", 1000, 1000));
}
int BecomeUser() {
  const gid_t group = 1000;
  if (::setgroups(1, &group) != 0 || ::setgid(1000) != 0 || ::setuid(1000) != 0) return errno;
  return Holds(::geteuid() == 1000);
}
int ChangeRoot() {
  ::mkdir("/data/empty", 0755);
  return ErrorOf(::chroot("/data/empty"));
}
int MakePipeFile() {
  ::unlink("/data/pipe");
  return ErrorOf(::mkfifo("/data/pipe", 0600));
}
int TraceChild() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::pause());
  const int answer = ErrorOf(::ptrace(PTRACE_SEIZE, child, nullptr, nullptr));
  ::kill(child, SIGKILL);
  return answer;
}
int SharedMemory() {
  const int fd = ::shm_open("/own", O_RDWR | O_CREAT, 0600);
  return ErrorOf(fd) != 0 ? errno : ErrorOf(::ftruncate(fd, 64 << 20));
}
int MessageQueue() { return ErrorOf(::mq_open("/own", O_RDWR | O_CREAT, 0600, nullptr)); }
int FileCreationMask() { return Holds(::umask(0022) == 0022); }
// What it made, and what the image has, are its root's.
int RootsFiles() {
  struct stat made{};
  struct stat shipped{};
  WriteRoot();
  if (::stat("/etc/own", &made) != 0 || ::stat("/bin/probe", &shipped) != 0) return errno;
  return Holds(made.st_uid == 0 && made.st_gid == 0 && shipped.st_uid == 0 && shipped.st_gid == 0);
}
int HostsRoot() {
  std::istringstream numbers(TextOf("/proc/self/uid_map"));
  long first = -1;
  long on_host = -1;
  numbers >> first >> on_host;
  return Holds(first == 0 && on_host == 0);
}
// A file that the host's root has made and the node can only read.
int HostsRootsFiles() {
  struct stat info{};
  ::stat("/tallyman/node.json", &info);
  return Holds(info.st_uid == 0);
}
int HighUser() {
  std::ofstream("/data/high") << "x";
  return ErrorOf(::chown("/data/high", 100'000, 100'000));
}
int RootDirectory() {
  struct stat info{};
  ::stat("/", &info);
  return Holds((info.st_mode & 07777) == 0755);
}
int DiesFirst() { return Holds(TextOf("/proc/self/oom_score_adj") == "500\n"); }
int OpenFiles() {
  rlimit bound{};
  ::getrlimit(RLIMIT_NOFILE, &bound);
  return Holds(bound.rlim_cur >= 20'000);
}
int KnowsItself() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  const std::string hosts = TextOf("/etc/hosts");
  return Holds(TextOf("/etc/hostname") == std::string(name) + "\n" &&
               hosts.find("127.0.0.1\tlocalhost\n") != std::string::npos &&
               hosts.find(std::string("127.0.1.1\t") + name + "\n") != std::string::npos);
}
int Resolvers() { return Holds(!TextOf("/etc/resolv.conf").empty()); }

int ListenLow() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // The first free one: the network is that of the host.
  for (int port = 1023; port > 900; --port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int error =
        ErrorOf(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    if (error != EADDRINUSE) return error;
  }
  return EADDRINUSE;
}
int ListAddresses() {
  return ErrorOf(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}
int HostsLoopback() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(ToldNumber("HOST_PORT")));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ErrorOf(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}
int HostsAbstractSocket() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string name = Told("HOST_ABSTRACT");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return ErrorOf(::connect(fd, reinterpret_cast<const sockaddr*>(&address), size));
}
int HostsConnections() { return ReadSomething("/proc/net/tcp"); }

}  // namespace

std::vector<Trick> Needs() {
  return {{"write-volume", WriteVolume},
          {"write-root", WriteRoot},
          {"change-owner", ChangeOwner},
          {"become-user", BecomeUser},
          {"change-root", ChangeRoot},
          {"make-pipe", MakePipeFile},
          {"trace-child", TraceChild},
          {"shared-memory", SharedMemory},
          {"message-queue", MessageQueue},
          {"umask", FileCreationMask},
          {"roots-files", RootsFiles},
          {"hosts-root", HostsRoot},
          {"hosts-roots-files", HostsRootsFiles},
          {"high-user", HighUser},
          {"root-directory", RootDirectory},
          {"dies-first", DiesFirst},
          {"open-files", OpenFiles},
          {"knows-itself", KnowsItself},
          {"resolvers", Resolvers},
          {"listen-low", ListenLow},
          {"list-addresses", ListAddresses},
          {"hosts-loopback", HostsLoopback},
          {"hosts-abstract-socket", HostsAbstractSocket},
          {"hosts-connections", HostsConnections}};
}

}  // namespace probe
