// The words of the command line, defined with CLI11. Included by few files only: it takes long to
// compile.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/parse.h"

namespace tallyman {

// Where a definition puts the command that was chosen.
struct Chosen {
  Command command;
};

// A noun with verbs below it.
inline CLI::App* AddNoun(CLI::App& root, const std::string& name, const std::string& description,
                         const std::string& examples) {
  CLI::App* noun = root.add_subcommand(name, description);
  noun->require_subcommand(1);
  noun->footer("Examples:\n" + examples);
  noun->fallthrough();
  return noun;
}

// A verb, or a noun that is a command by itself. `run` gets the context and the options.
template <class Options, class Run>
CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::string& examples, const std::shared_ptr<Options>& options,
                     Chosen& chosen, Run run) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->footer("Examples:\n" + examples +
                  "\nOptions such as --db, -o and -q may stand anywhere: see tallyman --help");
  command->fallthrough();
  command->callback([options, run, &chosen] {
    chosen.command = [options, run](Context& context) { return run(context, *options); };
  });
  return command;
}

inline CLI::Option* AddPositional(CLI::App* command, const std::string& name, std::string& value,
                                  const std::string& description) {
  return command->add_option(name, value, description)->required()->type_name("");
}

inline CLI::Option* AddPositionals(CLI::App* command, const std::string& name,
                                   std::vector<std::string>& values,
                                   const std::string& description) {
  return command->add_option(name, values, description)->type_name("");
}

inline CLI::Option* AddText(CLI::App* command, const std::string& name, std::string& value,
                            const std::string& type, const std::string& description) {
  return command->add_option(name, value, description)->type_name(type);
}

// An option that may be given several times, one value each.
inline CLI::Option* AddTexts(CLI::App* command, const std::string& name,
                             std::vector<std::string>& values, const std::string& type,
                             const std::string& description) {
  return command->add_option(name, values, description)->type_name(type)->allow_extra_args(false);
}

inline void AddRequestId(CLI::App* command, std::string& request_id) {
  AddText(command, "--request-id", request_id, "ID",
          "Sent twice with the same id, it happens once (default: a new id)");
}

inline void AddDryRun(CLI::App* command, ChangeOptions& change) {
  command->add_flag("--dry-run", change.dry_run, "Show what would be done and change nothing");
}

// --dry-run, --plan-token, --request-id.
inline void AddChange(CLI::App* command, ChangeOptions& change) {
  AddDryRun(command, change);
  AddText(command, "--plan-token", change.plan_token, "TOKEN",
          "Do it only if it is still exactly what the dry run with this token showed");
  AddRequestId(command, change.request_id);
}

inline void AddExpectedVersion(CLI::App* command, ChangeOptions& change) {
  AddText(command, "--expected-version", change.expected_version, "N",
          "Refuse unless it is still at this version");
}

inline void AddList(CLI::App* command, ListOptions& list, const std::string& fields,
                    const std::string& orders) {
  AddText(command, "--filter", list.filter, "FILTER",
          "FIELD=VALUE or FIELD!=VALUE, several separated by spaces; fields: " + fields);
  AddText(command, "--order-by", list.order_by, "FIELD",
          "Add \" desc\" to turn it round; fields: " + orders);
  AddText(command, "--limit", list.limit, "N", "Show the first N only");
}

inline void AddAmounts(CLI::App* command, AmountOptions& amounts, const std::string& what,
                       bool required) {
  AddText(command, "--cpu", amounts.cpu, "CORES", what + ": whole cores")->required(required);
  AddText(command, "--memory", amounts.memory, "AMOUNT", what + ": memory, such as 64GB or 256GiB")
      ->required(required);
  AddText(command, "--disk", amounts.disk, "AMOUNT", what + ": disk, such as 2TB")
      ->required(required);
}

inline constexpr const char* kFirewallRuleHelp =
    "KEY:DIRECTION:ACTION[:TRANSPORT[:PORTS[:IPS]]], such as p2p:in:allow:both:30303";

void DefineFleetCommands(CLI::App& root, Chosen& chosen);     // org, region, host, protocol, image
void DefineHostClaims(CLI::App& noun, Chosen& chosen);        // of host
void DefineNodeCommands(CLI::App& root, Chosen& chosen);      // node
void DefineRecordCommands(CLI::App& root, Chosen& chosen);    // audit, ledger, events, command
void DefineAccessCommands(CLI::App& root, Chosen& chosen);    // token, audit trail, context
void DefineDatabaseCommands(CLI::App& root, Chosen& chosen);  // db, import, apply

}  // namespace tallyman
