// The commands behind the words: what each was given, and the function that carries it out.
//
// Options are text as typed; each command reads its own numbers and amounts, so that an error names
// the option. This header knows nothing of how the words are parsed.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace tallyman {

struct ChangeOptions {
  std::string request_id;
  std::string plan_token;
  std::string expected_version;
  bool dry_run = false;
  bool yes = false;
};

struct ListOptions {
  std::string filter;
  std::string order_by;
  std::string limit;
};

// Amounts of the three dimensions; empty where not given.
struct AmountOptions {
  std::string cpu;
  std::string memory;
  std::string disk;
};

// About orgs, regions and hosts.

struct NameOptions {
  std::string name;
  std::string request_id;
};
CommandResult CreateOrg(Context& context, const NameOptions& options);
CommandResult ListOrgs(Context& context, const ListOptions& options);
CommandResult ShowOrg(Context& context, const std::string& org);

CommandResult CreateRegion(Context& context, const NameOptions& options);
CommandResult ListRegions(Context& context, const ListOptions& options);

struct HostOptions {
  std::string host;
  std::string region;
  std::string capacity_policy;
  AmountOptions capacity;
  ChangeOptions change;
};
CommandResult CreateHost(Context& context, const HostOptions& options);
CommandResult UpdateHost(Context& context, const HostOptions& options);
CommandResult ShowHost(Context& context, const std::string& host);

struct HostListOptions {
  std::string region;
  bool retired = false;
  ListOptions list;
};
CommandResult ListHosts(Context& context, const HostListOptions& options);

// About protocols and images.

struct ProtocolOptions {
  std::string key;
  std::string name;
  std::string org;
  std::string request_id;
};
CommandResult CreateProtocol(Context& context, const ProtocolOptions& options);
CommandResult ListProtocols(Context& context, const ListOptions& options);

struct VersionListOptions {
  std::string protocol;
  std::string variant;
  std::string version;
  std::string org;
  ListOptions list;
};
CommandResult ListProtocolVersions(Context& context, const VersionListOptions& options);
CommandResult ListImages(Context& context, const VersionListOptions& options);

struct ImageOptions {
  std::string reference;
  std::string uri;
  std::string committed_at;
  std::string org;
  AmountOptions minimum;
  std::vector<std::string> properties;     // KEY=DEFAULT
  std::vector<std::string> property_adds;  // KEY:cpu=2,memory=8GB,disk=1TB
  std::vector<std::string> firewall_rules;
  ChangeOptions change;
};
CommandResult CreateImage(Context& context, const ImageOptions& options);
CommandResult ShowImage(Context& context, const std::string& image);

// About nodes.

struct NodeCreateOptions {
  std::string image;
  std::string org;
  std::string name;
  std::string name_prefix;
  std::string count;
  std::vector<std::string> hosts;  // HOST or HOST=COUNT
  std::string region;
  bool spread = false;
  bool pack = false;
  std::vector<std::string> values;
  std::vector<std::string> firewall_rules;
  bool auto_upgrade = false;
  ChangeOptions change;
};
CommandResult CreateNodes(Context& context, const NodeCreateOptions& options);

struct NodeListOptions {
  std::string org;
  std::string host;
  std::string region;
  std::string image;
  std::string protocol;
  std::string state;
  bool deleted = false;
  ListOptions list;
};
CommandResult ListNodes(Context& context, const NodeListOptions& options);
CommandResult ShowNode(Context& context, const std::string& node);

struct NodeLogOptions {
  std::string node;
  std::string tail;
  std::string since;  // "10m", or a time
  bool follow = false;
  bool timestamps = false;
};
CommandResult ShowNodeLogs(Context& context, const NodeLogOptions& options);

struct NodeUpdateOptions {
  std::string node;
  std::vector<std::string> set_values;
  std::vector<std::string> reset_values;
  std::vector<std::string> set_firewall_rules;
  std::vector<std::string> reset_firewall_rules;
  std::string auto_upgrade;  // "on", "off" or empty
  ChangeOptions change;
};
CommandResult UpdateNode(Context& context, const NodeUpdateOptions& options);

struct NodeUpgradeOptions {
  std::vector<std::string> nodes;
  std::string image;
  std::string all_of;  // PROTOCOL[/VARIANT[@VERSION]]
  std::string region;
  std::string org;
  bool retry = false;
  ChangeOptions change;
};
CommandResult UpgradeNodes(Context& context, const NodeUpgradeOptions& options);

struct NodesOptions {
  std::vector<std::string> nodes;
  std::string org;  // of a move: who gets them
  ChangeOptions change;
};
CommandResult RetryUpgrades(Context& context, const NodesOptions& options);
CommandResult MoveNodes(Context& context, const NodesOptions& options);
CommandResult StartNodes(Context& context, const NodesOptions& options);
CommandResult StopNodes(Context& context, const NodesOptions& options);
CommandResult RestartNodes(Context& context, const NodesOptions& options);
CommandResult DeleteNodes(Context& context, const NodesOptions& options);

// About the books and the records.

struct AuditOptions {
  std::vector<std::string> hosts;
  bool repair = false;
  std::string limit;
  ChangeOptions change;
};
CommandResult Audit(Context& context, const AuditOptions& options);

struct LedgerOptions {
  std::string host;  // either this
  std::string node;  // or that
  ListOptions list;
};
CommandResult ShowLedger(Context& context, const LedgerOptions& options);

struct EventOptions {
  std::string node;
  std::string host;
  std::string org;
  std::string kind;
  std::string after;
  bool follow = false;
  ListOptions list;
};
// With `follow` events are shown as they happen, from `after` or from now on.
CommandResult ListEvents(Context& context, const EventOptions& options);

struct CommandListOptions {
  std::string node;
  std::string host;
  std::string kind;
  std::string state;
  ListOptions list;
};
CommandResult ListCommands(Context& context, const CommandListOptions& options);
CommandResult ShowCommand(Context& context, const std::string& command);

// About who may call, and who did.

struct TokenOptions {
  std::string name;
  std::string role;
  std::string org;
  std::string host;
  std::string expires_in;
  std::string request_id;
};
CommandResult CreateToken(Context& context, const TokenOptions& options);
CommandResult ListTokens(Context& context, const ListOptions& options);
CommandResult RevokeToken(Context& context, const NameOptions& options);

struct TrailOptions {
  std::string actor;
  std::string method;
  std::string request_id;
  ListOptions list;
};
CommandResult ShowTrail(Context& context, const TrailOptions& options);

// About the file with contexts. What a context holds is given by the options of everywhere.

struct ContextOptions {
  std::string name;
};
CommandResult ListContexts(Context& context);
CommandResult UseContext(Context& context, const std::string& name);
CommandResult SetContext(Context& context, const ContextOptions& options);

// About the database as a whole.

CommandResult MigrateDatabase(Context& context);
CommandResult BackupDatabase(Context& context, const std::string& to);
CommandResult CheckDatabase(Context& context);

struct CopyOptions {
  std::string from;
  std::string to;
};
CommandResult CopyDatabase(Context& context, const CopyOptions& options);

// Taking many things from a file.

struct ImportOptions {
  std::string file;
  std::string disk_gb;
  std::string region;
  std::string org;
  ChangeOptions change;
};
CommandResult ImportImages(Context& context, const ImportOptions& options);
CommandResult ImportHosts(Context& context, const ImportOptions& options);

struct ApplyOptions {
  std::string file;
  std::string org;
  bool dry_run = false;
};
CommandResult ApplyFleet(Context& context, const ApplyOptions& options);

}  // namespace tallyman
