// Every list and look-up of a store, each with a name, to see the query plan of a database.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/contract/fleet.h"

namespace tallyman {

struct NamedRead {
  std::string name;
  std::function<Status(store::ReadTx&)> run;
};

// Lists in each order and under each condition.
std::vector<NamedRead> Lists();
// What is read by a key, of a fleet with a host, a node and its config.
std::vector<NamedRead> LookUps(const Fleet& fleet, const Node& node);
// What is read of the whole fleet or of a page of it.
std::vector<NamedRead> Walks(const Fleet& fleet, const Node& node);

}  // namespace tallyman
