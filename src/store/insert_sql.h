// INSERT statements, built at compile time from the columns of row_shapes.h.
//
//   kInsertSql<"INSERT INTO orgs", "id, name", "VALUES">.data()
//     -> INSERT INTO orgs (id, name) VALUES ($1, $2)
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "store/row_shapes.h"

namespace tallyman::store {

// A string literal as a template parameter.
template <size_t kSize>
struct SqlLiteral {
  char text[kSize];

  consteval SqlLiteral(const char (&literal)[kSize]) { std::ranges::copy(literal, text); }
  constexpr std::string_view view() const { return {text, kSize - 1}; }
};

// Writes into an array; one that is too short does not compile.
template <size_t kSize>
struct SqlWriter {
  std::array<char, kSize> text{};
  size_t at = 0;

  constexpr void Add(std::string_view part) {
    for (char c : part) text[at++] = c;
  }
  constexpr void AddNumber(int number) {
    if (number > 9) text[at++] = static_cast<char>('0' + number / 10);
    text[at++] = static_cast<char>('0' + number % 10);
  }
};

// BEFORE (COLUMNS) FROM ($1, $2, ...)AFTER: one parameter for each column, at most 99.
template <SqlLiteral kBefore, SqlLiteral kColumns, SqlLiteral kFrom, SqlLiteral kAfter = "">
inline constexpr auto kInsertSql = [] {
  constexpr auto columns = std::ranges::count(kColumns.view(), ',') + 1;
  SqlWriter<sizeof kBefore + sizeof kColumns + sizeof kFrom + sizeof kAfter + 5 * columns + 8>
      writer;
  writer.Add(kBefore.view());
  writer.Add(" (");
  writer.Add(kColumns.view());
  writer.Add(") ");
  writer.Add(kFrom.view());
  for (int i = 1; i <= columns; ++i) {
    writer.Add(i == 1 ? " ($" : ", $");
    writer.AddNumber(i);
  }
  writer.Add(")");
  writer.Add(kAfter.view());
  return writer.text;
}();

// A new row of each table; kFrom is how the database receives the values, such as "VALUES".
template <SqlLiteral kFrom>
struct InsertSql {
  template <SqlLiteral kTable, SqlLiteral kColumns>
  static constexpr const char* kInto = kInsertSql<kTable, kColumns, kFrom>.data();

  static constexpr const char* kOrgs = kInto<"INSERT INTO orgs", TALLYMAN_ORG_COLUMNS("")>;
  static constexpr const char* kRegions = kInto<"INSERT INTO regions", TALLYMAN_REGION_COLUMNS("")>;
  static constexpr const char* kProtocols =
      kInto<"INSERT INTO protocols", TALLYMAN_PROTOCOL_COLUMNS("")>;
  static constexpr const char* kVersions =
      kInto<"INSERT INTO protocol_versions", TALLYMAN_VERSION_COLUMNS("")>;
  static constexpr const char* kImages =
      kInto<"INSERT INTO images",
            TALLYMAN_IMAGE_COLUMNS("") ", protocol_version_id, firewall_rules">;
  static constexpr const char* kProperties =
      kInto<"INSERT INTO image_properties", "image_id, " TALLYMAN_PROPERTY_COLUMNS("")>;
  static constexpr const char* kHosts = kInto<"INSERT INTO hosts", TALLYMAN_HOST_COLUMNS("")>;
  static constexpr const char* kClaims =
      kInto<"INSERT INTO host_claims", TALLYMAN_CLAIM_COLUMNS("")>;
  static constexpr const char* kRollouts =
      kInto<"INSERT INTO rollouts", TALLYMAN_ROLLOUT_COLUMNS("") ", plan">;
  static constexpr const char* kRolloutNodes =
      kInto<"INSERT INTO rollout_nodes", TALLYMAN_ROLLOUT_NODE_COLUMNS("")>;
  static constexpr const char* kPolicies =
      kInto<"INSERT INTO upgrade_policies", TALLYMAN_POLICY_COLUMNS("")>;
  static constexpr const char* kDrainNodes =
      kInsertSql<"INSERT INTO drain_nodes", TALLYMAN_DRAIN_NODE_COLUMNS(""), kFrom,
                 " ON CONFLICT (host_id, owner, node_id) "
                 "DO UPDATE SET command_id = excluded.command_id">.data();
  static constexpr const char* kConfigs =
      kInto<"INSERT INTO configs", "id, " TALLYMAN_CONFIG_COLUMNS("")>;
  static constexpr const char* kNodes = kInto<"INSERT INTO nodes", TALLYMAN_NODE_COLUMNS("")>;
  static constexpr const char* kLedger =
      kInto<"INSERT INTO ledger", TALLYMAN_LEDGER_COLUMNS("") ", corrections">;
  static constexpr const char* kCommands =
      kInto<"INSERT INTO commands", TALLYMAN_NEW_COMMAND_COLUMNS("")>;
  static constexpr const char* kEvents =
      kInto<"INSERT INTO events", TALLYMAN_NEW_EVENT_COLUMNS("")>;
  static constexpr const char* kTokens = kInto<"INSERT INTO tokens", TALLYMAN_TOKEN_COLUMNS("")>;
  static constexpr const char* kRequests =
      kInto<"INSERT INTO requests", TALLYMAN_REQUEST_COLUMNS("") ", response">;
};

}  // namespace tallyman::store
