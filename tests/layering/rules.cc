#include "tests/layering/rules.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <set>

#include "tests/layering/source_text.h"

namespace tallyman::layering {
namespace {

using Rooms = std::set<std::string, std::less<>>;

// Room -> the rooms it may include besides itself. "proto" stands for the generated messages. A
// room that is not in this table may not exist; main wires everything together and may see it all.
const std::map<std::string, Rooms, std::less<>> kMayInclude = {
    {"base", {}},
    {"model", {"base"}},
    {"planner", {"base", "model"}},
    {"zones", {"base"}},
    {"sqlite", {"base"}},
    {"store", {"base", "model"}},
    {"store/postgres", {"base", "model", "store"}},
    {"store/sqlite", {"base", "model", "sqlite", "store"}},
    {"control", {"base", "control/lots", "model", "planner", "store"}},
    {"control/lots", {"base", "model", "planner", "store"}},
    {"control/reads", {"base", "control", "control/lots", "model", "planner", "store"}},
    {"control/audit",
     {"base", "control", "control/lots", "control/reads", "model", "planner", "store"}},
    {"control/inventory",
     {"base", "control", "control/lots", "control/reads", "model", "planner", "store"}},
    {"control/nodes",
     {"base", "control", "control/lots", "control/reads", "model", "planner", "store"}},
    {"control/tokens",
     {"base", "control", "control/lots", "control/reads", "model", "planner", "store"}},
    {"control/hosts",
     {"base", "control", "control/lots", "control/nodes", "control/reads", "control/tokens",
      "model", "planner", "store"}},
    {"control/rollouts",
     {"base", "control", "control/lots", "control/nodes", "control/reads", "model", "planner",
      "store"}},
    {"api",
     {"base", "control", "control/audit", "control/hosts", "control/inventory", "control/lots",
      "control/nodes", "control/reads", "control/rollouts", "control/tokens", "model", "planner",
      "proto", "store"}},
    {"rpc", {"base", "proto"}},
    {"http", {"api", "base", "model", "proto", "rpc"}},
    {"client", {"base", "model", "proto", "rpc"}},
    {"agent", {"base", "client", "model", "proto", "sqlite"}},
    {"agent/monitor", {}},
    {"agent/oci", {"agent", "agent/monitor", "base", "model"}},
    {"cli", {"base", "client", "model", "proto"}},
    {"main",
     {"agent",
      "agent/oci",
      "api",
      "base",
      "cli",
      "client",
      "control",
      "control/hosts",
      "control/lots",
      "control/reads",
      "control/rollouts",
      "control/tokens",
      "http",
      "model",
      "planner",
      "proto",
      "rpc",
      "sqlite",
      "store",
      "store/postgres",
      "store/sqlite",
      "zones"}},
};

// Tests of a room may also run it on the real store and by the real time zones.
const Rooms kTestsMayAlsoInclude = {"base", "model", "sqlite", "store", "store/sqlite", "zones"};

// Library headers, by how their names begin, that only some rooms may include.
const std::map<std::string, Rooms> kLibraries = {
    {"libpq-fe.h", {"store/postgres"}},
    {"sqlite3.h", {"sqlite"}},
    {"google/protobuf/", {"agent", "api", "client", "cli", "http", "main", "rpc"}},
    {"CLI/", {"cli", "main"}},
    {"curl/", {"client"}},
    {"yaml-cpp/", {"cli", "main"}},
    {"spdlog/", {"base", "main"}},
    {"absl/", {"zones"}},
};

// How a file takes time, randomness or settings from the machine on its own account.
constexpr std::string_view kAmbient[] = {
    "getenv(", "system_clock::now", "gettimeofday(", "random_device", "rand(", "srand("};
// The one place below main that may: it makes the clock and the seed that main hands in.
constexpr std::string_view kAmbientDoor = "base/system.cc";

const Rooms kSqlRooms = {"agent", "store", "store/postgres", "store/sqlite"};
const std::regex kSql(
    R"(\b(SELECT\s[^;]*\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\s)");

// The first of kAmbient in the code. A member of the same name, handed in, is what we want: hence
// no '.' or '>' before it, nor the rest of a longer word.
std::string_view FindAmbient(std::string_view code) {
  for (const std::string_view name : kAmbient) {
    for (size_t at = code.find(name); at != std::string_view::npos; at = code.find(name, at + 1)) {
      const char before = at == 0 ? ' ' : code[at - 1];
      const bool word = std::isalnum(static_cast<unsigned char>(before)) != 0 || before == '_';
      if (!word && before != '.' && before != '>') {
        return name;
      }
    }
  }
  return {};
}

bool IsTest(std::string_view path) {
  return path.ends_with("_test.cc") || path.ends_with("_bench.cc") ||
         path.find("testing") != std::string_view::npos;
}

void CheckIncludes(std::string_view room, bool is_test, const SourceText& source,
                   std::vector<std::string>& out) {
  const Rooms& allowed = kMayInclude.find(room)->second;
  for (const std::string& include : source.own_includes) {
    const std::string target(RoomOf(include));
    const bool fine =
        target == room || allowed.contains(target) ||
        (is_test && (kTestsMayAlsoInclude.contains(target) || include.starts_with("tests/")));
    if (!fine) {
      out.push_back("room " + std::string(room) + " may not include \"" + include + "\"");
    }
  }
  if (is_test) {
    return;
  }
  for (const std::string& include : source.library_includes) {
    for (const auto& [prefix, rooms] : kLibraries) {
      if (include.starts_with(prefix) && !rooms.contains(room)) {
        out.push_back("room " + std::string(room) + " may not include <" + include + ">");
      }
    }
  }
}

// A room's namespace is its folder's path. The names of base and model are everybody's.
std::string NamespaceOf(std::string_view room) {
  if (room == "base" || room == "model") return "tallyman";
  if (room == "main") return "tallyman::app";
  if (room.starts_with("control/")) return "tallyman::control";
  return "tallyman::" + std::regex_replace(std::string(room), std::regex("/"), "::");
}

// A file may open further namespaces: to declare a class of another room, or for what has to be
// found there.
void CheckNamespace(std::string_view room, const SourceText& source,
                    std::vector<std::string>& out) {
  static const std::regex kOpens(R"(\bnamespace\s+(tallyman[\w:]*)\s*\{)");
  const std::string wanted = NamespaceOf(room);
  const std::sregex_iterator begin(source.code.begin(), source.code.end(), kOpens);
  const bool opens_own = std::any_of(begin, {}, [&](const std::smatch& match) {
    const std::string name = match[1];
    return name == wanted || (wanted != "tallyman" && name.starts_with(wanted + "::"));
  });
  if (begin != std::sregex_iterator() && !opens_own) {
    out.push_back("the namespace of room " + std::string(room) + " is " + wanted);
  }
}

}  // namespace

std::string_view RoomOf(std::string_view path) {
  if (path.starts_with("tallyman/v1/")) {
    return "proto";
  }
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::vector<std::string> Violations(std::string_view path, std::string_view text) {
  const std::string_view room = RoomOf(path);
  if (!kMayInclude.contains(room)) {
    return {"room '" + std::string(room) + "' is not in the table of allowed edges"};
  }
  const SourceText source = ReadSource(text);
  const bool is_test = IsTest(path);
  std::vector<std::string> out;
  CheckIncludes(room, is_test, source, out);
  CheckNamespace(room, source, out);
  if (room != "main" && path != kAmbientDoor && !is_test) {
    if (const std::string_view name = FindAmbient(source.code); !name.empty()) {
      out.push_back("below main, '" + std::string(name) + "' has to be handed in");
    }
  }
  if (!is_test && !kSqlRooms.contains(room)) {
    for (const std::string& literal : source.literals) {
      if (std::regex_search(literal, kSql)) {
        out.push_back("SQL outside store: \"" + literal.substr(0, 60) + "\"");
      }
    }
  }
  return out;
}

}  // namespace tallyman::layering
