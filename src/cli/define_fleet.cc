// The words about orgs, regions, hosts, protocols and images.
#include "cli/definitions.h"

namespace tallyman {
namespace {

void DefineOrg(CLI::App& root, Chosen& chosen) {
  CLI::App& noun = *AddNoun(root, "org", "Orgs: the tenants that own nodes",
                            "  tallyman org create acme\n"
                            "  tallyman org list\n"
                            "  tallyman org show acme");
  auto create = std::make_shared<NameOptions>();
  CLI::App* command = AddCommand(noun, "create", "Create an org", "  tallyman org create acme",
                                 create, chosen, CreateOrg);
  AddPositional(command, "NAME", create->name, "Its name");
  AddRequestId(command, create->request_id);

  auto list = std::make_shared<ListOptions>();
  command =
      AddCommand(noun, "list", "List orgs", "  tallyman org list -o json", list, chosen, ListOrgs);
  AddList(command, *list, "name", "name, created_at");

  auto show = std::make_shared<std::string>();
  command = AddCommand(noun, "show", "Show an org and what its nodes use",
                       "  tallyman org show acme", show, chosen, ShowOrg);
  AddPositional(command, "ORG", *show, "Name or id");
}

void DefineRegion(CLI::App& root, Chosen& chosen) {
  CLI::App& noun = *AddNoun(root, "region", "Regions: groups of hosts",
                            "  tallyman region create eu-west\n"
                            "  tallyman region list");
  auto create = std::make_shared<NameOptions>();
  CLI::App* command = AddCommand(noun, "create", "Create a region",
                                 "  tallyman region create eu-west", create, chosen, CreateRegion);
  AddPositional(command, "NAME", create->name, "Its name");
  AddRequestId(command, create->request_id);

  auto list = std::make_shared<ListOptions>();
  command =
      AddCommand(noun, "list", "List regions", "  tallyman region list", list, chosen, ListRegions);
  AddList(command, *list, "name", "name, created_at");
}

void DefineHostChanges(CLI::App& noun, Chosen& chosen) {
  auto create = std::make_shared<HostOptions>();
  CLI::App* command =
      AddCommand(noun, "create", "Register a host",
                 "  tallyman host create h1 --region eu-west --cpu 64 --memory 256GiB --disk 8TB",
                 create, chosen, CreateHost);
  AddPositional(command, "NAME", create->host, "Its name");
  AddText(command, "--region", create->region, "REGION", "Where it stands")->required();
  AddAmounts(command, create->capacity, "Capacity", true);
  AddText(command, "--capacity-policy", create->capacity_policy, "POLICY",
          "When an upgrade would overfill it: default, warn or enforce");
  AddDryRun(command, create->change);
  AddRequestId(command, create->change.request_id);

  auto update = std::make_shared<HostOptions>();
  command = AddCommand(noun, "update", "Change a host's capacity or capacity policy",
                       "  tallyman host update h1 --memory 512GiB\n"
                       "  tallyman host update h1 --capacity-policy enforce --dry-run",
                       update, chosen, UpdateHost);
  AddPositional(command, "HOST", update->host, "Name or id");
  AddAmounts(command, update->capacity, "New capacity", false);
  AddText(command, "--capacity-policy", update->capacity_policy, "POLICY",
          "When an upgrade would overfill it: default, warn or enforce");
  AddExpectedVersion(command, update->change);
  AddChange(command, update->change);
}

void DefineHost(CLI::App& root, Chosen& chosen) {
  CLI::App& noun =
      *AddNoun(root, "host", "Hosts: machines, their capacity and their books",
               "  tallyman host create h1 --region eu-west --cpu 64 --memory 256GiB --disk 8TB\n"
               "  tallyman host list --region eu-west\n"
               "  tallyman host show h1");
  DefineHostChanges(noun, chosen);
  DefineHostClaims(noun, chosen);

  auto list = std::make_shared<HostListOptions>();
  CLI::App* command = AddCommand(noun, "list", "List hosts with their books",
                                 "  tallyman host list --region eu-west", list, chosen, ListHosts);
  AddText(command, "--region", list->region, "REGION", "Of this region only");
  command->add_flag("--retired", list->retired, "Also hosts that were retired");
  AddList(command, list->list, "name, region, liveness", "name, created_at");

  auto show = std::make_shared<std::string>();
  command = AddCommand(noun, "show", "Show a host: capacity, books, holds, free, and its nodes",
                       "  tallyman host show h1\n"
                       "  tallyman host show h1 -o json",
                       show, chosen, ShowHost);
  AddPositional(command, "HOST", *show, "Name or id");
}

void DefineProtocol(CLI::App& root, Chosen& chosen) {
  CLI::App& noun = *AddNoun(root, "protocol", "Protocols: the products that nodes run",
                            "  tallyman protocol list\n"
                            "  tallyman protocol versions ethereum");
  auto create = std::make_shared<ProtocolOptions>();
  CLI::App* command = AddCommand(noun, "create", "Create a protocol",
                                 "  tallyman protocol create ethereum --name Ethereum", create,
                                 chosen, CreateProtocol);
  AddPositional(command, "KEY", create->key, "The first part of image references");
  AddText(command, "--name", create->name, "NAME", "For people (default: the key)");
  AddText(command, "--org", create->org, "ORG", "Make it private to this org");
  AddRequestId(command, create->request_id);

  auto list = std::make_shared<ListOptions>();
  command = AddCommand(noun, "list", "List protocols", "  tallyman protocol list", list, chosen,
                       ListProtocols);
  AddList(command, *list, "key, org", "key, created_at");

  auto versions = std::make_shared<VersionListOptions>();
  command = AddCommand(noun, "versions", "List versions of protocols",
                       "  tallyman protocol versions ethereum --variant reth-mainnet-full",
                       versions, chosen, ListProtocolVersions);
  AddPositional(command, "PROTOCOL", versions->protocol, "Of this protocol only")->required(false);
  AddText(command, "--variant", versions->variant, "VARIANT", "Of this variant only");
  AddList(command, versions->list, "protocol, variant, semantic_version", "reference, created_at");
}

void DefineImage(CLI::App& root, Chosen& chosen) {
  CLI::App& noun =
      *AddNoun(root, "image", "Images: builds of protocol versions, and what they need",
               "  tallyman image list --protocol ethereum\n"
               "  tallyman image show ethereum/reth-mainnet-full@0.0.9");
  auto create = std::make_shared<ImageOptions>();
  CLI::App* command = AddCommand(
      noun, "create", "Publish an image; its protocol and version are created on the way",
      "  tallyman image create ethereum/reth-mainnet-full@0.0.9 \\\n"
      "    --uri docker://registry.example/ethereum-reth:0.0.9 \\\n"
      "    --cpu 8 --memory 16GB --disk 1500GB \\\n"
      "    --property archive=off --property-adds archive:memory=8GB,disk=2TB",
      create, chosen, CreateImage);
  AddPositional(command, "REF", create->reference, "PROTOCOL/VARIANT@VERSION");
  AddText(command, "--uri", create->uri, "URI",
          "Where hosts fetch it: docker://HOST/NAME:TAG or oci:/DIRECTORY:TAG")
      ->required();
  AddAmounts(command, create->minimum, "What a node needs at least", true);
  AddText(command, "--committed-at", create->committed_at, "TIME",
          "When it was published: Unix seconds or 2026-03-01T12:00:00Z (default: now)");
  AddTexts(command, "--property", create->properties, "KEY=DEFAULT",
           "A setting (repeat for several)");
  AddTexts(command, "--property-adds", create->property_adds, "KEY:cpu=N,memory=A,disk=A",
           "What a node needs on top when that setting is changed");
  AddTexts(command, "--firewall-rule", create->firewall_rules, "RULE", kFirewallRuleHelp);
  AddText(command, "--org", create->org, "ORG", "Make it private to this org");
  AddDryRun(command, create->change);
  AddRequestId(command, create->change.request_id);

  auto list = std::make_shared<VersionListOptions>();
  command = AddCommand(noun, "list", "List images and their minimum resources",
                       "  tallyman image list --protocol ethereum --variant reth-mainnet-full",
                       list, chosen, ListImages);
  AddText(command, "--protocol", list->protocol, "PROTOCOL", "Of this protocol only");
  AddText(command, "--variant", list->variant, "VARIANT", "Of this variant only");
  AddText(command, "--version", list->version, "VERSION", "Of this semantic version only");
  AddText(command, "--org", list->org, "ORG", "Private to this org only");
  AddList(command, list->list, "protocol, variant, semantic_version, org",
          "reference, committed_at");

  auto show = std::make_shared<std::string>();
  command = AddCommand(noun, "show", "Show an image with its properties and firewall rules",
                       "  tallyman image show ethereum/reth-mainnet-full@0.0.9\n"
                       "  tallyman image show ethereum/reth-mainnet-full@0.0.2+1",
                       show, chosen, ShowImage);
  AddPositional(command, "IMAGE", *show, "PROTOCOL/VARIANT@VERSION[+BUILD] or id");
}

}  // namespace

void DefineFleetCommands(CLI::App& root, Chosen& chosen) {
  DefineOrg(root, chosen);
  DefineRegion(root, chosen);
  DefineHost(root, chosen);
  DefineProtocol(root, chosen);
  DefineImage(root, chosen);
}

}  // namespace tallyman
