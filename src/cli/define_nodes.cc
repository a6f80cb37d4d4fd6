// The words about nodes, records and databases.
#include "cli/definitions.h"

namespace tallyman {
namespace {

void DefineNodeCreate(CLI::App& noun, Chosen& chosen) {
  auto create = std::make_shared<NodeCreateOptions>();
  CLI::App* command = AddCommand(
      noun, "create", "Place new nodes",
      "  tallyman node create --image ethereum/reth-mainnet-full@0.0.9 --count 20 \\\n"
      "    --region eu-west --spread\n"
      "  tallyman node create --image ethereum/reth-mainnet-full@0.0.9 --host h1 --name eth-1\n"
      "  tallyman node create --image tellor/layerd-testnet-full@0.0.1 --host h1=2 --host h2=1 \\\n"
      "    --name-prefix tellor --dry-run",
      create, chosen, CreateNodes);
  AddText(command, "--image", create->image, "IMAGE", "PROTOCOL/VARIANT@VERSION[+BUILD] or id")
      ->required();
  AddText(command, "--count", create->count, "N", "How many (default: 1, or one per --host)");
  AddText(command, "--region", create->region, "REGION", "Anywhere in this region");
  auto* spread = command->add_flag("--spread", create->spread,
                                   "In the region: the emptiest host first (default)");
  command->add_flag("--pack", create->pack, "In the region: the fullest host that fits")
      ->excludes(spread);
  AddTexts(command, "--host", create->hosts, "HOST[=COUNT]", "On this host (repeat for several)");
  auto* name = AddText(command, "--name", create->name, "NAME", "Name of the only node");
  AddText(command, "--name-prefix", create->name_prefix, "PREFIX",
          "Names PREFIX-1, PREFIX-2, ... (default: PROTOCOL-VARIANT)")
      ->excludes(name);
  AddText(command, "--org", create->org, "ORG",
          "Who owns them (default: TALLYMAN_ORG, or the only org)");
  AddTexts(command, "--set", create->values, "KEY=VALUE",
           "Set a property of the image (repeat for several)");
  AddTexts(command, "--firewall-rule", create->firewall_rules, "RULE", kFirewallRuleHelp);
  command->add_flag("--auto-upgrade", create->auto_upgrade,
                    "Mark them to be upgraded by themselves");
  AddChange(command, create->change);
}

void DefineNodeReads(CLI::App& noun, Chosen& chosen) {
  auto list = std::make_shared<NodeListOptions>();
  CLI::App* command =
      AddCommand(noun, "list", "List nodes",
                 "  tallyman node list --host h1\n"
                 "  tallyman node list --protocol ethereum --filter variant=reth-mainnet-full",
                 list, chosen, ListNodes);
  AddText(command, "--org", list->org, "ORG", "Of this org only");
  AddText(command, "--host", list->host, "HOST", "On this host only");
  AddText(command, "--region", list->region, "REGION", "In this region only");
  AddText(command, "--image", list->image, "IMAGE", "Of this image only");
  AddText(command, "--protocol", list->protocol, "PROTOCOL", "Of this protocol only");
  AddText(command, "--state", list->state, "STATE",
          "In this state only, such as running or failed");
  command->add_flag("--deleted", list->deleted, "Also nodes that are gone");
  AddList(command, list->list,
          "name, org, host, region, image, protocol, variant, semantic_version, node_state",
          "name, created_at");

  auto show = std::make_shared<std::string>();
  command = AddCommand(noun, "show", "Show a node with its config", "  tallyman node show eth-1",
                       show, chosen, ShowNode);
  AddPositional(command, "NODE", *show, "Name or id; a node that is gone goes by its id");

  auto logs = std::make_shared<NodeLogOptions>();
  command =
      AddCommand(noun, "logs", "Show what a node printed, as its host has kept it",
                 "  tallyman node logs eth-1 --tail 100\n"
                 "  tallyman node logs eth-1 --since 10m --follow\n"
                 "  tallyman node logs eth-1 --since 2026-03-01T12:00:00Z -o json\n"
                 "The host is asked through a server (--server, or a context with one), so it\n"
                 "has to be connected; nothing of a log is kept in the control plane.",
                 logs, chosen, ShowNodeLogs);
  AddPositional(command, "NODE", logs->node, "Name or id");
  AddText(command, "--tail", logs->tail, "N", "Begin with its last N lines (default: all kept)");
  AddText(command, "--since", logs->since, "TIME",
          "Only what was printed since: 90s, 10m, 2h, 3d ago, or 2026-03-01T12:00:00Z");
  command->add_flag("-f,--follow", logs->follow, "Go on with what it prints from now on");
  command->add_flag("--timestamps", logs->timestamps, "Show when each line was printed, in UTC");
}

void DefineNodeUpdate(CLI::App& noun, Chosen& chosen) {
  auto update = std::make_shared<NodeUpdateOptions>();
  CLI::App* command =
      AddCommand(noun, "update", "Change a node's values, firewall rules or auto upgrade",
                 "  tallyman node update eth-1 --set archive=on --dry-run\n"
                 "  tallyman node update eth-1 --reset archive --auto-upgrade on",
                 update, chosen, UpdateNode);
  AddPositional(command, "NODE", update->node, "Name or id");
  AddTexts(command, "--set", update->set_values, "KEY=VALUE",
           "Set a property (repeat for several)");
  AddTexts(command, "--reset", update->reset_values, "KEY", "Back to the image's default");
  AddTexts(command, "--firewall-rule", update->set_firewall_rules, "RULE", kFirewallRuleHelp);
  AddTexts(command, "--reset-firewall-rule", update->reset_firewall_rules, "KEY",
           "Back to the image's rule of that key, or away");
  AddText(command, "--auto-upgrade", update->auto_upgrade, "on|off",
          "Whether it is upgraded by itself");
  AddExpectedVersion(command, update->change);
  AddChange(command, update->change);
}

void DefineNodeUpgrade(CLI::App& noun, Chosen& chosen) {
  auto upgrade = std::make_shared<NodeUpgradeOptions>();
  CLI::App* command = AddCommand(
      noun, "upgrade", "Upgrade nodes to an image; all of them or none",
      "  tallyman node upgrade eth-1 eth-2 --image ethereum/reth-mainnet-full@0.0.10 --dry-run\n"
      "  tallyman node upgrade --all-of ethereum/reth-mainnet-full@0.0.9 --region eu-west \\\n"
      "    --image ethereum/reth-mainnet-full@0.0.10\n"
      "  tallyman node upgrade eth-1 --retry",
      upgrade, chosen, UpgradeNodes);
  AddPositionals(command, "NODE", upgrade->nodes, "Names or ids");
  AddText(command, "--image", upgrade->image, "IMAGE",
          "The new image: PROTOCOL/VARIANT@VERSION[+BUILD] or id");
  AddText(command, "--all-of", upgrade->all_of, "PROTOCOL/VARIANT[@VERSION]",
          "All nodes of this protocol, variant and version");
  AddText(command, "--region", upgrade->region, "REGION", "With --all-of: in this region only");
  AddText(command, "--org", upgrade->org, "ORG", "With --all-of: of this org only");
  command->add_flag("--retry", upgrade->retry, "Try an upgrade that failed on the host again");
  AddChange(command, upgrade->change);

  auto retry = std::make_shared<NodesOptions>();
  command = AddCommand(noun, "retry", "Try an upgrade that failed on the host again",
                       "  tallyman node retry eth-1", retry, chosen, RetryUpgrades);
  AddPositionals(command, "NODE", retry->nodes, "Name or id")->required()->expected(1);
  AddExpectedVersion(command, retry->change);
  AddChange(command, retry->change);
}

void DefineNodeLifecycle(CLI::App& noun, Chosen& chosen) {
  auto add = [&](const char* name, const char* description, const char* examples, auto run) {
    auto options = std::make_shared<NodesOptions>();
    CLI::App* command = AddCommand(noun, name, description, examples, options, chosen, run);
    AddPositionals(command, "NODE", options->nodes, "Names or ids")->required();
    AddChange(command, options->change);
    return std::pair(command, options);
  };
  add("start", "Ask the hosts to start nodes", "  tallyman node start eth-1 eth-2", StartNodes);
  add("stop", "Ask the hosts to stop nodes; they stay charged", "  tallyman node stop eth-1",
      StopNodes);
  add("restart", "Ask the hosts to restart nodes", "  tallyman node restart eth-1", RestartNodes);
  const auto [move, move_options] = add("move", "Give nodes to another org",
                                        "  tallyman node move eth-1 eth-2 --to acme", MoveNodes);
  AddText(move, "--to", move_options->org, "ORG", "Who will own them")->required();
  const auto [remove, remove_options] =
      add("delete", "Delete nodes; without --yes it shows what would be done",
          "  tallyman node delete eth-1\n"
          "  tallyman node delete eth-1 --yes",
          DeleteNodes);
  remove->add_flag("-y,--yes", remove_options->change.yes, "Do it");
}

void DefineAudit(CLI::App& root, Chosen& chosen) {
  auto audit = std::make_shared<AuditOptions>();
  CLI::App* command = AddCommand(
      root, "audit", "Compare everything that must agree: exit 0 balanced, 3 drift, 1 error",
      "  tallyman audit\n"
      "  tallyman audit --host h1\n"
      "  tallyman audit --repair          shows what a repair would do\n"
      "  tallyman audit --repair --yes    repairs",
      audit, chosen, Audit);
  // A word behind it stands for another command, and was chosen by then.
  command->callback([command, audit, &chosen] {
    if (!command->get_subcommands().empty()) return;
    chosen.command = [audit](Context& context) { return Audit(context, *audit); };
  });
  AddTexts(command, "--host", audit->hosts, "HOST", "This host only (repeat for several)");
  command->add_flag("--repair", audit->repair, "Show the corrections that would be made");
  command->add_flag("-y,--yes", audit->change.yes, "With --repair: make them");
  AddText(command, "--limit", audit->limit, "N", "List at most N drifts (default: 1000)");
  AddChange(command, audit->change);
}

void DefineLedger(CLI::App& root, Chosen& chosen) {
  CLI::App& noun = *AddNoun(root, "ledger", "The entries behind the books",
                            "  tallyman ledger host h1\n"
                            "  tallyman ledger node eth-1");
  auto host = std::make_shared<LedgerOptions>();
  CLI::App* command = AddCommand(noun, "host", "Explain a host's counters, entry by entry",
                                 "  tallyman ledger host h1\n"
                                 "  tallyman ledger host h1 --filter kind=drift_correction",
                                 host, chosen, ShowLedger);
  AddPositional(command, "HOST", host->host, "Name or id");
  AddList(command, host->list, "kind", "seq");

  auto node = std::make_shared<LedgerOptions>();
  command = AddCommand(noun, "node", "Explain what a node is charged, entry by entry",
                       "  tallyman ledger node eth-1", node, chosen, ShowLedger);
  AddPositional(command, "NODE", node->node, "Name or id; a node that is gone goes by its id");
  AddList(command, node->list, "kind", "seq");
}

void DefineEventsAndCommands(CLI::App& root, Chosen& chosen) {
  auto events = std::make_shared<EventOptions>();
  CLI::App* command =
      AddCommand(root, "events", "What happened, oldest first",
                 "  tallyman events --node eth-1\n"
                 "  tallyman events --follow\n"
                 "  tallyman events --kind drift_found --order-by \"time desc\" --limit 10",
                 events, chosen, ListEvents);
  AddText(command, "--node", events->node, "NODE", "About this node only");
  AddText(command, "--host", events->host, "HOST", "About this host only");
  AddText(command, "--org", events->org, "ORG", "About this org only");
  AddText(command, "--kind", events->kind, "KIND", "Of this kind only, such as upgrade_started");
  AddText(command, "--after", events->after, "CURSOR",
          "Only what came after the cursor of an earlier answer");
  command->add_flag("-f,--follow", events->follow, "Show events as they happen, from now on");
  AddList(command, events->list, "node, host, org, kind", "time");

  CLI::App& noun = *AddNoun(root, "command", "Commands: what hosts are told to do",
                            "  tallyman command list --state open\n"
                            "  tallyman command show ID");
  auto list = std::make_shared<CommandListOptions>();
  command = AddCommand(noun, "list", "List commands", "  tallyman command list --node eth-1", list,
                       chosen, ListCommands);
  AddText(command, "--node", list->node, "NODE", "For this node only");
  AddText(command, "--host", list->host, "HOST", "For this host only");
  AddText(command, "--kind", list->kind, "KIND", "Of this kind only, such as upgrade");
  AddText(command, "--state", list->state, "STATE", "In this state only, such as open");
  AddList(command, list->list, "node, host, kind, state", "created_at");

  auto show = std::make_shared<std::string>();
  command = AddCommand(noun, "show", "Show a command with its payload",
                       "  tallyman command show ID", show, chosen, ShowCommand);
  AddPositional(command, "COMMAND", *show, "Id");
}

void DefineDb(CLI::App& root, Chosen& chosen) {
  CLI::App& noun = *AddNoun(root, "db", "The database as a whole",
                            "  tallyman db migrate --db sqlite:fleet.db\n"
                            "  tallyman db backup fleet.backup\n"
                            "  tallyman db check\n"
                            "  tallyman db copy --from sqlite:fleet.db --to postgres://db/fleet");
  auto none = std::make_shared<int>();
  AddCommand(noun, "migrate", "Create the database, or bring it to this program's schema",
             "  tallyman db migrate --db sqlite:fleet.db", none, chosen,
             [](Context& context, int) { return MigrateDatabase(context); });
  auto to = std::make_shared<std::string>();
  CLI::App* command =
      AddCommand(noun, "backup", "Copy the database into a new file while it is in use",
                 "  tallyman db backup fleet.backup", to, chosen, BackupDatabase);
  AddPositional(command, "FILE", *to, "The new file");
  AddCommand(noun, "check", "Check that the database is sound; audit checks the books",
             "  tallyman db check", none, chosen,
             [](Context& context, int) { return CheckDatabase(context); });
  auto copy = std::make_shared<CopyOptions>();
  command = AddCommand(
      noun, "copy", "Copy everything into an empty database, also of another kind",
      "  tallyman db copy --from sqlite:fleet.db --to postgres://tallyman@db.example/fleet", copy,
      chosen, CopyDatabase);
  AddText(command, "--from", copy->from, "DSN", "The database to copy; it may be in use")
      ->required();
  AddText(command, "--to", copy->to, "DSN", "The database to fill; it has to be empty")->required();
}

void DefineImport(CLI::App& root, Chosen& chosen) {
  CLI::App& noun =
      *AddNoun(root, "import", "Take images or hosts from a CSV file; all of it or nothing",
               "  tallyman import images images.csv\n"
               "  tallyman import hosts hosts.csv --disk-gb 8000 --region eu-west");
  auto images = std::make_shared<ImportOptions>();
  CLI::App* command = AddCommand(
      noun, "images",
      "Take images; columns committed_at,protocol_key,image,variant_key,semantic_version,\n"
      "cpu_cores,memory_mb,disk_gb (10^6 and 10^9 bytes)",
      "  tallyman import images images.csv", images, chosen, ImportImages);
  AddPositional(command, "FILE", images->file, "CSV file, - for standard input");
  AddText(command, "--org", images->org, "ORG", "Make them private to this org");
  AddDryRun(command, images->change);
  AddRequestId(command, images->change.request_id);

  auto hosts = std::make_shared<ImportOptions>();
  command =
      AddCommand(noun, "hosts",
                 "Take hosts; columns sn,cpu_milli,memory_mib (thousandths of a core, 2^20 bytes)",
                 "  tallyman import hosts hosts.csv --disk-gb 8000 --region eu-west", hosts, chosen,
                 ImportHosts);
  AddPositional(command, "FILE", hosts->file, "CSV file, - for standard input");
  AddText(command, "--disk-gb", hosts->disk_gb, "N", "Disk of each host, in 10^9 bytes")
      ->required();
  AddText(command, "--region", hosts->region, "REGION",
          "Where they stand, created when there is none of that name (default: default)");
  AddDryRun(command, hosts->change);
  AddRequestId(command, hosts->change.request_id);
}

void DefineApply(CLI::App& root, Chosen& chosen) {
  auto apply = std::make_shared<ApplyOptions>();
  CLI::App* command =
      AddCommand(root, "apply", "Make the fleet what a file declares; never deletes",
                 "  tallyman apply -f fleet.yaml --dry-run\n"
                 "  tallyman apply -f fleet.yaml",
                 apply, chosen, ApplyFleet);
  AddText(command, "-f,--file", apply->file, "FILE", "Fleet file, - for standard input")
      ->required();
  AddText(command, "--org", apply->org, "ORG", "Who owns nodes that name no org");
  command->add_flag("--dry-run", apply->dry_run, "Show the difference and change nothing");
}

}  // namespace

void DefineNodeCommands(CLI::App& root, Chosen& chosen) {
  CLI::App& noun =
      *AddNoun(root, "node", "Nodes: place, show, upgrade, delete them",
               "  tallyman node create --image ethereum/reth-mainnet-full@0.0.9 --count 20 "
               "--region eu-west\n"
               "  tallyman node upgrade eth-1 --image ethereum/reth-mainnet-full@0.0.10 --dry-run\n"
               "  tallyman node list --host h1");
  DefineNodeCreate(noun, chosen);
  DefineNodeReads(noun, chosen);
  DefineNodeUpdate(noun, chosen);
  DefineNodeUpgrade(noun, chosen);
  DefineNodeLifecycle(noun, chosen);
}

void DefineRecordCommands(CLI::App& root, Chosen& chosen) {
  DefineAudit(root, chosen);
  DefineLedger(root, chosen);
  DefineEventsAndCommands(root, chosen);
}

void DefineDatabaseCommands(CLI::App& root, Chosen& chosen) {
  DefineDb(root, chosen);
  DefineImport(root, chosen);
  DefineApply(root, chosen);
}

}  // namespace tallyman
