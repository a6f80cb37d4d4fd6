// The file with contexts: servers and databases that go by a name of one's own.
//
//   current: prod
//   contexts:
//     prod:
//       server: https://tallyman.example:7480
//       token-file: /home/me/.config/tallyman/prod.token
//       ca: /etc/ssl/fleet-ca.pem
//     home:
//       db: sqlite:/home/me/fleet.db
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"

namespace tallyman::cli {

// Either a server or a database; the others belong to a server.
struct ConfigContext {
  std::string name;
  std::string server;
  std::string db;
  std::string token;
  std::string token_file;
  std::string ca;
};

struct Config {
  std::string current;  // "": none
  std::vector<ConfigContext> contexts;

  // Null when there is none of that name.
  const ConfigContext* Find(std::string_view name) const;
};

// INVALID_ARGUMENT, reason INVALID_CONFIG or INVALID_YAML, names the place. An empty text is an
// empty config.
Result<Config> ParseConfig(std::string_view file, const std::string& text);
// As ParseConfig() reads it.
std::string FormatConfig(const Config& config);

// TALLYMAN_CONFIG, else tallyman/config.yaml in XDG_CONFIG_HOME, else in ~/.config; "" when none of
// these variables is set.
std::string ConfigPath(const CliEnvironment& environment);

// A file that is not there is an empty config.
Result<Config> ReadConfig(Context& context);
// Replaces the file whole, with mode 0600: it may hold tokens.
Status WriteConfig(Context& context, const Config& config);

// Relative paths in the file are paths beside it.
void FindFilesBeside(Context& context, ConfigContext& chosen);

// NOT_FOUND, reason CONTEXT_NOT_FOUND, lists the names that there are.
Result<ConfigContext> FindContext(const Config& config, const std::string& name);

}  // namespace tallyman::cli
