// The settings of `tallyman server` from its command line.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/control.h"
#include "control/lots/prune_records.h"
#include "http/rpc_handler.h"
#include "http/server_options.h"
#include "main/log_form.h"

namespace tallyman::app {

struct ServerSettings {
  std::string dsn;
  std::string admin_token_file;  // "": beside the database
  std::string secret_key_file;   // "": beside an SQLite database, and none for PostgreSQL
  LogForm log = LogForm::kText;
  int workers = 4;
  std::chrono::seconds command_deadline = std::chrono::hours(1);
  control::RecordRetention records;
  http::ServerOptions server;
  http::RpcLimits limits;
  control::ControlOptions control;
};

// INVALID_ARGUMENT with reason USAGE, NO_DATABASE, INVALID_ADDRESS, TLS_FILES or NOT_ENCRYPTED.
// With --help the settings are absent and `text` is the text to print.
struct ParsedServerOptions {
  std::optional<ServerSettings> settings;
  std::string text;
};
Result<ParsedServerOptions> ParseServerOptions(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(std::string_view)>& variable);

}  // namespace tallyman::app
