// Lists: every field filters and orders, pages put together are the whole, and nothing is missed.
#include <algorithm>
#include <set>

#include "base/time.h"
#include "tests/contract/contract.h"
#include "tests/contract/each_list.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

class ListContract : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    for (int i = 0; i < 5; ++i)
      AddHost("rack-" + std::to_string(i), {8 + i % 2, 1'000'000, 9'000'000});
    for (int i = 0; i < 12; ++i) {
      HostId host = fleet_.host_ids.at("rack-" + std::to_string(i % 4));
      Node node = AddNode("eth-" + std::to_string(i), host);
      if (i % 3 == 0) ASSERT_OK(Apply(store(), fleet_.Upgrade(node, fleet_.big)));
      AddTokenAndRequest(i, host);
      AddToRollout(i, node);
      AddPolicy(i);
    }
  }

  // A rollout for every four nodes.
  void AddToRollout(int i, const Node& node) {
    ChangeSet changes;
    if (i % 4 == 0) {
      rollout_.id = fleet_.ids.New<RolloutId>();
      rollout_.name = "rollout-" + std::to_string(i);
      rollout_.image_id = fleet_.big.id;
      rollout_.waves = {{.size = 2}, {.size = 2}};
      rollout_.state = i == 0 ? RolloutState::kPaused : RolloutState::kRunning;
      if (i == 4) rollout_.org_id = fleet_.org.id;
      rollout_.created_at = FromMicros(i);
      changes.new_rollouts = {rollout_};
    }
    changes.new_rollout_nodes = {
        {.rollout_id = rollout_.id,
         .node_id = node.id,
         .host_id = node.host_id,
         .wave = i % 4 / 2,
         .place = i,
         .state = i % 3 == 0 ? RolloutNodeState::kFailed : RolloutNodeState::kWaiting,
         .why = i % 3 == 0 ? "FAILED" : "",
         .from_config_id = node.config_id}};
    ASSERT_OK(Apply(store(), changes));
  }

  void AddPolicy(int i) {
    ChangeSet changes;
    changes.new_policies = {{.id = fleet_.ids.New<PolicyId>(),
                             .name = "policy-" + std::to_string(i),
                             .org_id = fleet_.org.id,
                             .protocol_id = fleet_.protocol.id,
                             .variant = "variant-" + std::to_string(i / 2),
                             .enabled = i % 3 != 0,
                             .created_at = FromMicros(i)}};
    // One for each variant.
    if (i % 2 == 0) ASSERT_OK(Apply(store(), changes));
  }

  void AddTokenAndRequest(int i, const HostId& host) {
    ChangeSet changes;
    Token token =
        fleet_.MakeToken("token-" + std::to_string(i), i % 2 == 0 ? Role::kAdmin : Role::kHost);
    if (i % 2 == 0) token.org_id = fleet_.org.id;
    if (i % 2 == 1) token.host_id = host;
    if (i % 3 == 0) token.expires_at = FromMicros(100 + i);
    if (i % 4 == 0) token.revoked_at = FromMicros(200 + i);
    changes.new_tokens = {token};
    RequestRecord request = fleet_.Request("request-" + std::to_string(i));
    // Several of one moment: their order is that of the key.
    request.created_at = FromMicros(i / 3);
    request.key.actor_id = "actor-" + std::to_string(i % 5);
    if (i % 2 == 1) request.key.org_id = OrgId{};
    changes.requests = {request};
    ASSERT_OK(Apply(store(), changes));
  }

  Rollout rollout_;

  using Row = ListCursor;
  Result<std::vector<Row>> List(ReadTx& tx, Listing listing, const ListQuery& query) {
    auto cursors = [](auto rows) -> Result<std::vector<Row>> {
      if (!rows) return Fail(std::move(rows).error());
      std::vector<Row> out;
      for (const auto& row : *rows) out.push_back(row.cursor);
      return out;
    };
    return ReadListing(tx, listing, query, cursors);
  }
  std::vector<Row> List(Listing listing, const ListQuery& query) {
    return Read([&](ReadTx& tx) { return List(tx, listing, query); });
  }
};

TEST_P(ListContract, EveryFieldOrdersBothWaysAndPagesAreTheWhole) {
  for (const auto& [listing, name] : kAllListings) {
    for (const ListField& field : FieldsOf(listing)) {
      ListQuery query;
      query.order_by = field.name;
      auto whole = List(listing, query);
      ASSERT_FALSE(whole.empty()) << field.name;
      EXPECT_TRUE(std::ranges::is_sorted(whole, {}, &ListCursor::value)) << field.name;
      for (const ListCursor& row : whole) {
        EXPECT_EQ(std::holds_alternative<int64_t>(row.value), field.type == FieldType::kInteger)
            << field.name;
      }
      for (bool descending : {false, true}) {
        query.descending = descending;
        query.after.reset();
        query.limit = 1 + static_cast<int64_t>(whole.size()) / 3;
        std::vector<ListCursor> pages;
        for (;;) {
          auto page = List(listing, query);
          pages.insert(pages.end(), page.begin(), page.end());
          if (std::ssize(page) < query.limit) break;
          query.after = page.back();
        }
        if (descending) std::ranges::reverse(pages);
        ASSERT_EQ(pages.size(), whole.size()) << field.name << (descending ? " down" : " up");
        for (size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(pages[i].key, whole[i].key);
      }
    }
  }
}

bool Holds(const FieldValue& stored, Comparison comparison, const FieldValue& value) {
  switch (comparison) {
    case Comparison::kEqual:
      return stored == value;
    case Comparison::kNotEqual:
      return stored != value;
    case Comparison::kLess:
      return stored < value;
    case Comparison::kLessOrEqual:
      return stored <= value;
    case Comparison::kGreater:
      return stored > value;
    case Comparison::kGreaterOrEqual:
      break;
  }
  return stored >= value;
}

TEST_P(ListContract, EveryFieldFiltersByEveryComparison) {
  for (const auto& [listing, name] : kAllListings) {
    for (const ListField& field : FieldsOf(listing)) {
      ListQuery query;
      query.order_by = field.name;
      const auto whole = List(listing, query);
      const FieldValue value = whole[whole.size() / 2].value;
      for (Comparison comparison :
           {Comparison::kEqual, Comparison::kNotEqual, Comparison::kLess, Comparison::kLessOrEqual,
            Comparison::kGreater, Comparison::kGreaterOrEqual}) {
        // An empty name stands for a row that has none; no name equals it.
        if (comparison == Comparison::kEqual && value == FieldValue("")) continue;
        query.conditions = {{std::string(field.name), comparison, value}};
        std::set<std::string> expected, found;
        for (const ListCursor& row : whole) {
          if (Holds(row.value, comparison, value)) expected.insert(row.key);
        }
        for (const ListCursor& row : List(listing, query)) found.insert(row.key);
        EXPECT_EQ(found, expected) << field.name << ' ' << static_cast<int>(comparison);
      }
    }
  }
}

TEST_P(ListContract, AllConditionsHoldTogether) {
  ListQuery query;
  query.conditions = {{"host", Comparison::kEqual, "rack-0"},
                      {"cpu_cores", Comparison::kGreater, int64_t{2}},
                      {"region", Comparison::kEqual, "north"}};
  auto rows = Read([&](ReadTx& tx) { return tx.ListNodes(query); });
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].node.name, "eth-0");
  EXPECT_EQ(rows[0].image, fleet_.big.Reference());
  EXPECT_EQ(rows[0].org, "acme");
  query.conditions = {{"name", Comparison::kEqual, "x' OR 1=1 --"}};
  EXPECT_TRUE(List(Listing::kNodes, query).empty());
}

TEST_P(ListContract, WhatIsTakenOfAHostIsChargesAndHoldsInThousandths) {
  backend_->Corrupt(
      "UPDATE hosts SET cpu_cores = 10, node_cpu_cores = 3, held_cpu_cores = 2, "
      "memory_bytes = 4194304, node_memory_bytes = 1048576, held_memory_bytes = 2097152, "
      "disk_bytes = 1152921504606846976, node_disk_bytes = 576460752303423488 "
      "WHERE name = 'rack-0'");
  auto taken = [&](const std::string& field) {
    ListQuery query;
    query.conditions = {{"name", Comparison::kEqual, "rack-0"}};
    query.order_by = field;
    const auto rows = List(Listing::kHosts, query);
    EXPECT_EQ(rows.size(), 1u);
    return rows.empty() ? FieldValue() : rows[0].value;
  };
  EXPECT_EQ(taken("cpu_taken_permille"), FieldValue(int64_t{500}));
  EXPECT_EQ(taken("memory_taken_permille"), FieldValue(int64_t{750}));
  EXPECT_EQ(taken("disk_taken_permille"), FieldValue(int64_t{500}));
  EXPECT_EQ(taken("taken_permille"), FieldValue(int64_t{750}));
  backend_->Corrupt("UPDATE hosts SET node_cpu_cores = 17 WHERE name = 'rack-0'");
  EXPECT_EQ(taken("taken_permille"), FieldValue(int64_t{1900})) << "more than there is";
  backend_->Corrupt(
      "UPDATE hosts SET cpu_cores = 0, held_disk_bytes = node_disk_bytes WHERE name = 'rack-0'");
  EXPECT_EQ(taken("cpu_taken_permille"), FieldValue(int64_t{0})) << "of nothing";
  EXPECT_EQ(taken("taken_permille"), FieldValue(int64_t{1000}));
}

TEST_P(ListContract, AnUnknownFieldIsRefused) {
  ListQuery query;
  query.order_by = "name; DROP TABLE nodes";
  Status status = store().Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto rows, tx.ListNodes(query));
    return {};
  });
  ExpectRefused(status, Code::kInvalidArgument, "INVALID_LIST");
}

TEST_P(ListContract, DeletedNodesAreListedOnlyWhenAskedFor) {
  auto node = Read([&](ReadTx& tx) { return tx.FindNode("eth-1"); }).value().node;
  ASSERT_OK(Apply(store(), fleet_.Delete(node)));
  ListQuery query;
  EXPECT_EQ(List(Listing::kNodes, query).size(), 11u);
  query.with_deleted = true;
  EXPECT_EQ(List(Listing::kNodes, query).size(), 12u);
  query.conditions = {{"host", Comparison::kEqual, "rack-1"}};
  EXPECT_EQ(List(Listing::kNodes, query).size(), 3u);
}

RUN_ON_ALL_BACKENDS(ListContract);

}  // namespace
}  // namespace tallyman
