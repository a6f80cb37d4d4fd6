// The settings of `tallyman agent` from its command line.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core.h"
#include "agent/loop.h"
#include "agent/oci/registry_options.h"
#include "base/enum_text.h"
#include "base/result.h"
#include "main/log_form.h"

namespace tallyman::app {

enum class RuntimeKind { kOci, kSimulated };

enum class DiskKind { kPreallocated, kThin };

struct AgentSettings {
  std::string server;
  std::filesystem::path data;  // absolute
  std::string ca_file;
  bool insecure = false;
  std::string join_token_file;
  std::string join_token;  // from the environment; the file takes precedence
  bool rejoin = false;
  // Instead of running: stop all nodes below `data`, and exit.
  bool stop_nodes = false;
  LogForm log = LogForm::kText;
  RuntimeKind runtime = RuntimeKind::kOci;
  agent::oci::RegistryOptions registries;
  int64_t image_room_gb = 0;  // 0: a share of the disk
  DiskKind disks = DiskKind::kPreallocated;
  bool user_namespaces = false;
  int64_t log_mib = 16;
  int64_t stop_grace_max_seconds = 600;
  agent::AgentOptions agent;
  agent::LoopOptions loop;
};

// INVALID_ARGUMENT with reason USAGE, NO_SERVER or NO_DATA_DIRECTORY. With --help the settings are
// absent and `text` is the text to print.
struct ParsedAgentOptions {
  std::optional<AgentSettings> settings;
  std::string text;
};
Result<ParsedAgentOptions> ParseAgentOptions(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(std::string_view)>& variable);

}  // namespace tallyman::app

namespace tallyman {

template <>
struct EnumText<app::RuntimeKind> {
  static constexpr std::array<std::string_view, 2> kWords = {"oci", "simulated"};
};

template <>
struct EnumText<app::DiskKind> {
  static constexpr std::array<std::string_view, 2> kWords = {"preallocated", "thin"};
};

}  // namespace tallyman
