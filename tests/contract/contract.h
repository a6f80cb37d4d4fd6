// The fixture of the contract suite: a fresh database with a catalogue, and shorthands.
#pragma once

#include <gtest/gtest.h>

#include "tests/contract/backends.h"
#include "tests/contract/fleet.h"

namespace tallyman {

#define ASSERT_OK(expression)                                                                      \
  do {                                                                                             \
    auto status_ = (expression);                                                                   \
    ASSERT_TRUE(status_.has_value()) << status_.error().reason << ": " << status_.error().message; \
  } while (false)

class StoreContract : public testing::TestWithParam<BackendParameter> {
 protected:
  void SetUp() override {
    backend_ = GetParam().make();
    ASSERT_OK(Apply(store(), fleet_.Catalogue()));
  }

  store::Store& store() { return backend_->store(); }
  store::StoreAdmin& admin() { return backend_->admin(); }

  HostId AddHost(const std::string& name, const Resources& capacity = {64, 1'000'000, 9'000'000}) {
    Status status = Apply(store(), fleet_.CreateHost(name, capacity));
    EXPECT_TRUE(status.has_value()) << status.error().message;
    return fleet_.host_ids.at(name);
  }
  Node AddNode(const std::string& name, const HostId& host) {
    ChangeSet changes = fleet_.CreateNode(name, host, fleet_.small);
    Node node = changes.new_nodes.front();
    Status status = Apply(store(), std::move(changes));
    EXPECT_TRUE(status.has_value()) << status.error().message;
    return node;
  }

  // Runs a read and returns its result; a failure fails the test.
  template <class Body>
  auto Read(const Body& body) {
    typename std::invoke_result_t<Body, store::ReadTx&>::value_type value{};
    Status status = store().Read([&](store::ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(value, body(tx));
      return {};
    });
    EXPECT_TRUE(status.has_value()) << status.error().reason << ": " << status.error().message;
    return value;
  }
  // The same for a write.
  template <class Body>
  auto Write(const Body& body) {
    typename std::invoke_result_t<Body, store::WriteTx&>::value_type value{};
    Status status = store().Write([&](store::WriteTx& tx) -> Status {
      ASSIGN_OR_RETURN(value, body(tx));
      return {};
    });
    EXPECT_TRUE(status.has_value()) << status.error().reason << ": " << status.error().message;
    return value;
  }
  Host ReadHost(const HostId& id) {
    return Read([&](store::ReadTx& tx) { return tx.FindHost(id.ToString()); }).value().host;
  }
  Node ReadNode(const NodeId& id) {
    return Read([&](store::ReadTx& tx) { return tx.FindNode(id.ToString()); }).value().node;
  }
  store::Snapshot Load(const store::LockSet& wanted) {
    return Read([&](store::ReadTx& tx) { return tx.Load(wanted); });
  }

  // The content of the database, in a form that can be compared.
  std::string Everything();

  Fleet fleet_;
  std::unique_ptr<StoreBackend> backend_;
};

store::LockSet LockOf(const NodeId& node);
store::LockSet LockOf(const HostId& host);

void ExpectRefused(const Status& status, Code code, std::string_view reason);

}  // namespace tallyman
