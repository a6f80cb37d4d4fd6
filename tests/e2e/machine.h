// A fleet on one real machine: a server on a PostgreSQL database of its own, with TLS, and hosts,
// each an agent in a network namespace with containers below a data directory of its own.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "e2e/machine_parts.h"
#include "model/resources.h"
#include "support/postgres_cluster.h"
#include "tests/cli/program.h"
#include "tests/support/child_process.h"
#include "tests/support/test_image.h"

namespace tallyman {

// A version of p/v and its image.
struct Version {
  std::string number;  // "1.0.0"
  int64_t cores = 1;
  int64_t memory_mib = 64;
  int64_t disk_mib = 32;
  TestImage image = {};
  std::vector<std::string> secrets = {};  // keys
};

class EndToEndTest : public testing::Test {
 protected:
  void SetUp() override;
  // Shows what the programs wrote when the test has failed.
  void TearDown() override;

  // The server, org acme, region eu, and joined agents h1, h2, ... whose hosts are registered with
  // 8 cores, 8 GiB and 100 GB.
  void StartFleet(int hosts);
  void StartServer();
  void StartAgent(const std::string& host);
  ChildProcess& server() { return *server_; }
  ChildProcess& agent(const std::string& host) { return *hosts_.at(host).agent; }
  void SetLink(const std::string& host, bool up) { parts_->SetLink(hosts_.at(host).number, up); }
  void Publish(const Version& version) const;

  // The command line as an admin; in Must() anything but status 0 fails the test.
  Ran Tallyman(std::vector<std::string> arguments) const;
  Ran Must(const std::vector<std::string>& arguments) const;
  void Create(const std::string& node, const std::string& host, const std::string& version) const {
    Must({"node", "create", "--image", "p/v@" + version, "--host", host, "--name", node});
  }
  void Upgrade(const std::vector<std::string>& nodes, const std::string& version) const;
  // Calls "NodeService/GetNode", say; a call that failed has "failed" and why.
  boost::json::object Call(const std::string& method, const std::string& body) const;
  boost::json::object Node(const std::string& name) const;
  bool Runs(const std::string& node, const std::string& version) const;
  // The state of the node's newest command.
  std::string LastCommandState(const std::string& node) const;

  // Waits until no command is open or taken; false after a long time.
  bool AwaitSettled() const;
  static bool Await(const std::function<bool()>& condition);

  // The audit is clean; every node that is there runs in a container made from the config of the
  // books, and the kernel's own files say the limits that the books charge.
  void CheckBooksAndMachine() const;
  std::filesystem::path Path(const std::string& name) const { return parts_->directory() / name; }
  // A file of the volume /data of a node.
  std::filesystem::path Data(const std::string& node, const std::string& file) const;

 private:
  struct Host {
    int number = 0;
    std::filesystem::path data;
    std::unique_ptr<ChildProcess> agent;
  };

  std::filesystem::path HomeOf(const boost::json::object& node) const;
  void AddHost(int number);

  std::unique_ptr<MachineParts> parts_;  // the last to go
  std::unique_ptr<PostgresDatabase> database_;
  std::unique_ptr<TestLayout> layout_;
  std::unique_ptr<ChildProcess> server_;
  std::map<std::string, Host> hosts_;
  std::string listen_;
  std::string token_;
};

}  // namespace tallyman
