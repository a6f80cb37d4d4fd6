// Parts of the screen that many commands share.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/context.h"
#include "tallyman/v1/common.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {

// "name   value", one a line; those without a value are left out.
void PrintFields(Context& context, const std::vector<std::pair<std::string, std::string>>& fields);

// Text of several lines below a title, each line indented and safe to print; nothing where there is
// no text.
void PrintBlock(Context& context, std::string_view title, std::string_view text,
                Colour colour = Colour::kNone);

// The table, or `when_empty`.
void PrintList(Context& context, const Table& table, std::string_view when_empty);

// An empty line and the table; nothing when it is empty.
void PrintBelow(Context& context, const Table& table);

// The last line of a change: what was done, or that nothing was and how to do it.
void PrintOutcome(Context& context, bool applied, std::string_view done,
                  const std::string& plan_token);

// What, stored, true, difference. The numbers are exact.
std::vector<Cell> DriftRow(const v1::Drift& drift);
Table DriftTable(const google::protobuf::RepeatedPtrField<v1::Drift>& drifts);

Table FirewallTable(const google::protobuf::RepeatedPtrField<v1::FirewallRule>& rules);

// Whether it is heard; red where it is not any more.
Cell HostState(const v1::Host& host);

// Who keeps new nodes off it and why; nothing where nobody does.
// What a drained host waits for; nothing where it is at rest, or is not drained.
void PrintDrain(Context& context, const v1::Host& host);
void PrintClaims(Context& context, const v1::Host& host);

enum class NodeTableOf { kFleet, kOneHost };
std::vector<Column> NodeColumns(NodeTableOf of);
std::vector<Cell> NodeRow(const v1::Node& node, NodeTableOf of);

// The tables of what is charged: a row per node, rows per host, corrections.
void PrintCharges(Context& context, const v1::Changes& changes);

// What a request on nodes did or would do: a row per node, rows per host, warnings, corrections,
// the plan token. `done` is the verb: "Upgraded".
void PrintChanges(Context& context, const v1::Changes& changes, std::string_view done);

}  // namespace tallyman::cli
