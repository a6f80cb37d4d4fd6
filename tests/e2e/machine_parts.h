// What end-to-end tests create on a machine and must remove again: network namespaces, mounts,
// containers.
//
// The destructor removes everything. The next test removes the leftovers of one that was killed:
// all names contain the pid of their test.
#pragma once

#include <filesystem>
#include <string>

namespace tallyman {

// Why this machine cannot run such tests; empty: it can.
std::string WhyNoEndToEnd();

// Where runc has its record of the node's container, in this boot; empty: there is none.
std::filesystem::path RuncRootOf(const std::string& node_id);

// One bridge with the server's address, and for each host a namespace behind it. Below directory()
// the data directories of agents end in ".data". It is a file system of its own, so that agents
// find the same disk on every machine, however full that is. Not thread-safe.
class MachineParts {
 public:
  // Sweeps first. Throws std::runtime_error when a tool fails.
  MachineParts();
  ~MachineParts();
  MachineParts(const MachineParts&) = delete;
  MachineParts& operator=(const MachineParts&) = delete;

  void AddHost(int number);
  // Where programs of the host run; a file for nsenter.
  std::string NamespaceFile(int number) const { return "/run/netns/" + Namespace(number); }
  // As if its cable was unplugged, long enough that all its connections are lost, and plugged in
  // again.
  void SetLink(int number, bool up) const;
  std::string server_address() const { return Address(1); }
  const std::filesystem::path& directory() const { return directory_; }

 private:
  explicit MachineParts(int pid);
  static void Sweep();
  std::string Address(int last) const;
  std::string Bridge() const { return "tlm" + std::to_string(pid_); }
  std::string Namespace(int number) const { return Bridge() + "n" + std::to_string(number); }
  std::string Cable(int number) const { return Bridge() + "v" + std::to_string(number); }

  int pid_;
  int subnet_ = 0;
  std::filesystem::path directory_;
};

}  // namespace tallyman
