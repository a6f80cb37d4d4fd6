// Events as people read them.
#pragma once

#include <map>
#include <string>

#include "store/list.h"
#include "tallyman/v1/event.pb.h"

namespace tallyman::api {

// The pairs of an event's detail, a JSON object. Values other than strings are kept as JSON. An
// unreadable detail yields no facts; the event is still shown.
std::map<std::string, std::string> FactsOf(const std::string& detail);

// "upgrade of node eth-1 on host h7 was started: ethereum/reth@1.0.0+1 -> ethereum/reth@1.1.0+1"
std::string SentenceOf(const store::EventRow& row, const std::map<std::string, std::string>& facts);

v1::Event MessageOf(const store::EventRow& row);

}  // namespace tallyman::api
