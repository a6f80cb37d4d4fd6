// The program while its server or database is away.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "server/server_process.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace tallyman {

// A command line that runs beside the test.
class RunningCommand {
 public:
  RunningCommand(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment) {
    std::vector<std::string> words = {TALLYMAN_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    process_.Start(words, environment);
  }
  int Wait() { return process_.Wait(); }
  void Signal(int signal) const { process_.Signal(signal); }
  std::string Said() const { return process_.Log(); }
  bool AwaitSaid(const std::string& text) const { return process_.AwaitLog(text); }

 private:
  TempDir dir_;
  ChildProcess process_{dir_.path() / "said"};
};

}  // namespace tallyman
