#include "tests/support/any_room.h"

#include <cstdlib>
#include <stdexcept>

#include "tests/contract/backends.h"

namespace tallyman {

using namespace tallyman::control;

BackendParameter ChosenBackend() {
  const char* chosen = std::getenv("TALLYMAN_TEST_BACKEND");
  const std::string name = chosen == nullptr ? "sqlite" : chosen;
  if (name == "sqlite") return SqliteBackend();
  if (name == "postgres") return PostgresBackend();
  if (name == "postgres_serializable") return PostgresSerializableBackend();
  throw std::runtime_error("TALLYMAN_TEST_BACKEND names no backend: " + name);
}

AnyRoom::AnyRoom(ControlOptions options, const StoreWrapper& wrap)
    : backend(ChosenBackend().make()), store(&backend->store()) {
  if (wrap) {
    wrapped_ = wrap(*store);
    store = wrapped_.get();
  }
  Restart(options);
}

AnyRoom::~AnyRoom() = default;

void AnyRoom::Restart(ControlOptions options) {
  control.reset();
  options.secrets = &secrets;
  control = std::make_unique<Control>(*store, clock, random, log, metrics, options);
}

void AnyRoom::Sql(const std::string& statement) {
  const std::string before = Dump();
  backend->Corrupt(statement);
  EXPECT_NE(Dump(), before) << "nothing was damaged by " << statement;
}

}  // namespace tallyman
