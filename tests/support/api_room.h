// The whole control plane with its public interface, on the database that any_room.h chooses.
#pragma once

#include "tests/support/any_room.h"
#include "tests/support/api_calls.h"

namespace tallyman {

class ApiRoom : public ApiCalls<AnyRoom> {
 public:
  using ApiCalls::ApiCalls;
};

}  // namespace tallyman
