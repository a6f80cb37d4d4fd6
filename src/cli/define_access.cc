// The words about who may call, who did, and whom to call: token, audit trail, context.
#include "cli/definitions.h"

namespace tallyman {
namespace {

void DefineToken(CLI::App& root, Chosen& chosen) {
  CLI::App& noun =
      *AddNoun(root, "token", "Tokens: who may call over a network, and what for",
               "  tallyman token create ci --role operator --org acme --expires-in 90d\n"
               "  tallyman token list\n"
               "  tallyman token revoke ci");
  auto create = std::make_shared<TokenOptions>();
  CLI::App* command = AddCommand(
      noun, "create", "Make a token; it is shown once, on the last line",
      "  tallyman token create ci --role operator --org acme --expires-in 90d\n"
      "  tallyman token create rack-7 --role join       a new host joins with it, within a day\n"
      "  tallyman -q token create dash --role viewer >token",
      create, chosen, CreateToken);
  AddPositional(command, "NAME", create->name, "Who the books will say did it");
  AddText(command, "--role", create->role, "ROLE", "admin, operator, viewer, host or join")
      ->required();
  AddText(command, "--org", create->org, "ORG", "For this org only (default: all orgs)");
  AddText(command, "--host", create->host, "HOST", "With host and join: for this host only");
  AddText(command, "--expires-in", create->expires_in, "TIME",
          "Such as 12h or 90d (default: never; join: 24h)");
  AddRequestId(command, create->request_id);

  auto list = std::make_shared<ListOptions>();
  command = AddCommand(noun, "list", "List tokens, those that are not in force any more too",
                       "  tallyman token list --filter role=host", list, chosen, ListTokens);
  AddList(command, *list, "name, role, org, host, created_at, expires_at, revoked_at",
          "name, role, created_at, expires_at");

  auto revoke = std::make_shared<NameOptions>();
  command = AddCommand(noun, "revoke", "Revoke a token: from the next call on it is refused",
                       "  tallyman token revoke ci", revoke, chosen, RevokeToken);
  AddPositional(command, "TOKEN", revoke->name, "Name or id, not the secret");
  AddRequestId(command, revoke->request_id);
}

void DefineTrail(CLI::App& audit, Chosen& chosen) {
  auto trail = std::make_shared<TrailOptions>();
  CLI::App* command =
      AddCommand(audit, "trail", "Every request that changed something, the newest first",
                 "  tallyman audit trail --limit 20\n"
                 "  tallyman audit trail --by ci --filter \"created_at>=2026-03-01T00:00:00Z\"",
                 trail, chosen, ShowTrail);
  AddText(command, "--by", trail->actor, "ACTOR", "Of this actor only");
  AddText(command, "--method", trail->method, "METHOD", "Such as NodeService/UpgradeNodes");
  AddText(command, "--request", trail->request_id, "ID", "The request of an event or entry");
  AddList(command, trail->list, "created_at, actor, method, address, org, request_id",
          "created_at, actor, method");
}

void DefineContext(CLI::App& root, Chosen& chosen) {
  CLI::App& noun = *AddNoun(
      root, "context", "Contexts: servers and databases under a name of your own",
      "  tallyman context set prod --server https://tallyman.example:7480 --token-file prod.token\n"
      "  tallyman context use prod\n"
      "  tallyman context list");
  auto none = std::make_shared<int>();
  AddCommand(noun, "list", "List contexts; * is where commands go", "  tallyman context list", none,
             chosen, [](Context& context, int) { return ListContexts(context); });

  auto use = std::make_shared<std::string>();
  CLI::App* command = AddCommand(noun, "use", "Choose where commands go from now on",
                                 "  tallyman context use prod", use, chosen, UseContext);
  AddPositional(command, "NAME", *use, "Its name");

  auto set = std::make_shared<ContextOptions>();
  command = AddCommand(
      noun, "set", "Make or change a context, from --server, --db, --token-file, --token and --ca",
      "  tallyman context set prod --server https://tallyman.example:7480 \\\n"
      "    --token-file ~/prod.token --ca fleet-ca.pem\n"
      "  tallyman context set home --db sqlite:/home/me/fleet.db",
      set, chosen, SetContext);
  AddPositional(command, "NAME", set->name, "Its name");
}

}  // namespace

void DefineAccessCommands(CLI::App& root, Chosen& chosen) {
  DefineToken(root, chosen);
  DefineTrail(*root.get_subcommand("audit"), chosen);
  DefineContext(root, chosen);
}

}  // namespace tallyman
