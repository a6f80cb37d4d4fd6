#include "cli/config.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <system_error>

#include "base/text.h"
#include "cli/document.h"
#include "cli/files.h"
#include "cli/yaml_tree.h"

namespace tallyman::cli {
namespace {

constexpr size_t kConfigBytesMax = size_t{1} << 20;

struct Key {
  std::string_view name;
  std::string ConfigContext::* field;
};
constexpr Key kKeys[] = {{"server", &ConfigContext::server},
                         {"db", &ConfigContext::db},
                         {"token", &ConfigContext::token},
                         {"token-file", &ConfigContext::token_file},
                         {"ca", &ConfigContext::ca}};

std::unexpected<Error> Refuse(std::string_view file, const YamlNode& node, std::string_view what) {
  return Fail(InvalidArgument(
      "INVALID_CONFIG",
      fmt::format("{}:{}:{}: {}", file, node.position.line, node.position.column, what)));
}

Result<ConfigContext> ParseContext(std::string_view file, const YamlNode& name,
                                   const YamlNode& node) {
  ConfigContext context;
  context.name = name.scalar;
  if (!CheckName("context", context.name))
    return Refuse(file, name,
                  fmt::format("{} is no name for a context: use letters, digits, '.', '_' and '-'",
                              Quote(context.name)));
  if (node.kind != YamlNode::Kind::kMap)
    return Refuse(file, node, fmt::format("context {} has no keys", context.name));
  for (const auto& [key, value] : node.entries) {
    const auto* known = std::ranges::find(kKeys, key->scalar, &Key::name);
    if (known == std::end(kKeys)) {
      return Refuse(
          file, *key,
          fmt::format("a context has no key {}; it has: server, db, token, token-file, ca",
                      Quote(key->scalar)));
    }
    if (value->kind != YamlNode::Kind::kScalar)
      return Refuse(file, *value, fmt::format("{} must be a text", known->name));
    context.*known->field = value->scalar;
  }
  if (context.server.empty() == context.db.empty()) {
    return Refuse(file, node, fmt::format("context {} needs either server or db", context.name));
  }
  return context;
}

// Writes all of it, and only then it is there.
Status WriteWhole(const std::string& path, const std::string& text) {
  const auto failed = [&](const char* what) {
    const std::error_code error(errno, std::generic_category());
    return Fail(FailedPrecondition("CONFIG_NOT_WRITTEN",
                                   fmt::format("{} {}: {}", what, Quote(path), error.message())));
  };
  std::string temporary = path + ".XXXXXX";
  // mkstemp makes it with mode 0600.
  const int file = ::mkstemp(temporary.data());
  if (file < 0) return failed("cannot create a file beside");
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    written += static_cast<size_t>(count);
  }
  const bool whole = written == text.size() && ::fsync(file) == 0;
  ::close(file);
  if (whole && ::rename(temporary.c_str(), path.c_str()) == 0) return {};
  auto error = failed("cannot write");
  ::unlink(temporary.c_str());
  return error;
}

// A link stays one, as people keep such files elsewhere: what it points to is written.
std::string FollowLinks(std::filesystem::path path) {
  constexpr int kLinksMax = 40;
  std::error_code none;
  for (int i = 0; i < kLinksMax && std::filesystem::is_symlink(path, none); ++i)
    path = path.parent_path() / std::filesystem::read_symlink(path, none);
  return path.string();
}

// A path in the file is one beside the file, wherever the command is typed.
std::string Beside(const std::filesystem::path& directory, const std::string& path) {
  return path.empty() ? path : (directory / path).string();
}

}  // namespace

const ConfigContext* Config::Find(std::string_view name) const {
  auto found = std::ranges::find(contexts, name, &ConfigContext::name);
  return found == contexts.end() ? nullptr : &*found;
}

Result<Config> ParseConfig(std::string_view file, const std::string& text) {
  ASSIGN_OR_RETURN(const YamlNode::Pointer root,
                   ReadYaml(file, text, {.text_bytes_max = kConfigBytesMax}));
  Config config;
  if (root->kind == YamlNode::Kind::kNull) return config;
  if (root->kind != YamlNode::Kind::kMap)
    return Refuse(file, *root, "the file must have the keys current and contexts");
  for (const auto& [key, value] : root->entries) {
    if (key->scalar == "current" && value->kind == YamlNode::Kind::kScalar) {
      config.current = value->scalar;
    } else if (key->scalar == "contexts" && value->kind == YamlNode::Kind::kMap) {
      for (const auto& [name, context] : value->entries) {
        ASSIGN_OR_RETURN(config.contexts.emplace_back(), ParseContext(file, *name, *context));
      }
    } else {
      return Refuse(file, *key,
                    "the file may have only the keys current, a text, and contexts, a map by name");
    }
  }
  if (!config.current.empty() && config.Find(config.current) == nullptr) {
    return Refuse(
        file, *root,
        fmt::format("current is {}, none of the contexts in this file", Quote(config.current)));
  }
  return config;
}

std::string FormatConfig(const Config& config) {
  boost::json::object contexts;
  for (const ConfigContext& context : config.contexts) {
    boost::json::object keys;
    for (const Key& key : kKeys) {
      if (!(context.*key.field).empty()) keys[key.name] = ToJsonString(context.*key.field);
    }
    contexts[context.name] = std::move(keys);
  }
  boost::json::object root;
  if (!config.current.empty()) root["current"] = config.current;
  root["contexts"] = std::move(contexts);
  return ToYamlText(root);
}

std::string ConfigPath(const CliEnvironment& environment) {
  const auto variable = [&](const char* name) { return environment.variable(name).value_or(""); };
  if (std::string path = variable("TALLYMAN_CONFIG"); !path.empty()) return path;
  if (std::string home = variable("XDG_CONFIG_HOME"); !home.empty())
    return home + "/tallyman/config.yaml";
  std::string home = variable("HOME");
  return home.empty() ? home : home + "/.config/tallyman/config.yaml";
}

Result<Config> ReadConfig(Context& context) {
  const std::string path = ConfigPath(context.environment());
  if (path.empty()) return Config();
  auto text = ReadInput(context, path, kConfigBytesMax);
  if (!text && text.error().reason == kFileNotFound) return Config();
  if (!text) return Fail(std::move(text).error());
  return ParseConfig(path, *text);
}

Status WriteConfig(Context& context, const Config& config) {
  const std::string path = ConfigPath(context.environment());
  if (path.empty()) {
    return Fail(InvalidArgument("NO_CONFIG_FILE",
                                "no file is named for contexts: set TALLYMAN_CONFIG or HOME"));
  }
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!directory.empty()) std::filesystem::create_directories(directory, error);
  if (error) {
    return Fail(FailedPrecondition("CONFIG_NOT_WRITTEN",
                                   fmt::format("cannot create the directory {}: {}",
                                               Quote(directory.string()), error.message())));
  }
  return WriteWhole(FollowLinks(path), FormatConfig(config));
}

void FindFilesBeside(Context& context, ConfigContext& chosen) {
  const auto directory = std::filesystem::path(ConfigPath(context.environment())).parent_path();
  chosen.token_file = Beside(directory, chosen.token_file);
  chosen.ca = Beside(directory, chosen.ca);
  constexpr std::string_view kSqlite = "sqlite:";
  if (chosen.db.starts_with(kSqlite) && chosen.db.size() > kSqlite.size())
    chosen.db = std::string(kSqlite) + Beside(directory, chosen.db.substr(kSqlite.size()));
}

Result<ConfigContext> FindContext(const Config& config, const std::string& name) {
  if (const ConfigContext* found = config.Find(name)) return *found;
  std::string names;
  for (const ConfigContext& context : config.contexts)
    names += (names.empty() ? "" : ", ") + context.name;
  return Fail(NotFound("CONTEXT_NOT_FOUND",
                       fmt::format("there is no context {}; {}", Quote(name),
                                   names.empty() ? "create one with \"tallyman context set\""
                                                 : "there is: " + names)));
}

}  // namespace tallyman::cli
